"""Badmail: the message beside a reason, where it is to be, no older and no larger than allowed."""

from waiting import until

GOOD = "X-Sender: ann@local.example\nX-Receiver: bob@example.org\nSubject: good\n\nx\n"


def put(world, name, text):
    pickup = world.home() / "Pickup"
    (pickup / "tmp" / name).write_text(text)
    (pickup / "tmp" / name).rename(pickup / "new" / name)


def names(world, folder="Badmail"):
    return sorted(path.name for path in world.mail_files(folder))


def scenario_the_directory_has_the_configured_name_for_all_who_write_there(world):
    sink = world.sink("--reply", "RCPT=550:nobody here#2")
    world.write_server(smart_host=sink.smart_host,
                       text="messages: { badmail: { directory: Undeliverable } }\n")
    world.start()
    put(world, "bad.eml", "no mail\n")
    world.send("bob@example.org", subject="hopeless")
    until(lambda: len(names(world, "Undeliverable")) == 4, "both are there")
    assert {"bad.eml", "bad.eml.reason"} < set(names(world, "Undeliverable"))
    assert not (world.home() / "Badmail").exists()
    for reason in (world.home() / "Undeliverable/new").glob("*.reason"):
        assert len(reason.read_text()) > 40, reason


def scenario_the_oldest_go_when_there_is_too_much(world):
    world.write_server(text="messages: { badmail: { size_limit: 1 MiB } }\n")
    world.start()
    for number in range(5):
        put(world, f"{number}.eml", "no mail\n" + "x" * 300_000)
        world.wait_for_event("pickup-refused", number + 1)
    until(lambda: len(names(world)) <= 6, "the oldest are gone")
    assert names(world) == sorted(f"{n}.eml{s}" for n in (2, 3, 4) for s in ("", ".reason"))
    assert world.wait_for_event("badmail-cleaned")
    removed = [event["file"] for event in world.wait_for_event("badmail-removed", 2)]
    assert removed == ["0.eml", "1.eml"], removed


def scenario_a_message_larger_than_the_bound_stays_until_a_newer_one_comes(world):
    world.write_server(text="messages: { badmail: { size_limit: 1 MiB } }\n")
    world.start()
    put(world, "huge.eml", "no mail\n" + "x" * 2_000_000)
    world.wait_for_event("pickup-refused")
    put(world, "small.eml", "no mail\n")
    until(lambda: names(world) == ["small.eml", "small.eml.reason"], "the newest is left")


def scenario_what_is_too_old_goes(world):
    world.write_server(text="messages: { badmail: { keep: 1s } }\n")
    world.start()
    put(world, "bad.eml", "no mail\n")
    world.wait_for_event("badmail-removed", file="bad.eml")
    until(lambda: not names(world), "Badmail is empty")
