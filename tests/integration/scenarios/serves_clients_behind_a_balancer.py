"""The PROXY protocol, and HAProxy in front of it."""

import shutil
import struct
import subprocess

import certificates
from waiting import WAIT_SECONDS, can_connect, free_port, until
from world import Skipped

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def start(world, networks="127.0.0.0/8", text="", **more):
    sink = world.sink()
    world.write_server(
        relay=False, smart_host=sink.smart_host, text=text,
        access=f"proxy_protocol: [{networks}], relay: {{ allow: [192.0.2.0/24] }}, "
               "connect: { deny: [192.0.2.66] }", **more)
    world.start()
    return sink


def version1(client):
    return f"PROXY TCP4 {client} 127.0.0.1 4711 25\r\n".encode()


def version2(client, command=0x21):
    address = bytes(map(int, client.split(".")))
    data = address + bytes([127, 0, 0, 1]) + struct.pack("!HH", 4711, 25) + b"\x04\x00\x01\x00"
    return SIGNATURE + bytes([command, 0x11]) + struct.pack("!H", len(data)) + data


def scenario_the_client_is_who_the_header_says(world):
    sink = start(world)
    for number, header in enumerate((version1("192.0.2.7"), version2("192.0.2.7")), 1):
        raw = world.raw()
        raw.send(header)
        raw.hello()
        raw.message(b"Subject: x\r\n\r\nbody\r\n")
        raw.expect(b"QUIT\r\n", "221")
        messages = sink.wait_for(number)
        assert b"[192.0.2.7]" in messages[-1].content, messages[-1].content
        raw.close()
    lines = world.wait_for_event("connection", count=2, peer="192.0.2.7:4711")
    assert all(line["balancer"].startswith("127.") for line in lines), lines


def scenario_rules_are_those_of_the_client(world):
    start(world, text="connections: { per_client_limit: 1 }\n")
    raw = world.raw()
    raw.send(version1("198.51.100.1"))
    raw.hello()
    raw.expect(b"MAIL FROM:<a@sender.example>\r\n", "250")
    raw.expect(b"RCPT TO:<bob@example.org>\r\n", "550")
    denied = world.raw()
    denied.send(version2("192.0.2.66"))
    assert denied.reply().startswith("554")
    second = world.raw()
    second.send(version1("198.51.100.1"))
    assert second.reply().startswith("421"), "one client, one connection"
    third = world.raw()
    third.send(version1("198.51.100.2"))
    third.hello()
    for connection in (raw, denied, second, third):
        connection.close()


def scenario_a_header_that_comes_byte_by_byte(world):
    start(world)
    for header in (version1("192.0.2.7"), version2("192.0.2.7")):
        raw = world.raw()
        for octet in header:
            raw.send(bytes([octet]))
        raw.hello()
        raw.begin()
        raw.close()


def scenario_the_balancers_own_checks(world):
    start(world)
    for header in (b"PROXY UNKNOWN\r\n", version2("192.0.2.7", command=0x20)):
        raw = world.raw()
        raw.send(header)
        raw.hello()
        raw.expect(b"MAIL FROM:<a@sender.example>\r\n", "250")
        raw.expect(b"RCPT TO:<bob@example.org>\r\n", "550")
        raw.close()


def scenario_no_header_or_a_bad_one_ends_it(world):
    start(world)
    for words in (b"EHLO client.example\r\n", b"PROXY TCP4 nonsense\r\n", b"\x16\x03\x01",
                  SIGNATURE + b"\x11\x11\x00\x00", b"PROXY " + b"x" * 200):
        raw = world.raw()
        raw.send(words)
        assert raw.rest() == b"", words
        raw.close()
    events = world.wait_for_event("refused", count=5)
    assert all("no PROXY header" in event["reason"] for event in events), events


def scenario_a_strangers_header_is_no_command(world):
    start(world, networks="198.51.100.0/24")
    raw = world.raw()
    assert raw.reply().startswith("220")
    raw.expect(version1("192.0.2.7"), "500")
    raw.expect(b"EHLO client.example\r\n", "250")
    raw.expect(b"MAIL FROM:<a@sender.example>\r\n", "250")
    raw.expect(b"RCPT TO:<bob@example.org>\r\n", "550")
    raw.close()


def scenario_what_follows_the_header_at_once_is_not_lost(world):
    """A balancer may send header and ClientHello together."""
    import ssl
    identity = certificates.make(world, "server")
    sink = world.sink()
    world.write_server(
        relay=False, smart_host=sink.smart_host, binding="tls: implicit",
        access=f"proxy_protocol: [127.0.0.0/8], relay: {{ allow: [192.0.2.0/24] }}, "
               + identity.access())
    world.start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    raw = world.raw()
    first = version1("192.0.2.7")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.send(first + outgoing.read())
            first = b""
            incoming.write(raw.socket.recv(65536))
    raw.send(outgoing.read())
    while True:
        try:
            assert tls.read(4096).startswith(b"220 ")
            break
        except ssl.SSLWantReadError:
            incoming.write(raw.socket.recv(65536))
    raw.close()


def scenario_haproxy(world):
    if shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None:
        raise Skipped("haproxy is not installed (packaging/dependencies test installs it)")
    sink = world.sink()
    world.write_server(relay=True, smart_host=sink.smart_host,
                       access="proxy_protocol: [127.0.0.0/8]")
    world.start()
    for number, word in enumerate(("send-proxy", "send-proxy-v2"), 1):
        port = free_port(world.address)
        file = world.directory / f"haproxy{number}.cfg"
        file.write_text(
            "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n"
            "  timeout client 60s\n  timeout server 60s\n"
            f"listen smtp\n  bind {world.address}:{port}\n"
            f"  server mailroot {world.address}:{world.port} {word}\n")
        process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", file],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        world.processes.append(process)
        until(lambda: can_connect(port, world.address), "HAProxy listens", WAIT_SECONDS)
        world.send("bob@example.org", port=port, subject=word)
        sink.wait_for(number)
    # Those of the probes above carried no message.
    lines = world.wait_for_event("connection", count=2, messages=1)
    assert all(line["balancer"] for line in lines), lines
