"""What an operator does to mail that waits: hold, release, bounce, delete, by id and by filter."""

import json
import signal
import subprocess

from dsn import Dsn
from waiting import WAIT_SECONDS, until

LATE = "quick_retries: { count: 0 }\nretry_intervals: [60m]\n"


def start(world, *options, away=True):
    """Mail waits, for its next hop is away."""
    sink = world.sink(*options)
    world.write_server(smart_host=sink.smart_host, delivery=LATE)
    if away:
        sink.stop()
    world.start()
    return sink


def start_again(world):
    """After a kill the kernel may keep the port of io_uring for a moment; a server that waits for
    it has no queue yet to be told anything."""
    world.start()
    until(lambda: world.server()["state"] == "started", "the server is started")


def send_and_wait(world, *recipients, **more):
    """Ids by recipient, when the next hop is known to be away and nothing is on its way."""
    before = len(world.events("accepted"))
    for recipient in recipients:
        world.send(recipient, **more)
    world.wait_for_event("deferred")
    world.wait_for_event("accepted", before + len(recipients))
    until(lambda: all(entry["state"] != "in-transaction" for entry in world.queue()), "all wait")
    return {event["to"].strip("<>"): event["queue_id"] for event in world.events("accepted")}


def state(world, queue_id):
    return world.ctl_json("queue", "show", queue_id)[0]["state"]


def refused(world, *arguments):
    done = world.ctl("queue", *arguments, check=False)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def scenario_held_mail_waits_for_its_release_across_a_kill(world):
    sink = start(world)
    ids = send_and_wait(world, "ann@example.org", "bob@example.org")
    world.ctl("queue", "hold", ids["ann@example.org"])
    assert state(world, ids["ann@example.org"]) == "held"
    assert "already" in refused(world, "hold", ids["ann@example.org"])
    assert "already" in refused(world, "release", ids["bob@example.org"])
    world.kill()
    sink.start()
    start_again(world)
    world.ctl("queue", "retry", "--all")
    [first] = sink.wait_for(1)
    assert first.recipients == ["bob@example.org"]
    until(lambda: len(world.queue()) == 1, "bob's mail is gone")
    assert state(world, ids["ann@example.org"]) == "held"
    world.ctl("queue", "release", ids["ann@example.org"])
    assert sink.wait_for(2)[1].recipients == ["ann@example.org"]
    world.wait_for_empty_queue()
    world.kill()
    start_again(world)
    world.wait_for_empty_queue()
    assert sink.count() == 2


def scenario_deleted_mail_is_gone_from_the_disk_and_stays_gone(world):
    sink = start(world)
    ids = send_and_wait(world, "ann@example.org", "bob@example.org")
    until(lambda: len(world.mail_files("Queue")) == 2, "both are files")
    world.ctl("queue", "hold", ids["ann@example.org"])  # held mail is deleted as well
    world.ctl("queue", "delete", ids["ann@example.org"])
    assert "is in a queue" in refused(world, "show", ids["ann@example.org"])
    assert "is in a queue" in refused(world, "delete", ids["ann@example.org"])
    until(lambda: len(world.mail_files("Queue")) == 1, "its file is gone")
    # Hot mail too: deleted before it is a file.
    world.send("cid@example.org")
    cid = world.wait_for_event("accepted", 3)[2]["queue_id"]
    until(lambda: state(world, cid) != "in-transaction", "it waits")
    world.ctl("queue", "delete", cid)
    deleted = world.wait_for_event("deleted", 2, by="operator")
    assert [event["queue_id"] for event in deleted] == [ids["ann@example.org"], cid]
    world.kill()
    sink.start()
    start_again(world)
    world.ctl("queue", "retry", "all")
    world.wait_for_empty_queue()
    [message] = sink.wait_for(1)
    assert message.recipients == ["bob@example.org"]
    assert not world.mail_files("Badmail")


def scenario_bounced_mail_goes_back_with_a_report(world):
    sink = start(world)
    ids = send_and_wait(world, "ann@example.org", subject="unwanted")
    sink.start()
    world.ctl("queue", "bounce", ids["ann@example.org"])
    until(lambda: world.events("bounced"), "the report")
    world.ctl("queue", "retry", "--all")  # its next hop was away when it was last asked
    [report] = sink.wait_for(1)
    assert (report.sender, report.recipients) == ("", ["ann@sender.example"])
    dsn = Dsn(report)
    fields = dsn.recipient("ann@example.org")
    assert fields["Action"] == "failed" and fields["Status"] == "5.0.0", fields
    assert b"returned by the administrator" in report.content
    world.wait_for_empty_queue()


def scenario_mail_from_nobody_is_bounced_into_badmail(world):
    start(world)
    ids = send_and_wait(world, "ann@example.org", sender="", subject="a report")
    world.ctl("queue", "bounce", ids["ann@example.org"])
    until(lambda: world.mail_files("Badmail"), "a file in Badmail")
    world.wait_for_empty_queue()
    assert any(b"a report" in path.read_bytes() for path in world.mail_files("Badmail"))


def scenario_recipients_of_several_next_hops_are_dealt_with_together(world):
    sink = start(world)
    far = world.sink()
    far.stop()
    world.write_server(smart_host=sink.smart_host, delivery=LATE, text=(
        f"domains: [{{ name: far.example, type: remote, smart_host: [\"{far.smart_host}\"] }}]\n"))
    world.ctl("reload")
    world.send(["ann@example.org", "bob@far.example"])
    [accepted] = world.wait_for_event("accepted")
    world.wait_for_event("deferred", 2)
    until(lambda: state(world, accepted["queue_id"]) == "waiting", "both wait")
    sink.start()
    world.ctl("queue", "bounce", accepted["queue_id"])
    world.wait_for_event("bounced", 2)
    world.ctl("queue", "retry", "--all")
    world.wait_for_empty_queue()
    told = [line for report in sink.messages() for line in report.content.splitlines()
            if line.startswith(b"Final-Recipient:")]
    assert len(told) == 2 and far.count() == 0, told


def scenario_what_is_being_delivered_is_left_alone(world):
    sink = start(world, "--stall", "RCPT", away=False)
    world.send("ann@example.org")
    [accepted] = world.wait_for_event("accepted")
    queue_id = accepted["queue_id"]
    until(lambda: state(world, queue_id) == "in-transaction", "it is on its way")
    for verb in ("hold", "bounce", "delete"):
        assert "being delivered" in refused(world, verb, queue_id)
    assert "1 in delivery" in refused(world, "delete", "--all", "--yes")
    world.stop()
    sink.stop()
    sink.start()
    world.start()
    sink.wait_for(1)
    world.wait_for_empty_queue()


def listed(world, *filters):
    return sorted(entry["id"] for entry in world.ctl_json("queue", "list", *filters))


def scenario_filters_choose(world):
    start(world)
    ids = send_and_wait(world, "ann@example.org", "bob@example.net")
    send_and_wait(world, "cid@example.org", sender="Eve@other.example", body="x" * 5000)
    ids = {event["to"].strip("<>"): event["queue_id"] for event in world.events("accepted")}
    ann, bob, cid = (ids[name] for name in ("ann@example.org", "bob@example.net",
                                            "cid@example.org"))
    everything = sorted((ann, bob, cid))
    tried = sorted({event["queue_id"] for event in world.events("deferred")})
    assert listed(world) == everything
    for filters, wanted in ((("--to", "*@EXAMPLE.org"), [ann, cid]),
                            (("--from", "eve@*"), [cid]),
                            (("--from", "<>"), []),
                            (("--larger", "4K"), [cid]),
                            (("--smaller", "4K", "--to", "ann*"), [ann]),
                            (("--older", "1h"), []),
                            (("--newer", "1h"), everything),
                            (("--state", "held"), []),
                            (("--reply", "*refused*"), tried),
                            (("--reply", "*no such thing*"), []),
                            (("--server", "default", "--destination", "*"), everything)):
        assert listed(world, *filters) == sorted(wanted), (filters, listed(world, *filters))
    assert "last reply" in world.ctl("queue", "show", ann).stdout
    # Nothing is done by mistake.
    assert "which messages" in refused(world, "delete")
    assert "either" in refused(world, "delete", ann, "--to", "*")
    assert "--yes" in refused(world, "delete", "--to", "*")
    assert listed(world) == everything
    world.ctl("queue", "hold", "--to", "*@example.org")
    assert listed(world, "--state", "held") == sorted((ann, cid))
    assert "2 messages deleted" in world.ctl("queue", "delete", "--state", "held", "--yes").stdout
    assert listed(world) == [bob]
    [answer] = world.ctl_json("queue", "delete", "--all", "--yes")
    assert answer == {"delete": 1, "in_delivery": 0, "unchanged": 0, "interrupted": False}
    assert listed(world) == []
    until(lambda: not world.mail_files("Queue"), "no file is left")


def scenario_destinations_are_summed_up(world):
    start(world)
    assert world.ctl_json("destinations") == []
    send_and_wait(world, *[f"{number}@example.org" for number in range(5)])
    [entry] = world.ctl_json("destinations")
    assert entry["waiting"] + entry["ready"] == 5 and entry["state"] == "backoff", entry
    assert "refused" in entry["last_error"] and entry["next_connection_seconds"] > 0, entry
    assert "asked again in" in world.ctl("destinations", "--server", "default").stdout
    for command in (["queue", "list"], ["destinations"]):
        done = world.ctl(*command, "--server", "another", check=False)
        assert done.returncode == 1 and "no virtual server another" in done.stderr, done
    world.ctl("queue", "hold", "--all")
    [entry] = world.ctl_json("destinations")
    assert entry["held"] == 5, entry


def scenario_a_long_deletion_can_be_interrupted_and_taken_up_again(world):
    start(world)
    many = 3000
    subprocess.run([world.tools / "mailroot-source", "--to", f"{world.address}:{world.port}",
                    "--connections", "10", "--messages", str(many), "--sender",
                    "ann@sender.example", "--recipient", "bob@example.org"],
                   check=True, capture_output=True, timeout=WAIT_SECONDS)

    def waiting():
        return world.server()["queue"]["messages"]
    until(lambda: waiting() == many, "all of them wait")
    deletion = subprocess.Popen(world.ctl_command("--json", "queue", "delete", "--yes", "--to",
                                                  "*@example.org"),
                                stdout=subprocess.PIPE, text=True)
    until(lambda: waiting() < many, "it has begun")
    deletion.send_signal(signal.SIGINT)
    told = json.loads(deletion.communicate(timeout=WAIT_SECONDS)[0].splitlines()[-1])
    assert deletion.returncode == 1 and told["interrupted"] is True, told
    assert 0 < told["delete"] < many, told
    assert waiting() == many - told["delete"], (waiting(), told)
    # A crash brings none of the deleted back, and the rest is still there to be deleted.
    world.kill()
    start_again(world)
    until(lambda: waiting() == many - told["delete"], "what was left")
    [told_then] = world.ctl_json("queue", "delete", "--yes", "--to", "*@example.org")
    assert told_then["delete"] == many - told["delete"], (told, told_then)
    assert waiting() == 0
