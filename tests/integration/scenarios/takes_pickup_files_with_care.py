"""Pickup: files of other programs are sent in order and once; what is no mail is set aside with the
reason, and nothing outside the directory is ever read."""

import os
import socket

from waiting import until

LETTER = ("X-Sender: ann@local.example\nX-Receiver: bob@example.org\nSubject: {subject}\n\n"
          "by file\n")


def start(world, text="", **more):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, text=text, **more)
    world.start()
    return sink, world.home() / "Pickup"


def put(pickup, name, text):
    """As a careful program does it: written aside, renamed in."""
    draft = pickup / "tmp" / name
    draft.write_bytes(text if isinstance(text, bytes) else text.encode())
    draft.rename(pickup / "new" / name)


def wait_until_taken(pickup):
    until(lambda: not [path for part in (pickup, pickup / "new", pickup / "cur")
                       for path in part.iterdir() if not path.is_dir()], "Pickup is empty")


def scenario_a_file_written_in_place_is_sent_when_it_rests(world):
    sink, pickup = start(world)
    (pickup / "mine.eml").write_text(LETTER.format(subject="in place"))
    [message] = sink.wait_for(1)
    assert message.parsed()["Subject"] == "in place"
    assert message.recipients == ["bob@example.org"] and message.sender == "ann@local.example"
    wait_until_taken(pickup)


def scenario_many_files_are_sent_once_each(world):
    sink, pickup = start(world)
    for number in range(200):
        put(pickup, f"{number:04}.eml", LETTER.format(subject=number))
    subjects = sorted(int(message.parsed()["Subject"]) for message in sink.wait_for(200))
    assert subjects == list(range(200))
    wait_until_taken(pickup)
    world.wait_for_empty_queue()
    assert sink.count() == 200


def scenario_what_is_no_regular_file_is_never_read(world):
    sink, pickup = start(world)
    secret = world.directory / "secret"
    secret.write_text(LETTER.format(subject="secret"))
    os.symlink(secret, pickup / "new" / "link.eml")
    os.link(secret, pickup / "new" / "second-name.eml")
    os.mkfifo(pickup / "new" / "fifo.eml")
    os.symlink("/dev/zero", pickup / "new" / "endless.eml")
    (pickup / "new" / "directory.eml").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fsencode(os.path.relpath(pickup / "new" / "socket.eml")))
    put(pickup, "good.eml", LETTER.format(subject="good"))
    assert sink.wait_for(1)[0].parsed()["Subject"] == "good"
    until(lambda: len(world.events("pickup-refused")) >= 5, "all are set aside")
    world.wait_for_empty_queue()
    assert sink.count() == 1
    assert secret.read_text() == LETTER.format(subject="secret")


def scenario_what_cannot_be_sent_goes_to_badmail_with_the_reason(world):
    sink, pickup = start(world, "messages: { size_limit: 100 KiB }\n")
    bad = {"empty.eml": b"", "no-header.eml": b"just text\n",
           "no-receiver.eml": b"X-Sender: ann@local.example\nSubject: x\n\nx\n",
           "bad-receiver.eml": b"X-Sender: ann@local.example\nX-Receiver: <bob@@x>\n\nx\n",
           "zeros.eml": b"\0" * 10_000,
           "large.eml": LETTER.format(subject="large").encode() + b"x" * 200_000}
    for name, content in bad.items():
        put(pickup, name, content)
    put(pickup, "good.eml", LETTER.format(subject="good"))
    assert sink.wait_for(1)[0].parsed()["Subject"] == "good"
    refused = {event["file"]: event["reason"]
               for event in world.wait_for_event("pickup-refused", len(bad))}
    assert refused.keys() == bad.keys(), refused
    assert all(refused.values()), refused
    badmail = {path.name for path in world.mail_files("Badmail")}
    assert set(bad) <= badmail, badmail
    wait_until_taken(pickup)
    assert sink.count() == 1


def scenario_headers_are_completed_and_envelope_lines_are_not_sent(world):
    sink, pickup = start(world)
    put(pickup, "a", "X-Sender: ann@local.example\nX-Receiver: bob@example.org\n"
                     "X-Receiver: <carol@example.org>\nFrom: ann@local.example\nSubject: x\n\n"
                     ".one dot\n..two\n")
    [message] = sink.wait_for(1)
    parsed = message.parsed()
    assert message.recipients == ["bob@example.org", "carol@example.org"]
    assert parsed["Date"] and parsed["Message-ID"].endswith("@mx.local.example>"), message.content
    assert parsed["X-Receiver"] is None and parsed["X-Sender"] is None
    assert message.violations == 0


def scenario_a_sender_of_null_and_addresses_without_domain(world):
    sink, pickup = start(world)
    put(pickup, "a", "X-Sender: <>\nX-Receiver: bob@example.org\nSubject: a report\n\nx\n")
    put(pickup, "b", "X-Sender: ann\nX-Receiver: bob@example.org\nSubject: short\n\nx\n")
    senders = {message.parsed()["Subject"]: message.sender for message in sink.wait_for(2)}
    assert senders == {"a report": "", "short": "ann@local.example"}, senders


def scenario_files_wait_while_the_server_is_down(world):
    sink, pickup = start(world)
    world.stop()
    put(pickup, "a", LETTER.format(subject="early"))
    world.start()
    assert sink.wait_for(1)[0].parsed()["Subject"] == "early"


def scenario_pickup_can_be_switched_off(world):
    sink, pickup = start(world, "pickup: { enabled: false }\n")
    put(pickup, "a", LETTER.format(subject="later"))
    world.send("carol@example.org")
    sink.wait_for(1)
    assert (pickup / "new" / "a").exists()
    world.write_server(smart_host=sink.smart_host)
    world.ctl("reload")
    sink.wait_for(2)


def scenario_mail_for_a_local_domain_goes_from_pickup_to_drop(world):
    _, pickup = start(world)
    put(pickup, "a", "X-Sender: ann@local.example\nX-Receiver: bob@local.example\n\nx\n")
    until(lambda: world.mail_files("Drop"), "a file in Drop")
