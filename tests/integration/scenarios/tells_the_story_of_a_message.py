"""mailrootctl trace: what became of a message, from the log, rotated logs and the queue."""

import gzip
import json

from waiting import until


def trace(world, *arguments, code=0):
    done = world.ctl("--json", "trace", *arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def names(story):
    return [event["event"] for event in story["events"]]


def send(world, *arguments, **more):
    before = len(world.events("accepted"))
    world.send(*arguments, **more)
    return world.wait_for_event("accepted", before + 1)[-1]["queue_id"]


def scenario_what_is_not_known_is_told(world):
    world.write_server()
    for wrong in ("junk", "", "a@b c", "1234"):
        _, told = trace(world, wrong, code=1)
        assert "neither" in told, (wrong, told)
    _, told = trace(world, "00000001000000000001", code=1)
    assert "no log file" in told and "not all of the queue" in told, told
    world.start()
    _, told = trace(world, "00000001000000000001", code=1)
    assert "nothing is known" in told and "log.txt (" in told and "the queue" in told, told
    _, told = trace(world, "nobody@example.org", code=1)
    assert "nothing is known of nobody@example.org" in told, told
    _, told = trace(world, "00000001000000000001", "--log", str(world.directory / "none"), code=1)
    assert "there is no log file" in told, told
    assert world.ctl("trace", check=False).returncode != 0


def scenario_a_message_is_delivered(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send(["bob@example.org", "eve@example.org"])
    world.wait_for_event("delivered", 2)
    world.wait_for_empty_queue()
    identity = world.events("accepted")[0]["queue_id"]
    [story], _ = trace(world, identity)
    assert names(story) == ["accepted", "delivered", "delivered"], story
    assert story["end"] == "delivered" and story["queue"] is None and story["server"] == "default"
    text = world.ctl("trace", identity).stdout
    assert "from <ann@sender.example> to <bob@example.org> (2 in all)" in text, text
    assert "<eve@example.org>: 250 " in text and "no longer in the queue" in text, text
    # The second recipient is only named by the delivery; the story is whole nevertheless.
    [by_address], _ = trace(world, "EVE@example.org")
    assert by_address == story
    other = send(world, "bob@example.org", sender="joe@sender.example")
    world.wait_for_event("delivered", 3)
    stories, told = trace(world, "bob@example.org", "--max", "1")
    assert [story["id"] for story in stories] == [other], stories
    assert "1 older message is" in told, told
    assert len(trace(world, "bob@example.org")[0]) == 2
    trace(world, identity, "--server", "other", code=1)


def scenario_a_message_bounces_and_the_report_is_told(world):
    sink = world.sink("--reply", "RCPT/nobody@=550:no such user")
    world.write_server(smart_host=sink.smart_host)
    world.start()
    identity = send(world, "nobody@example.org")
    world.wait_for_event("delivered")
    [story], _ = trace(world, identity)
    assert names(story) == ["accepted", "report", "bounced"], story
    assert story["end"] == "bounced"
    report = story["events"][1]["report"]
    [of_report], _ = trace(world, report)
    assert names(of_report) == ["report", "delivered"], of_report


def scenario_a_message_waits_and_logs_were_rotated(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    sink.stop()
    identity = send(world)
    world.wait_for_event("deferred")
    [story], _ = trace(world, identity)
    assert story["end"] == "waiting" and story["queue"]["id"] == identity, story
    assert names(story)[:2] == ["accepted", "deferred"], story
    text = world.ctl("trace", identity).stdout
    assert "now in the queue, waiting, 1 attempt, next 20" in text, text
    world.ctl("queue", "hold", identity)
    until(lambda: "held" in names(trace(world, identity)[0][0]), "it is held")
    world.stop()
    # Two rotations, one packed.
    log = world.directory / "log.txt"
    lines = log.read_bytes().splitlines(keepends=True)
    (world.directory / "log.txt.2.gz").write_bytes(gzip.compress(b"".join(lines[:5])))
    (world.directory / "log.txt.1").write_bytes(b"".join(lines[5:]))
    log.write_bytes(b"")
    [rotated], told = trace(world, identity)
    assert names(rotated)[:2] == ["accepted", "deferred"] and names(rotated)[-1] == "held", rotated
    assert "the queue: " in told, "the daemon does not run"
    # A copy of the log elsewhere, as text.
    elsewhere = world.directory / "copy.log"
    elsewhere.write_text(f"2026-03-05T09:30:00.123Z info accepted server=x queue_id={identity}\n"
                         "not a line of ours\n")
    [copied], _ = trace(world, identity, "--log", str(elsewhere))
    assert copied["server"] == "x" and copied["end"] == "unknown", copied
    # Without any log the queue knows it.
    for path in world.directory.glob("log.txt*"):
        path.unlink()
    world.start()
    until(lambda: world.queue(), "it is found again")
    log.unlink()
    [queued], told = trace(world, "bob@example.org")
    assert queued["id"] == identity and queued["end"] == "held" and not queued["events"], queued
    assert "no log file" in told
