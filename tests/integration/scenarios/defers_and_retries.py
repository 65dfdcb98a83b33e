"""Mail that cannot go now waits where it can be seen, and goes when it can."""

from waiting import free_port, until

SOON = "quick_retries: { count: 3, interval: 1s }\nretry_intervals: [1s]\n"
LATE = "quick_retries: { count: 0 }\nretry_intervals: [60m]\n"


def closed_port(world):
    return f"[{world.address}]:{free_port()}"


def scenario_a_deferred_message_is_listed_and_shown(world):
    world.write_server(smart_host=closed_port(world), delivery=LATE)
    world.start()
    world.send(["bob@example.org", "carol@example.org"], mail_options=["RET=HDRS", "ENVID=abc"])
    [event, _] = world.wait_for_event("deferred", 2)
    until(lambda: world.queue()[0]["state"] == "waiting", "the message waits")
    [entry] = world.queue()
    assert entry["id"] == event["queue_id"] and entry["server"] == "default", entry
    assert entry["attempts"] == 1 and entry["recipients_open"] == 2, entry
    assert entry["next_attempt"] > entry["arrived"], entry
    [shown] = world.ctl_json("queue", "show", entry["id"])
    assert shown["from"] == "ann@sender.example" and shown["envelope_id"] == "abc", shown
    assert [(to["address"], to["status"]) for to in shown["to"]] == [
        ("bob@example.org", "waiting"), ("carol@example.org", "waiting")], shown
    text = world.ctl("queue", "list").stdout
    assert entry["id"] in text and "1 message\n" in text, text
    text = world.ctl("queue", "show", entry["id"]).stdout
    assert "bob@example.org" in text, text
    missing = world.ctl("queue", "show", "0" * 20, check=False)
    assert missing.returncode == 1 and "no message" in missing.stderr, missing


def scenario_retry_sends_at_once(world):
    sink = world.sink()
    sink.stop()
    world.write_server(smart_host=sink.smart_host, delivery=LATE)
    world.start()
    for number in range(3):
        world.send(f"user{number}@example.org")
    world.wait_for_event("deferred")  # the others are spared the attempt
    assert len(world.queue()) == 3
    sink.start()
    world.ctl("queue", "retry", "all")
    sink.wait_for(3)
    world.wait_for_empty_queue()
    unknown = world.ctl("queue", "retry", "0" * 20, check=False)
    assert unknown.returncode == 1 and "does not wait" in unknown.stderr, unknown


def scenario_retry_of_one_message_leaves_the_others(world):
    sink = world.sink("--reply", "RCPT=451:not yet#2")
    world.write_server(smart_host=sink.smart_host, delivery=LATE)
    world.start()
    world.send("one@example.org")
    world.send("two@example.org")
    events = world.wait_for_event("deferred", 2)
    [chosen] = [event["queue_id"] for event in events if event["to"] == "<two@example.org>"]
    world.ctl("queue", "retry", chosen)
    assert sink.wait_for(1)[0].recipients == ["two@example.org"]
    world.wait_for_event("delivered", to="<two@example.org>")
    [entry] = world.queue()
    assert entry["id"] != chosen, entry


def scenario_a_quick_retry_delivers_when_the_next_hop_is_back(world):
    sink = world.sink()
    sink.stop()
    world.write_server(smart_host=sink.smart_host, delivery=SOON)
    world.start()
    world.send("bob@example.org")
    world.wait_for_event("deferred")
    sink.start()
    assert len(sink.wait_for(1)) == 1
    [event] = world.wait_for_event("delivered")
    assert event["attempt"] >= 2, event


def scenario_only_the_recipients_that_failed_are_tried_again(world):
    sink = world.sink("--reply", "RCPT/slow@=451:later#2")
    world.write_server(smart_host=sink.smart_host, delivery=SOON)
    world.start()
    world.send(["quick@example.org", "slow@example.org", "other@example.org"])
    sink.wait_for(2)
    first, second = sink.messages()
    assert first.recipients == ["quick@example.org", "other@example.org"], first.recipients
    assert second.recipients == ["slow@example.org"], second.recipients
    world.wait_for_empty_queue()


def scenario_mail_in_the_queue_survives_a_restart(world):
    sink = world.sink()
    sink.stop()
    world.write_server(smart_host=sink.smart_host, delivery=LATE)
    world.start()
    body = "".join(f"line {number}\r\n" for number in range(20_000))
    for number in range(5):
        world.send(f"user{number}@example.org", body=body if number % 2 else "small")
    world.wait_for_event("deferred")
    before = sorted(entry["id"] for entry in world.queue())
    world.stop()
    assert len(world.mail_files("Queue")) == 5
    world.start()
    until(lambda: len(world.queue()) == 5, "the queue is read again")
    assert sorted(entry["id"] for entry in world.queue()) == before
    sink.start()
    world.ctl("queue", "retry", "all")
    for message in sink.wait_for(5):
        assert message.body() in (b"small\r\n", body.encode() + b"\r\n"), message.content[:300]
    world.wait_for_empty_queue()
    until(lambda: world.mail_files("Queue") == [], "Queue is empty")


def scenario_mail_in_the_queue_survives_a_kill(world):
    sink = world.sink()
    sink.stop()
    world.write_server(smart_host=sink.smart_host, delivery=LATE)
    world.start()
    for number in range(5):
        world.send(f"user{number}@example.org", body=f"body {number}")
    world.kill()
    sink.start()
    world.start()
    until(lambda: sink.count() >= 5 or len(world.queue()) + sink.count() >= 5, "the mail is back")
    world.ctl("queue", "retry", "all")
    bodies = sorted(message.body() for message in sink.wait_for(5))
    assert bodies == [f"body {number}\r\n".encode() for number in range(5)], bodies
    assert world.events("recovery"), "recovery is silent"


def scenario_a_stopped_server_keeps_its_mail_and_delivers_it_when_started(world):
    sink = world.sink()
    sink.stop()
    world.write_server(smart_host=sink.smart_host, delivery=SOON)
    world.start()
    world.send("bob@example.org")
    world.wait_for_event("deferred")
    world.ctl("stop", "default")
    assert world.server()["state"] == "stopped"
    sink.start()
    assert world.mail_files("Queue") != []
    world.ctl("start", "default")
    assert world.server()["state"] == "started"
    assert len(sink.wait_for(1)) == 1
