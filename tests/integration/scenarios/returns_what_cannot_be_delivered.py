"""Bounces: told to the sender once, from nobody, in three parts; asked for or not; and Badmail for
what cannot even be returned."""

from dsn import Dsn
from waiting import until


def start(world, *options, delivery="", text=""):
    sink = world.sink(*options)
    world.write_server(smart_host=sink.smart_host, delivery=delivery, text=text)
    world.start()
    return sink


def scenario_a_refused_recipient_is_returned_to_the_sender(world):
    sink = start(world, "--reply", "RCPT/nobody@=550:5.1.1 no such user here")
    world.send("nobody@example.org", subject="lost", body="the lost text")
    [captured] = sink.wait_for(1)
    assert captured.sender == "", captured.sender
    assert captured.recipients == ["ann@sender.example"], captured.recipients
    dsn = Dsn(captured)
    assert "Delivery Status Notification (Failure)" in dsn.subject
    assert dsn.message["Auto-Submitted"] == "auto-replied"
    assert dsn.message["To"] == "ann@sender.example"
    assert "no such user here" in dsn.plain and "nobody@example.org" in dsn.plain, dsn.plain
    assert dsn.about_message["Reporting-MTA"] == "dns; mx.local.example"
    fields = dsn.recipient("nobody@example.org")
    assert fields["Action"] == "failed" and fields["Status"] == "5.1.1", fields.as_string()
    assert "550" in fields["Diagnostic-Code"], fields.as_string()
    assert dsn.parts[2].get_content_type() == "message/rfc822"
    original = dsn.parts[2].get_payload(0)
    assert original["Subject"] == "lost" and "the lost text" in original.get_payload()
    world.wait_for_empty_queue()
    assert sink.count() == 1 and world.mail_files("Badmail") == []


def scenario_good_recipients_get_the_message_bad_ones_are_returned(world):
    sink = start(world, "--reply", "RCPT/nobody@=550:no such user")
    world.send(["bob@example.org", "nobody@example.org", "carol@example.org"])
    sink.wait_for(2)
    [sent] = [message for message in sink.messages() if message.sender]
    [returned] = [message for message in sink.messages() if not message.sender]
    assert sent.recipients == ["bob@example.org", "carol@example.org"], sent.recipients
    dsn = Dsn(returned)
    assert len(dsn.about_recipients) == 1, dsn.plain
    dsn.recipient("nobody@example.org")


def scenario_a_refused_content_is_returned_for_every_recipient(world):
    sink = start(world, "--reply", "END=554:5.6.0 no thank you#1")
    world.send(["bob@example.org", "carol@example.org"])
    [captured] = sink.wait_for(1)
    dsn = Dsn(captured)
    for address in ("bob@example.org", "carol@example.org"):
        assert dsn.recipient(address)["Status"] == "5.6.0"


def scenario_headers_only_on_request(world):
    sink = start(world, "--reply", "RCPT/nobody@=550:no such user")
    world.send("nobody@example.org", subject="private", body="secret text",
               mail_options=["RET=HDRS", "ENVID=order+2B66"],
               rcpt_options=["ORCPT=rfc822;first@old.example"])
    dsn = Dsn(sink.wait_for(1)[0])
    assert dsn.parts[2].get_content_type() == "text/rfc822-headers"
    assert "Subject: private" in dsn.parts[2].get_payload()
    assert b"secret text" not in dsn.captured.content
    assert dsn.about_message["Original-Envelope-Id"] == "order+66", dsn.about_message.as_string()
    assert dsn.recipient("nobody@example.org")["Original-Recipient"] == "rfc822; first@old.example"


def scenario_a_large_message_is_returned_by_its_header(world):
    sink = start(world, "--reply", "RCPT/nobody@=550:no such user")
    world.send("nobody@example.org", subject="large", body="x" * 70 + ("\r\n" + "y" * 70) * 40_000)
    dsn = Dsn(sink.wait_for(1)[0])
    assert len(dsn.captured.content) < 100_000, len(dsn.captured.content)
    assert "Subject: large" in dsn.parts[2].get_payload()


def scenario_who_wants_no_report_gets_none(world):
    sink = start(world, "--reply", "RCPT=550:no such user")
    world.send("nobody@example.org", rcpt_options=["NOTIFY=NEVER"])
    world.wait_for_event("bounced")
    world.send("nobody@example.org", rcpt_options=["NOTIFY=SUCCESS"])
    world.wait_for_event("bounced", 2)
    world.wait_for_empty_queue()
    assert sink.count() == 0
    assert world.mail_files("Badmail") == []


def scenario_success_is_reported_when_the_next_hop_cannot(world):
    sink = start(world, "--disable", "DSN")
    world.send("bob@example.org", rcpt_options=["NOTIFY=SUCCESS"])
    sink.wait_for(2)
    [report] = [message for message in sink.messages() if not message.sender]
    dsn = Dsn(report)
    assert dsn.recipient("bob@example.org")["Action"] == "relayed"


def scenario_success_is_left_to_a_next_hop_that_can(world):
    sink = start(world)
    world.send("bob@example.org", rcpt_options=["NOTIFY=SUCCESS"])
    [message] = sink.wait_for(1)
    assert "NOTIFY=SUCCESS" in message.recipient_parameters[0]
    world.wait_for_empty_queue()
    assert sink.count() == 1


def scenario_success_in_drop_is_reported(world):
    sink = start(world)
    world.send("ann@local.example", rcpt_options=["NOTIFY=SUCCESS"])
    dsn = Dsn(sink.wait_for(1)[0])
    assert dsn.recipient("ann@local.example")["Action"] == "delivered"


def scenario_a_report_that_cannot_be_delivered_goes_to_badmail(world):
    sink = start(world, "--reply", "RCPT=550:nobody here")
    world.send("nobody@example.org", subject="hopeless")
    until(lambda: len(world.mail_files("Badmail")) >= 1, "a file in Badmail")
    world.wait_for_empty_queue()
    mails = [path for path in world.mail_files("Badmail") if b"X-Sender" in path.read_bytes()]
    assert len(mails) == 1, mails
    text = mails[0].read_text()
    assert "X-Receiver: <ann@sender.example>" in text and "hopeless" in text, text
    assert sink.count() == 0


def scenario_a_refused_message_from_nobody_goes_to_badmail(world):
    start(world, "--reply", "RCPT=550:nobody here")
    world.send("nobody@example.org", sender="", subject="a report")
    until(lambda: len(world.mail_files("Badmail")) >= 1, "a file in Badmail")
    world.wait_for_empty_queue()


def scenario_a_copy_of_reports_goes_to_the_postmaster(world):
    sink = start(world, "--reply", "RCPT/nobody@=550:no such user",
                 text="messages: { ndr_copy_to: admin@example.net }\n")
    world.send("nobody@example.org")
    sink.wait_for(2)
    recipients = sorted(message.recipients[0] for message in sink.messages())
    assert recipients == ["admin@example.net", "ann@sender.example"], recipients
    assert all(message.sender == "" for message in sink.messages())


def scenario_a_report_survives_a_kill(world):
    """The report is stored together with the end of what it is about."""
    sink = start(world, "--reply", "RCPT/nobody@=550:no such user", "--stall", "RCPT/ann@",
                 delivery="quick_retries: { count: 0 }\nretry_intervals: [1s]\n")
    world.send("nobody@example.org")
    world.wait_for_event("bounced")
    world.kill()
    sink.stop()  # it never answered for the report
    sink.start()
    world.start()
    dsn = Dsn(sink.wait_for(1)[0])
    dsn.recipient("nobody@example.org")
    world.wait_for_empty_queue()
    assert sink.count() == 1
