"""Clients that break the rules: a clear reply, no memory lost, nothing done that was not asked."""

import itertools
import os
import socket

from waiting import until

MEBIBYTE = 1024 * 1024
MEMORY_GROWTH_MAX_BYTES = 24 * MEBIBYTE


def start(world, text="", **more):
    world.write_server(text=text, **more)
    world.start()


def scenario_a_line_of_100_megabytes_is_one_error(world):
    start(world)
    before = world.memory_bytes("VmRSS")
    client = world.raw()
    client.hello()
    for _ in range(100):
        client.send(b"N" * 1_000_000)
    client.expect(b"\r\n", "500 5.5.2")
    client.expect(b"NOOP\r\n", "250")
    world.expect_memory_growth_below(MEMORY_GROWTH_MAX_BYTES, before)


def scenario_a_line_without_any_end_is_not_read_for_ever(world):
    start(world)
    client = world.raw()
    client.hello()
    sent = 0
    try:
        while sent < 1000 * MEBIBYTE:
            client.send(b"N" * MEBIBYTE)
            sent += MEBIBYTE
    except OSError:
        pass
    assert sent < 1000 * MEBIBYTE, "the server read a gigabyte of one line"
    [event] = world.wait_for_event("connection")
    assert event["reason"] not in ("", "quit"), event


def scenario_content_of_one_line_of_100_megabytes_is_too_large(world):
    start(world)
    before = world.memory_bytes("VmRSS")
    client = world.raw()
    client.hello()
    client.begin()
    client.expect(b"DATA\r\n", "354")
    for _ in range(100):
        client.send(b"x" * 1_000_000)
    client.expect(b"\r\n.\r\n", "552 5.3.4")
    client.expect(b"NOOP\r\n", "250")
    world.expect_memory_growth_below(MEMORY_GROWTH_MAX_BYTES, before)
    assert world.queue() == []


def scenario_only_crlf_ends_a_command(world):
    start(world)
    client = world.raw()
    client.hello()
    for line in (b"NOOP\nRSET\r\n", b"NOOP\rRSET\r\n", b"NO\0OP\r\n", b"NOOP \x1b[2J\r\n",
                 b"NOOP\r\r\n"):
        client.expect(line, "500 5.5.2")
    client.expect(b"NOOP\r\n", "250")


def ends_of_data_that_are_none():
    line_ends = [b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n"]
    for before, after in itertools.product(line_ends, line_ends):
        if not (before + b"." + after).endswith(b"\r\n.\r\n"):
            yield before + b"." + after
    yield from (b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n. \r\n", b"\r\n.\x0b\r\n", b"\r\n..\r\n",
                b"\r\n.\xc2\x85", b"\n.\0\n")


def try_to_smuggle(world, variant):
    """A message that wants to be two. The reply to it, the only one."""
    client = world.raw()
    client.hello()
    client.begin()
    client.expect(b"DATA\r\n", "354")
    client.send(b"Subject: cover\r\n\r\ncover" + variant +
                b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
                b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
    reply = client.reply()
    client.expect(b"NOOP\r\n", "250 2.0.0 OK")
    client.expect(b"QUIT\r\n", "221")
    assert client.rest() == b"", variant
    return reply


def smuggle_all(world):
    for variant in ends_of_data_that_are_none():
        reply = try_to_smuggle(world, variant)
        is_strict = b"\n" in variant.replace(b"\r\n", b"") or b"\r" in variant.replace(b"\r\n", b"")
        yield variant, reply, is_strict


def scenario_nothing_is_smuggled_in_behind_a_false_end_of_data(world):
    sink = world.sink()
    start(world, smart_host=sink.smart_host)
    accepted = 0
    for variant, reply, is_strict in smuggle_all(world):
        assert reply.startswith("550 5.6.11" if is_strict else "250"), (variant, reply)
        accepted += not is_strict
    for message in sink.wait_for(accepted):
        assert message.sender == "ann@sender.example", message.sender
        assert message.content.count(b"smuggled") == 2, message.content
        assert message.violations == 0, message.content
    world.wait_for_event("accepted", accepted)
    world.wait_for_event("connection", len(list(ends_of_data_that_are_none())))
    assert len(world.events("accepted")) == accepted


def scenario_nothing_is_smuggled_out_when_line_ends_are_mended(world):
    sink = world.sink()
    start(world, "messages: { bare_line_feed: normalise }\n", smart_host=sink.smart_host)
    accepted = 0
    for variant, reply, _ in smuggle_all(world):
        assert reply.startswith("250"), (variant, reply)
        accepted += 1
    for message in sink.wait_for(accepted):
        assert message.sender == "ann@sender.example", message.sender
        assert message.content.count(b"smuggled") == 2, message.content
        assert message.violations == 0, message.content
    world.wait_for_event("accepted", accepted)
    world.wait_for_event("connection", len(list(ends_of_data_that_are_none())))
    assert len(world.events("accepted")) == accepted


def scenario_chunks_with_an_end_of_data_inside_arrive_as_they_are(world):
    """The next hop without CHUNKING gets DATA, dot-stuffed."""
    sink = world.sink("--disable", "CHUNKING")
    start(world, smart_host=sink.smart_host)
    client = world.raw()
    client.hello()
    client.begin()
    content = (b"Subject: x\r\n\r\nfirst\r\n.\r\nMAIL FROM:<evil@sender.example>\r\n"
               b"RCPT TO:<victim@example.org>\r\nDATA\r\nsmuggled\r\n.\r\n")
    client.expect(b"BDAT %d LAST\r\n" % len(content) + content, "250 2.6.0")
    [message] = sink.wait_for(1)
    assert message.content.endswith(content), message.content


def scenario_nul_in_content_is_handed_on_as_it_is(world):
    sink = world.sink()
    start(world, smart_host=sink.smart_host)
    client = world.raw()
    client.hello()
    client.message(b"Subject: x\r\n\r\na\0b\r\n")
    [message] = sink.wait_for(1)
    assert message.body() == b"a\0b\r\n", message.content


def scenario_commands_out_of_order_change_nothing(world):
    start(world)
    client = world.raw()
    assert client.reply().startswith("220 ")
    for command in (b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<a@b.example>\r\n", b"DATA\r\n",
                    b"BDAT 3 LAST\r\nabc"):
        client.expect(command, "503 5.5.1")
    client.expect(b"EHLO client.example\r\n", "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "503")
    client.expect(b"DATA\r\n", "503")
    client.expect(b"MAIL FROM:<ann@sender.example>\r\n", "250")
    client.expect(b"MAIL FROM:<eve@sender.example>\r\n", "503")
    client.expect(b"DATA\r\n", "503")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "250")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"text\r\n.\r\n", "250")
    [event] = world.wait_for_event("accepted")
    assert event["from"] == "<ann@sender.example>", event


def scenario_a_client_that_talks_before_the_greeting_stays_in_step(world):
    start(world)
    client = world.raw()
    client.send(b"EHLO early.example\r\nNOOP\r\nQUIT\r\n")
    replies = [client.reply() for _ in range(4)]
    assert [reply[:3] for reply in replies] == ["220", "250", "250", "221"], replies


def scenario_browsers_and_tls_are_shown_the_door(world):
    start(world)
    for first in (b"GET / HTTP/1.1\r\nHost: x\r\nMAIL FROM:<a@b>\r\n\r\n",
                  b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nEHLO x\r\n",
                  b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\nNOOP\r\n"):
        client = world.raw()
        client.reply()
        client.send(first)
        assert client.reply().startswith("554"), first
        assert client.rest() == b"", first


def scenario_100000_recipients_get_452_and_no_memory(world):
    start(world, "messages: { recipients_limit: 1000 }\n")
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<ann@sender.example>\r\n", "250")
    before = world.memory_bytes("VmRSS")
    codes = []
    try:
        for start_at in range(0, 100_000, 100):
            client.send(b"".join(b"RCPT TO:<user%d@example.org>\r\n" % number
                                 for number in range(start_at, start_at + 100)))
            codes += [client.reply()[:9] for _ in range(100)]
            if codes[-1].startswith("421"):
                break
    except (OSError, EOFError):
        pass
    assert codes[:1000] == ["250 2.1.5"] * 1000, set(codes[:1000])
    assert set(codes[1000:]) <= {"452 4.5.3", "421 4.7.0", "421 4.5.3"}, set(codes[1000:])
    assert codes[1000:].count("452 4.5.3") >= 100
    world.expect_memory_growth_below(MEMORY_GROWTH_MAX_BYTES, before)


def scenario_recipients_over_the_limit_do_not_spoil_the_others(world):
    sink = world.sink()
    start(world, "messages: { recipients_limit: 3 }\n", smart_host=sink.smart_host)
    client = world.raw()
    client.hello()
    client.begin("user0@example.org")
    for number in (1, 2):
        client.expect(b"RCPT TO:<user%d@example.org>\r\n" % number, "250")
    client.expect(b"RCPT TO:<user3@example.org>\r\n", "452 4.5.3")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    [message] = sink.wait_for(1)
    assert sorted(message.recipients) == [f"user{n}@example.org" for n in range(3)], (
        message.recipients)


def scenario_a_body_over_the_limit_declared_or_not(world):
    start(world, "messages: { size_limit: 64 KiB }\n")
    client = world.raw()
    assert "SIZE 65536" in client.hello()
    client.expect(b"MAIL FROM:<ann@sender.example> SIZE=65537\r\n", "552 5.3.4")
    for size in (b"4294967297", b"18446744073709551617", b"99999999999999999999"):
        reply = client.ask(b"MAIL FROM:<ann@sender.example> SIZE=" + size + b"\r\n")
        assert reply[:3] in ("552", "501"), reply
    client.begin(parameters=" SIZE=10")
    client.expect(b"DATA\r\n", "354")
    client.expect((b"x" * 998 + b"\r\n") * 70 + b".\r\n", "552 5.3.4")
    client.begin()
    client.expect(b"BDAT 40000\r\n" + b"x" * 40000, "250")
    client.expect(b"BDAT 40000\r\n" + b"x" * 40000, "552 5.3.4")
    client.expect(b"RSET\r\n", "250")
    client.message(b"Subject: small\r\n\r\nsmall\r\n")
    assert len(world.wait_for_event("accepted")) == 1


def scenario_chunks_of_absurd_size_are_refused(world):
    start(world)
    for size in (b"-1", b"99999999999999999999", b"18446744073709551615", b"4294967296", b"0x10",
                 b"", b"1e9", b"1000000000000"):
        client = world.raw()
        client.hello()
        client.begin()
        client.send(b"BDAT " + size + b" LAST\r\n")
        reply = client.reply()
        assert reply[:3] in ("501", "552", "421", "555", "500"), (size, reply)
        client.close()
    client = world.raw()
    client.hello()
    client.message(b"Subject: alive\r\n\r\nx\r\n")
    assert len(world.wait_for_event("accepted")) == 1


def conversation():
    return (b"EHLO client.example\r\nMAIL FROM:<ann@sender.example>\r\n"
            b"RCPT TO:<bob@example.org>\r\nDATA\r\nSubject: cut\r\n\r\ntext\r\n.\r\n")


def scenario_a_client_may_leave_at_every_byte(world):
    start(world)
    whole = conversation()
    for length in range(len(whole)):
        client = world.raw()
        client.send(whole[:length])
        if length % 2:  # a reset in place of a polite end
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    until(lambda: world.server()["inbound"]["connections_open"] == 0, "every connection is gone")
    assert world.events("accepted") == []
    descriptors = len(os.listdir(f"/proc/{world.daemon.pid}/fd"))
    assert descriptors < 100, f"{descriptors} descriptors are open"


def scenario_a_message_in_single_bytes_is_a_message(world):
    sink = world.sink()
    start(world, smart_host=sink.smart_host)
    client = world.raw()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in conversation() + b"QUIT\r\n":
        client.send(bytes([byte]))
    replies = [client.reply()[:3] for _ in range(7)]
    assert replies == ["220", "250", "250", "250", "354", "250", "221"], replies
    [message] = sink.wait_for(1)
    assert message.body() == b"text\r\n", message.content


def scenario_what_a_client_calls_itself_cannot_forge_a_header_or_a_log_line(world):
    sink = world.sink()
    start(world, smart_host=sink.smart_host)
    client = world.raw()
    client.reply()
    for name in (b"x\nReceived: forged", b"(comment", b"a b", b"x\x1b[31m", b"<x>"):
        reply = client.ask(b"EHLO " + name + b"\r\n")
        assert reply[:3] in ("500", "501"), (name, reply)
    client.expect(b"EHLO client.example\r\n", "250")
    client.message(b"Subject: x\r\n\r\nx\r\n")
    [message] = sink.wait_for(1)
    assert b"forged" not in message.content, message.content
    assert "\x1b" not in world.log()


def scenario_idle_control_connections_do_not_hide_the_reason(world):
    """All places at the control socket are taken: mailrootctl says so; then some are free again."""
    world.write_server()
    world.start()
    idle = []
    for _ in range(300):
        idle.append(socket.socket(socket.AF_UNIX))
        idle[-1].connect(str(world.directory / "control.sock"))
    def status():
        return world.ctl("status", check=False)
    until(lambda: status().returncode == 1, "no place at the control socket")
    assert "too many programs are connected to the control socket" in status().stderr, status()
    for connection in idle:
        connection.close()
    until(lambda: status().returncode == 0, "a place at the control socket")
