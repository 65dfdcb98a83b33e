"""An operator looks at open connections, of clients and to next hops, and ends them."""

import json
import socket

from raw_client import Raw
from waiting import own_address, until


def connections(world, *arguments):
    return world.ctl_json("connections", "list", *arguments)


def refused(world, *arguments, code=1):
    done = world.ctl("connections", *arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def ask(world, command):
    """Documents and last line of an answer, as the daemon gives it."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(world.directory / "control.sock"))
        control.sendall(command.encode() + b"\n")
        lines = control.makefile()
        documents = []
        while True:
            line = lines.readline()
            if line[3] != "-":
                return documents, line
            documents.append(json.loads(line[4:]))


def start(world, *options):
    sink = world.sink(*options)
    world.write_server(smart_host=sink.smart_host)
    world.start()
    return sink


def scenario_what_cannot_be_closed_is_told(world):
    start(world)
    assert connections(world) == []
    assert "which connections" in refused(world, "close")
    assert "which connections" in refused(world, "close", "default/in0.1", "--all")
    assert "looks like" in refused(world, "close", "default")
    assert "no connection" in refused(world, "close", "default/in0.1")
    assert "no connection" in refused(world, "close", "default/out1.1")
    assert "no connection" in refused(world, "close", "default/in999.1")
    assert "no connection" in refused(world, "close", "nobody/in0.1")
    assert "network" in refused(world, "close", "--peer", "example.com")
    assert "network" in refused(world, "list", "--peer", "192.0.2.0/33")
    assert world.ctl("connections", "list", "--direction", "up", check=False).returncode != 0
    assert world.ctl("connections", "close", "--all").stdout == "0 connections closed\n"
    world.stop()
    refused(world, "list", code=2)


def scenario_sessions_are_shown_and_hear_421(world):
    start(world)
    elsewhere = own_address(1)
    quiet = Raw(world.port, world.address)
    quiet.reply()
    idle = Raw(world.port, world.address)
    idle.hello()
    idle.message(b"Subject: one\r\n\r\nHello.\r\n")
    busy = Raw(world.port, world.address, source=elsewhere)
    busy.hello()
    busy.begin()
    world.wait_for_empty_queue()
    shown = {entry["stage"]: entry for entry in connections(world, "--direction", "in")}
    assert sorted(shown) == ["envelope", "greeting", "idle"], shown
    assert shown["greeting"]["helo"] == "" and shown["idle"]["helo"] == "client.example"
    assert shown["idle"]["messages"] == 1 and shown["idle"]["bytes"] > 50
    assert shown["idle"]["local"].endswith(f":{world.port}")
    assert shown["envelope"]["peer"].startswith(elsewhere + ":")
    assert len(connections(world, "--direction", "in", "--max", "2")) == 2
    assert "no virtual server" in refused(world, "list", "--server", "nobody")
    [one] = connections(world, "--peer", elsewhere)
    assert one["id"] == shown["envelope"]["id"]
    assert "client.example" in world.ctl("connections", "list").stdout

    closed = world.ctl_json("connections", "close", "--peer", elsewhere + "/32")
    assert closed == [{"closed": 1, "in_final_reply": 0}]
    assert busy.reply().startswith("421 4.3.2"), "the session in a transaction"
    assert busy.is_closed()
    assert idle.expect(b"NOOP\r\n", "250"), "the others go on"
    world.ctl("connections", "close", shown["idle"]["id"])
    assert idle.reply().startswith("421 4.3.2") and idle.is_closed()
    assert quiet.expect(b"HELO client.example\r\n", "250")
    until(lambda: len(connections(world, "--direction", "in")) == 1, "one session is left")
    world.wait_for_event("connection", 2, reason="closed by the administrator")
    assert "no connection" in refused(world, "close", shown["idle"]["id"])
    quiet.close()
    until(lambda: connections(world) == [], "nothing is left")


def scenario_a_message_that_is_arriving_is_still_taken(world):
    sink = start(world)
    client = Raw(world.port, world.address)
    client.hello()
    client.begin()
    client.expect(b"DATA\r\n", "354")
    client.send(b"Subject: half\r\n\r\nfirst half\r\n")
    until(lambda: [entry["stage"] for entry in connections(world)] == ["content"], "it arrives")
    world.ctl("connections", "close", "--all")
    client.send(b"second half\r\n.\r\n")
    assert client.reply().startswith("250 "), "the message is taken"
    assert client.reply().startswith("421 4.3.2") and client.is_closed()
    [message] = sink.wait_for(1)
    assert message.body() == b"first half\r\nsecond half\r\n"


def scenario_many_sessions_are_listed_page_by_page(world):
    start(world)
    clients = [Raw(world.port, world.address) for _ in range(12)]
    for client in clients:
        client.reply()
    until(lambda: len(connections(world)) == 12, "all are shown")
    all_ids = [entry["id"] for entry in connections(world)]
    assert len(set(all_ids)) == 12
    seen, after = [], ""
    while True:
        lines, last = ask(world, "connections list max=5" + (f" after={after}" if after else ""))
        seen += [line["id"] for line in lines]
        assert len(lines) <= 5
        after = last.split("next=", 1)[1].strip()
        if not after:
            break
    assert seen == all_ids
    for wrong in ("max=0", "max=1001", "max=x", "after=junk"):
        assert ask(world, "connections list " + wrong)[1].startswith("550 "), wrong
    assert ask(world, "connections")[1].startswith("550 ")
    world.ctl("connections", "close", "--server", "default")
    for client in clients:
        assert client.reply().startswith("421 4.3.2")


def scenario_mail_on_a_closed_connection_is_tried_again_at_once(world):
    sink = start(world, "--stall", "EHLO#1")
    world.send("ann@example.org")
    until(lambda: any(entry["stage"] == "transaction"
                      for entry in connections(world, "--direction", "out")), "it is being sent")
    [one] = connections(world, "--direction", "out")
    assert one["peer"] == f"{sink.address}:{sink.port}" and one["destination"], one
    world.ctl("connections", "close", one["id"])
    [message] = sink.wait_for(1)
    assert message.recipients == ["ann@example.org"]
    world.wait_for_empty_queue()
    assert sink.count() == 1
    [event] = world.events("connection_closed")
    assert event["by"] == "operator" and event["direction"] == "out"
    world.wait_for_event("delivered")
    assert world.events("deferred") == []


def scenario_a_next_hop_that_has_the_whole_message_is_left_alone(world):
    """To cut it off now could double the message (RFC 1047)."""
    sink = start(world, "--stall", "END#1")
    world.send("ann@example.org")
    until(lambda: [entry["stage"] for entry in connections(world, "--direction", "out")]
          == ["final-reply"], "all was sent")
    [one] = connections(world, "--direction", "out")
    assert "could double it" in refused(world, "close", one["id"])
    done = world.ctl("connections", "close", "--direction", "out", check=False)
    assert done.returncode == 1 and "left alone" in done.stdout, done
    assert connections(world, "--direction", "out")[0]["id"] == one["id"]
    sink.stop()
