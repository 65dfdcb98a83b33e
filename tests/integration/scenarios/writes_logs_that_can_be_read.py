"""Logs: one line an event, as text or as JSON, whatever a peer calls itself or says."""

import datetime
import json

from waiting import until


def have_a_day(world, log_format):
    """Mail accepted, delivered, deferred and bounced, connections refused and lost, with a next hop
    and clients that say what they should not."""
    sink = world.sink("--reply", "RCPT/slow@=451:later \"\\ '{}=", "--reply",
                      "RCPT/nobody@=550:no\x1b[31m such\tuser", "--disable", "SMTPUTF8")
    world.write_service(log_format=log_format)
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send(["bob@example.org", "slow@example.org", "nobody@example.org", "ann@local.example"])
    client = world.raw()
    client.reply()
    client.send(b"EHLO [127.0.0.1]\r\n")
    client.reply()
    client.expect("MAIL FROM:<\"q\\\"uo ted\"@sender.example>\r\n".encode(), "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "250")
    client.close()
    sink.wait_for(2)
    until(lambda: "lost in a transaction" in world.log() or "closed by" in world.log(),
          "the lost connection is logged")
    until(lambda: "bounced" in world.log() and "deferred" in world.log(), "all outcomes")
    world.stop()


def scenario_json_lines_parse_and_say_who_and_what(world):
    have_a_day(world, "json")
    lines = world.log().splitlines()
    events = [json.loads(line) for line in lines]
    assert len(events) == len(lines) > 10
    names = {event["event"] for event in events}
    assert {"ready", "accepted", "connection", "delivered", "deferred", "bounced", "server",
            "reload", "stopping", "stopped"} <= names, names
    for event in events:
        datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
        assert event["level"] in ("trace", "debug", "info", "warning", "error"), event
    [accepted] = [event for event in events if event["event"] == "accepted" and
                  event["from"] == "<ann@sender.example>"]
    for key in ("server", "queue_id", "peer", "helo", "to", "recipients", "size", "commit_us"):
        assert key in accepted, (key, accepted)
    for name in ("delivered", "deferred", "bounced"):
        found = [event for event in events if event["event"] == name and
                 event["queue_id"] == accepted["queue_id"]]
        assert found, name
        for key in ("to", "peer", "enhanced", "reply", "attempt", "age_ms", "took_ms"):
            assert key in found[0], (key, found[0])
    assert not any(ord(character) < 32 for line in lines for character in line), "a control byte"


def scenario_text_lines_are_one_an_event(world):
    have_a_day(world, "text")
    lines = world.log().splitlines()
    for line in lines:
        time, level, name, *_ = line.split(" ")
        datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
        assert level in ("trace", "debug", "info", "warning", "error"), line
        assert name.replace("_", "").replace("-", "").isalpha(), line
    assert not any(ord(character) < 32 for line in lines for character in line), "a control byte"
    assert any(" accepted server=default queue_id=" in line for line in lines), lines


def scenario_a_refused_connection_says_why(world):
    world.write_server(text="")
    text = world.server_file().read_text().replace(
        "access: { relay:", "access: { connect: { deny: [127.0.0.3] }, relay:")
    world.server_file().write_text(text)
    world.start()
    import socket
    with socket.create_connection((world.address, world.port),
                                  source_address=("127.0.0.3", 0)) as client:
        client.settimeout(30)
        assert client.recv(100).startswith(b"554 5.7.1"), "the stranger is let in"
    [event] = world.wait_for_event("refused")
    assert event["peer"].startswith("127.0.0.3:") and "Access denied" in event["reply"], event
