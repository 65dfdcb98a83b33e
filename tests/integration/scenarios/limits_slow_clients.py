"""Clients that take their time, or never listen: they are sent away and others are served."""

import socket
import time

from waiting import until


def start(world):
    world.write_server(text="connections: { timeout: 2s }\n")
    world.start()


def scenario_a_silent_client_is_told_and_sent_away(world):
    start(world)
    client = world.raw()
    client.hello()
    assert client.reply().startswith("421 4.4.2"), "no farewell"
    assert client.is_closed()
    [event] = world.wait_for_event("connection")
    assert "timed out" in event["reason"], event


def scenario_bytes_that_drip_do_not_buy_time(world):
    start(world)
    client = world.raw()
    client.hello()
    began = time.monotonic()
    text = b""
    client.socket.settimeout(0.2)
    while b"421" not in text and time.monotonic() - began < 30:
        try:
            client.send(b"N")
            text += client.socket.recv(1000)
        except TimeoutError:
            continue
        except OSError:
            break
    [event] = world.wait_for_event("connection")
    assert "timed out" in event["reason"], event
    assert event["ms"] < 20_000, event


def scenario_content_that_stops_is_dropped(world):
    start(world)
    client = world.raw()
    client.hello()
    client.begin()
    client.expect(b"DATA\r\n", "354")
    client.send(b"Subject: half a mess")
    assert client.reply().startswith("421 4.4.2")
    world.wait_for_event("connection")
    assert world.events("accepted") == [] and world.queue() == []


def scenario_a_client_that_never_reads_is_cut_off(world):
    """Its replies would need memory; the server stops reading it, then gives it up."""
    start(world)
    before = world.memory_bytes("VmRSS")
    client = world.raw(receive_buffer_bytes=4096)
    client.hello()
    client.socket.settimeout(5)
    transaction = (b"MAIL FROM:<ann@sender.example>\r\n" +
                   b"RCPT TO:<%s@%slocal.example>\r\n" % (b"x" * 64, b"y." * 80) * 1000 +
                   b"RSET\r\n")
    try:
        for _ in range(90):
            client.send(transaction)
    except OSError:  # no room left, or already cut off
        pass
    [event] = world.wait_for_event("connection")
    assert "does not read" in event["reason"], event
    world.expect_memory_growth_below(16 * 1024 * 1024, before)


def scenario_others_are_served_meanwhile(world):
    start(world)
    idle = [world.raw() for _ in range(90)]
    for client in idle[:40]:
        client.send(b"EHL")
    world.send("ann@local.example")
    assert len(world.wait_for_event("accepted")) == 1
    until(lambda: world.server()["inbound"]["connections_open"] == 0, "the idle ones are gone")


def scenario_limits_of_connections_are_told(world):
    world.write_server(text="connections: { limit: 12, per_client_limit: 10 }\n")
    world.start()
    clients = [world.raw() for _ in range(10)]
    for client in clients:
        assert client.reply().startswith("220")
    eleventh = world.raw()
    assert eleventh.reply().startswith("421 4.7.0")
    assert eleventh.is_closed()
    others = []
    for _ in range(2):
        other = socket.create_connection((world.address, world.port),
                                         source_address=("127.0.0.9", 0))
        other.settimeout(30)
        assert other.recv(100).startswith(b"220")
        others.append(other)
    with socket.create_connection((world.address, world.port),
                                  source_address=("127.0.0.10", 0)) as one_more:
        one_more.settimeout(30)
        assert one_more.recv(100).startswith(b"421 4.7.0 Too many connections to this server")
    world.wait_for_event("refused", 2)
    clients[0].expect(b"QUIT\r\n", "221")
    until(lambda: world.server()["inbound"]["connections_open"] == 11, "one has left")
    assert world.raw().reply().startswith("220")
