"""The Mailroot directories: text files that a person can read and move."""

from waiting import until

LATE = "quick_retries: { count: 0 }\nretry_intervals: [60m]\n"


def deferred_file(world, sink, text="", body="readable text"):
    """The file of one message that waits, and its queue id."""
    world.write_server(smart_host=sink.smart_host, delivery=LATE, text=text)
    world.start()
    world.send(["bob@example.org", "carol@example.org"], subject="waiting", body=body)
    [event, _] = world.wait_for_event("deferred", 2)
    until(lambda: world.mail_files("Queue"), "the message has its file")
    [path] = world.mail_files("Queue")
    return path, event["queue_id"]


def scenario_a_deferred_message_has_a_readable_file(world):
    sink = world.sink()
    sink.stop()
    path, queue_id = deferred_file(world, sink)
    assert path.suffix == ".eml" or path.name, path
    assert queue_id in path.name, path
    lines = path.read_text().splitlines()
    assert lines[0] == f"X-Queue-Id: {queue_id}", lines
    for line in ("X-Sender: <ann@sender.example>", "X-Receiver: <bob@example.org>",
                 "X-Receiver: <carol@example.org>", "Subject: waiting", "readable text"):
        assert line in lines, (line, lines)
    [end] = [number for number, line in enumerate(lines) if line.startswith("X-Queue-End:")]
    assert lines[end + 1].startswith("Received: "), lines[end:]
    assert path.stat().st_mode & 0o077 == 0, oct(path.stat().st_mode)


def scenario_with_materialise_after_0_every_message_is_a_file_at_once(world):
    sink = world.sink("--stall", "CONNECT")
    world.write_server(smart_host=sink.smart_host, text="spool: { materialise_after: 0s }\n")
    world.start()
    for number in range(5):
        world.send(f"user{number}@example.org")
        assert len(world.mail_files("Queue")) == number + 1, "250 came before the file"


def scenario_a_message_that_waits_long_gets_its_file(world):
    sink = world.sink("--stall", "CONNECT")
    world.write_server(smart_host=sink.smart_host, text="spool: { materialise_after: 1s }\n")
    world.start()
    world.send()
    until(lambda: world.mail_files("Queue"), "the message has its file")
    assert "X-Receiver: <bob@example.org>" in world.mail_files("Queue")[0].read_text()


def scenario_a_file_that_was_removed_is_not_delivered(world):
    sink = world.sink()
    sink.stop()
    path, queue_id = deferred_file(world, sink)
    path.unlink()
    sink.start()
    world.ctl("queue", "retry", "all")
    world.wait_for_empty_queue()
    [event] = world.wait_for_event("forgotten", queue_id=queue_id)
    assert event["level"] == "warning", event
    assert sink.count() == 0


def tamper(path):
    path.write_bytes(path.read_bytes().replace(b"readable", b"tampered"))


def expect_set_aside(world, sink):
    """Not delivered, and not thrown away either."""
    world.wait_for_empty_queue()
    assert sink.count() == 0
    found = [item for item in world.home().rglob("*")
             if item.is_file() and b"tampered" in item.read_bytes()]
    assert found, "the changed file is gone"


def scenario_a_file_that_was_changed_is_not_delivered(world):
    """While the journal still has the message, that is what goes out; the file alone is not
    trusted."""
    sink = world.sink()
    sink.stop()
    path, queue_id = deferred_file(world, sink)
    tamper(path)
    sink.start()
    world.ctl("queue", "retry", "all")
    until(lambda: world.events("forgotten", queue_id=queue_id) or
          world.events("restored", id=queue_id), "the change is noticed")
    if world.events("forgotten", queue_id=queue_id):
        expect_set_aside(world, sink)
    else:
        assert sink.wait_for(1)[0].body() == b"readable text\r\n"


def scenario_a_file_that_was_changed_while_we_slept_is_not_delivered(world):
    sink = world.sink()
    sink.stop()
    _, queue_id = deferred_file(world, sink)
    world.stop()
    [path] = world.mail_files("Queue")
    tamper(path)
    sink.start()
    world.start()
    world.ctl("queue", "retry", "all")
    [event] = world.wait_for_event("set_aside", id=queue_id)
    assert "changed" in event["reason"], event
    expect_set_aside(world, sink)


def scenario_damaged_files_do_not_keep_the_others_from_delivery(world):
    sink = world.sink()
    sink.stop()
    path, _ = deferred_file(world, sink)
    world.send("dave@example.org", subject="good")
    world.stop()
    for name, content in (("0000000100000000FFFF.eml", b""), ("junk", b"\0" * 5000),
                          ("0000000100000000FFFE.eml", path.read_bytes()[:200]),
                          ("0000000100000000FFFD.eml", b"Subject: no envelope\r\n\r\nx\r\n")):
        (path.parent / name).write_bytes(content)
    (path.parent / "a-directory").mkdir()
    (path.parent / "link.eml").symlink_to("/etc/passwd")
    sink.start()
    world.start()
    world.ctl("queue", "retry", "all")
    sink.wait_for(2)
    world.wait_for_empty_queue()
    assert not any(b"root:" in message.content for message in sink.messages())


def scenario_a_queue_file_moved_to_pickup_is_sent_again(world):
    sink = world.sink()
    sink.stop()
    path, _ = deferred_file(world, sink)
    world.stop()
    path.rename(world.home() / "Pickup" / path.name)
    sink.start()
    world.start()
    [message] = sink.wait_for(1)
    assert message.sender == "ann@sender.example", message.sender
    assert message.recipients == ["bob@example.org", "carol@example.org"], message.recipients
    assert message.body() == b"readable text\r\n" and b"X-Queue" not in message.content
    until(lambda: world.mail_files("Pickup") == [], "the file is taken out of Pickup")


def scenario_a_badmail_file_moved_to_pickup_is_sent_again(world):
    sink = world.sink("--reply", "RCPT=550:nobody here#2")
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send("bob@example.org", subject="second life")
    until(lambda: world.mail_files("Badmail"), "a file in Badmail")
    world.wait_for_empty_queue()
    [path] = [path for path in world.mail_files("Badmail") if b"X-Sender" in path.read_bytes()]
    path.rename(world.home() / "Pickup" / path.name)
    [message] = sink.wait_for(1)
    assert message.recipients == ["ann@sender.example"], message.recipients


def scenario_a_file_of_another_program_in_pickup_is_sent(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    draft = world.home() / "Pickup" / "tmp" / "mine"
    draft.write_text("X-Sender: ann@local.example\nX-Receiver: bob@example.org\n"
                     "From: ann@local.example\nTo: bob@example.org\nSubject: by file\n\n"
                     "line\n.dot\n")
    draft.rename(world.home() / "Pickup" / "mine.eml")
    [message] = sink.wait_for(1)
    assert message.sender == "ann@local.example" and message.recipients == ["bob@example.org"]
    assert message.body() == b"line\r\n.dot\r\n", message.content
    assert b"X-Receiver" not in message.content and b"Date: " in message.content
    assert message.violations == 0
