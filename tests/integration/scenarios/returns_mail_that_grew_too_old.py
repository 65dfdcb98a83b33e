"""Expiration and delay notification, with short times."""

from dsn import Dsn
from waiting import free_port, until

TIMES = ("quick_retries: { count: 0 }\nretry_intervals: [1s]\nexpiration: 3s\n"
         "outbound: { timeout: 1s }\n")


def scenario_an_expired_message_is_returned(world):
    sink = world.sink("--reply", "RCPT/busy@=451:4.2.1 mailbox busy")
    world.write_server(smart_host=sink.smart_host, delivery=TIMES)
    world.start()
    world.send("busy@example.org")
    dsn = Dsn(sink.wait_for(1)[0])
    fields = dsn.recipient("busy@example.org")
    assert fields["Action"] == "failed" and fields["Status"] == "4.4.7", fields.as_string()
    assert "mailbox busy" in fields["Diagnostic-Code"], fields.as_string()
    assert len(world.events("deferred")) >= 2, world.events("deferred")
    world.wait_for_empty_queue()


def scenario_an_expired_message_and_its_report_end_in_badmail(world):
    world.write_server(smart_host=f"[{world.address}]:{free_port()}", delivery=TIMES)
    world.start()
    world.send("bob@example.org", subject="too late")
    until(lambda: len(world.mail_files("Badmail")) >= 1, "a file in Badmail")
    world.wait_for_empty_queue()
    assert b"too late" in b"".join(path.read_bytes() for path in world.mail_files("Badmail"))
    assert world.mail_files("Queue") == []


def scenario_a_delay_is_told_once(world):
    sink = world.sink("--reply", "RCPT/busy@=451:4.2.1 mailbox busy")
    world.write_server(smart_host=sink.smart_host, delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [1s]\nexpiration: 6s\n"
        "delay_notification: 1s\n"))
    world.start()
    world.send(["busy@example.org", "busy@example.net"])
    world.send("busy@never.example", rcpt_options=["NOTIFY=FAILURE"])
    [captured] = sink.wait_for(1)
    dsn = Dsn(captured)
    assert "Delay" in dsn.subject, dsn.subject
    assert dsn.recipient("busy@example.org")["Action"] == "delayed"
    assert dsn.recipient("busy@example.org")["Will-Retry-Until"]
    assert dsn.parts[2].get_content_type() == "text/rfc822-headers"
    sink.wait_for(3)
    reports = [Dsn(message).subject for message in sink.messages()]
    assert len([subject for subject in reports if "Delay" in subject]) == 1, reports
    assert len([subject for subject in reports if "Failure" in subject]) == 2, reports
    world.wait_for_empty_queue()


def scenario_age_counts_through_a_restart(world):
    world.write_server(smart_host=f"[{world.address}]:{free_port()}", delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [60m]\nexpiration: 2s\n"))
    world.start()
    world.send("bob@example.org")
    world.wait_for_event("deferred")
    world.stop()
    world.start()
    until(lambda: world.events("bounced", to="<bob@example.org>"), "the message expires")
