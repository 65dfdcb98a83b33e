"""Postfix of Debian as client and as next hop, in a private directory as bench/compare runs it."""

import contextlib
import pathlib
import sys

from waiting import free_port, until
from world import Skipped

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "bench"))

from lib import postfix  # noqa: E402

CACHE = pathlib.Path.home() / ".cache/mailroot-bench"
LOCAL = "127.0.0.1"  # where Postfix listens and sends to


@contextlib.contextmanager
def running_postfix(world, next_hop, name="postfix"):
    """Its port; it relays everything to `next_hop` at 127.0.0.1."""
    try:
        server = postfix.Postfix(CACHE)
    except postfix.Unavailable as reason:
        raise Skipped(f"Postfix cannot be had: {reason}") from reason
    world.directory.chmod(0o755)
    port = server.start(world.directory / name, next_hop, connections=20, deliver=True)
    try:
        yield port
    finally:
        server.stop()


def body(number):
    """Lines that Postfix hands on as they are: no trailing blanks, none over 998 bytes."""
    return "".join(f"..{line} of {number}\r\n.\r\n" for line in range(number % 7 * 50 + 1))


def send_many(world, port, count):
    with world.client(port, LOCAL) as smtp:
        for number in range(count):
            smtp.sendmail("ann@sender.example", [f"user{number}@example.org"],
                          f"Subject: {number}\r\n\r\n{body(number)}".encode())


def expect_all(sink, count):
    bodies = {message.recipients[0]: message.body() for message in sink.wait_for(count)}
    for number in range(count):
        assert bodies[f"user{number}@example.org"] == body(number).encode(), number
    assert all(message.violations == 0 for message in sink.messages())


def scenario_postfix_is_the_client(world):
    sink = world.sink()
    port = free_port(LOCAL)
    world.write_server(address=LOCAL, port=port, smart_host=sink.smart_host)
    world.start()
    with running_postfix(world, port) as postfix_port:
        send_many(world, postfix_port, 40)
        expect_all(sink, 40)
    received = sink.messages()[0].content
    assert b"by mx.local.example" in received and b"(Postfix)" in received, received


def scenario_postfix_sends_many_recipients_in_parts(world):
    """Fifty at a time is its default; that many we take."""
    sink = world.sink()
    port = free_port(LOCAL)
    world.write_server(address=LOCAL, port=port, smart_host=sink.smart_host,
                       text="messages: { recipients_limit: 50 }\n")
    world.start()
    recipients = [f"user{number}@example.org" for number in range(170)]
    with running_postfix(world, port) as postfix_port, world.client(postfix_port, LOCAL) as smtp:
        smtp.sendmail("ann@sender.example", recipients, b"Subject: many\r\n\r\nx\r\n")
        until(lambda: sum(len(message.recipients) for message in sink.messages()) >= 170,
              "every recipient is served")
    served = sorted(name for message in sink.messages() for name in message.recipients)
    assert served == sorted(recipients), served


def scenario_postfix_returns_what_we_refuse(world):
    sink = world.sink()
    port = free_port(LOCAL)
    # Its report goes through us too, to a domain that we take mail for.
    world.write_server(address=LOCAL, port=port, relay=False, smart_host=sink.smart_host)
    world.start()
    with running_postfix(world, port) as postfix_port, world.client(postfix_port, LOCAL) as smtp:
        smtp.sendmail("ann@local.example", ["bob@example.org"], b"Subject: x\r\n\r\nx\r\n")
        until(lambda: world.mail_files("Drop"), "the report of Postfix")
    report = world.mail_files("Drop")[0].read_text()
    assert "Unable to relay for" in report and "MAILER-DAEMON" in report, report
    assert sink.count() == 0


def scenario_postfix_is_the_next_hop(world):
    sink = world.sink(address=LOCAL)
    with running_postfix(world, sink.port) as postfix_port:
        world.write_server(smart_host=f"[{LOCAL}]:{postfix_port}")
        world.start()
        with world.client() as smtp:
            for number in range(40):
                smtp.sendmail("ann@sender.example", [f"user{number}@example.org"],
                              f"Subject: {number}\r\n\r\n{body(number)}".encode())
        expect_all(sink, 40)
        world.wait_for_empty_queue()
    assert len(world.events("deferred")) == 0


def scenario_postfix_dies_and_comes_back(world):
    sink = world.sink(address=LOCAL)
    world.write_server(smart_host=f"[{LOCAL}]:1", delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [1s]\n"))
    world.start()
    with world.client() as smtp:
        for number in range(40):
            smtp.sendmail("ann@sender.example", [f"user{number}@example.org"],
                          f"Subject: {number}\r\n\r\n{body(number)}".encode())
    world.wait_for_event("deferred")
    with running_postfix(world, sink.port) as postfix_port:
        world.write_server(smart_host=f"[{LOCAL}]:{postfix_port}", delivery=(
            "quick_retries: { count: 0 }\nretry_intervals: [1s]\n"))
        world.ctl("reload")
        world.ctl("queue", "retry", "all")
        expect_all(sink, 40)
        world.wait_for_empty_queue()
