"""mailrootctl test-mail: a message through the server's own listener, and what became of it."""

import json


def test_mail(world, *arguments, code):
    done = world.ctl("--json", "test-mail", *arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def start(world, *options, relay=True, **more):
    sink = world.sink(*options)
    world.write_server(smart_host=sink.smart_host, relay=relay, **more)
    world.start()
    return sink


def scenario_what_cannot_be_sent_is_told(world):
    world.write_server()
    test_mail(world, "--to", "bob@example.org", code=2)
    start(world, relay=False)
    for wrong in ("bob", "", "a@b c", "a@b>\r\nRSET\r\n", "<a@example.org>"):
        _, told = test_mail(world, "--to", wrong, code=1)
        assert "no mail address" in told, (wrong, told)
    _, told = test_mail(world, "--to", "bob@example.org", "--server", "nobody", code=1)
    assert "no virtual server" in told, told
    assert world.ctl("test-mail", check=False).returncode != 0, "--to is needed"
    steps, _ = test_mail(world, "--to", "bob@example.org", code=1)
    assert steps[-1]["step"] == "refused" and "550" in steps[-1]["text"], steps
    world.ctl("stop", "default")
    _, told = test_mail(world, "--to", "bob@example.org", "--server", "default", code=1)
    assert "does not listen" in told, told


def scenario_delivered(world):
    sink = start(world)
    steps, _ = test_mail(world, "--to", "bob@example.org", "--from", "ann@local.example", code=0)
    assert [steps[0]["step"], steps[-1]["step"]] == ["server", "delivered"], steps
    assert "accepted" in [step["step"] for step in steps]
    assert "250" in steps[-1]["text"], steps
    [message] = sink.wait_for(1)
    assert message.recipients == ["bob@example.org"]
    assert b"Auto-Submitted: auto-generated" in message.content, message.content
    text = world.ctl("test-mail", "--to", "eve@example.org").stdout
    assert "delivered" in text, text


def scenario_bounced(world):
    start(world, "--reply", "RCPT=550:no such user", delivery="quick_retries: { count: 0 }")
    steps, _ = test_mail(world, "--to", "bob@example.org", code=1)
    assert steps[-1]["step"] == "bounced" and "550" in steps[-1]["text"], steps


def scenario_deferred(world):
    sink = start(world)
    sink.stop()
    steps, _ = test_mail(world, "--to", "bob@example.org", code=3)
    assert steps[-1]["step"] == "deferred", steps


def scenario_a_next_hop_that_never_answers(world):
    sink = start(world, "--stall", "EHLO#1")
    steps, _ = test_mail(world, "--to", "bob@example.org", "--timeout", "1", code=4)
    assert steps[-1]["step"] == "timeout", steps
    sink.stop()
