"""Remote-triggered delivery: mail for a branch waits until the branch says ETRN (RFC 1985)."""

import time

from waiting import until

BRANCH = """domains:
  - {{ name: branch.example, type: remote, relay: true, smart_host: ["{host}"], queue_for: {how} }}
  - {{ name: "*.sites.example", type: remote, relay: true, queue_for: {how},
       smart_host: ["{host}"] }}
"""


def held(world):
    return [entry for entry in world.queue() if entry["state"] == "held"]


def configure(world, sink, how="etrn"):
    world.write_server(text=BRANCH.format(host=sink.smart_host, how=how))


def etrn(world, argument):
    with world.client() as client:
        client.ehlo()
        assert client.has_extn("etrn")
        code, text = client.docmd("ETRN", argument)
        return code, text.decode()


def scenario_mail_waits_for_etrn_also_over_a_restart(world):
    sink = world.sink()
    configure(world, sink)
    world.start()
    for number in range(6):
        world.send(f"user{number}@branch.example")
    world.send("one@a.sites.example")
    world.send("two@b.sites.example")
    time.sleep(0.5)
    assert not sink.messages(), "sent before anybody asked"
    world.stop()
    world.start()
    time.sleep(0.5)
    assert not sink.messages(), "sent after a restart"
    code, text = etrn(world, "branch.example")
    assert code == 250 and "branch.example" in text, (code, text)
    messages = sink.wait_for(6)
    assert {message.recipients[0] for message in messages} == {
        f"user{number}@branch.example" for number in range(6)}
    code, text = etrn(world, "@sites.example")
    assert code == 250, (code, text)
    sink.wait_for(8)
    world.send("later@branch.example")
    time.sleep(0.5)
    assert len(sink.messages()) == 8, "what comes after the queue was empty waits again"


def scenario_only_domains_that_are_kept_may_be_asked_for(world):
    sink = world.sink()
    configure(world, sink)
    world.start()
    for argument in ("example.org", "local.example", "sites.example", "notbranch.example"):
        code, text = etrn(world, argument)
        assert code == 459, (argument, code, text)
    for argument in ("", "#queue", "a b", "<x@branch.example>"):
        code, text = etrn(world, argument)
        assert code == 501, (argument, code, text)
    configure(world, sink, how="none")
    world.reload()
    with world.client() as client:
        client.ehlo()
        assert not client.has_extn("etrn")
        assert client.docmd("ETRN", "branch.example")[0] == 502


def scenario_mail_that_is_kept_no_more_leaves_at_a_reload(world):
    sink = world.sink()
    configure(world, sink)
    world.start()
    world.send("bob@branch.example")
    time.sleep(0.3)
    assert not sink.messages()
    configure(world, sink, how="none")
    world.reload()
    sink.wait_for(1)
