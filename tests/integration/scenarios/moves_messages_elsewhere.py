"""mailrootctl queue move: to another server or into a directory; never lost, never twice."""

import shutil
import subprocess
import time

from waiting import free_port, own_address, until


def start(world, *, other_text="", other=True):
    """Mail for `default` waits; what `other` takes is delivered."""
    dead = world.sink()
    world.write_server(smart_host=dead.smart_host)
    good = world.sink()
    if other:
        world.write_server("other", smart_host=good.smart_host, address=own_address(1),
                           port=free_port(own_address(1)), text=other_text)
    world.start()
    dead.stop()
    return good


def move(world, *arguments, code=0):
    done = world.ctl("--json", "queue", "move", *arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def send(world, count, **more):
    before = len(world.queue())
    for number in range(count):
        world.send(f"r{number}@example.org", subject=f"s{number}", **more)
    until(lambda: len(world.queue()) == before + count, "all are queued")


def is_waiting(world):
    """The next hop was asked, and nothing is in anybody's hands."""
    return all(entry["state"] in ("waiting", "ready") for entry in world.queue()) and \
        all(entry["state"] == "backoff" for entry in world.ctl_json("destinations"))


def moving(world):
    directory = world.home() / "Moving"
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def scenario_what_cannot_be_moved_stays(world):
    start(world, other_text="pickup: { enabled: false }\nmessages: { size_limit: 2 KiB }\n")
    send(world, 1)
    [entry] = world.queue()
    identity = entry["id"]
    assert "where to?" in move(world, identity, code=1)
    assert "where to?" in move(world, identity, "--to-server", "a", "--to-directory", "b", code=1)
    assert "which messages?" in move(world, "--to-server", "other", code=1)
    assert "no virtual server" in move(world, identity, "--to-server", "nobody", code=1)
    assert "pickup.enabled" in move(world, identity, "--to-server", "other", code=1)
    assert "queue id" in move(world, "junk", "--to-server", "other", code=1)
    assert "there already" in move(world, identity, "--to-server", "default", "--server", "default",
                                   code=1)
    assert "--yes" in move(world, "--all", "--to-server", "other", code=1)
    nowhere = str(world.directory / "nowhere")
    assert "No such file" in move(world, identity, "--to-directory", nowhere, code=1)
    text = world.server_file("other").read_text().replace("enabled: false", "enabled: true")
    world.server_file("other").write_text(text)
    world.reload()
    send(world, 1, body="x" * 4000)
    [big] = [one["id"] for one in world.queue() if one["id"] != identity]
    assert "larger" in move(world, big, "--to-server", "other", code=1)
    assert "no message" in move(world, "00000001000000000001"[::-1], "--to-server", "other", code=1)
    assert sorted(one["id"] for one in world.queue()) == sorted([identity, big])
    until(lambda: all(one["state"] in ("waiting", "ready") for one in world.queue()),
          "what could not be moved waits again")
    assert moving(world) == []


def scenario_messages_go_to_another_server(world):
    good = start(world)
    send(world, 5)
    until(lambda: is_waiting(world), "all were tried")
    world.ctl("queue", "hold", "--to", "r4@*")
    assert '"would_be":2' in move(world, "--to", "r[01]@*", "--to-server", "other", "--dry-run")
    assert len(world.queue()) == 5
    assert '"move":1' in move(world, "--all", "--max", "1", "--to-server", "other", "--yes")
    assert '"move":4' in move(world, "--all", "--server", "default", "--to-server", "other",
                               "--yes")
    good.wait_for(5)
    world.wait_for_empty_queue()
    time.sleep(0.5)
    assert good.count() == 5, good.count()
    assert sorted(one.recipients[0] for one in good.messages()) == \
        [f"r{number}@example.org" for number in range(5)]
    # Pickup puts its own trace on top; what stood there stays.
    assert all(one.content.count(b"Received: ") == 2 for one in good.messages())
    assert all(one.content.endswith(b"\r\n\r\nHello.\r\n") for one in good.messages())
    assert len(world.events("moved", server="default", target="other")) == 5
    assert moving(world) == [] and world.mail_files("Pickup", "other") == []


def scenario_a_crash_between_the_steps(world):
    good = start(world)
    send(world, 3)
    until(lambda: is_waiting(world), "all were tried")
    first, second, third = sorted(entry["id"] for entry in world.queue())
    world.stop()
    files = {identity: path for path in world.mail_files("Queue")
             for identity in (first, second, third) if identity in path.name}
    staging = world.home() / "Moving"
    staging.mkdir()
    # It was copied, and not yet settled; it was settled; it goes where nobody is; it is in parts.
    shutil.copy(files[first], staging / f"{first}.other")
    files[second].rename(staging / f"{second}.other")
    files[third].rename(staging / f"{third}.nobody")
    (staging / f".{first}.other").write_bytes(b"X-Queue")
    (staging / "of somebody else").write_bytes(b"x")
    world.start()
    [sent] = good.wait_for(1)
    assert sent.recipients[0].startswith("r"), sent.recipients
    until(lambda: [entry["id"] for entry in world.queue()] == [first], "only the first is here")
    [unfinished] = world.wait_for_event("move_unfinished")
    assert unfinished["queue_id"] == third and "nobody" in unfinished["reason"], unfinished
    assert moving(world) == [f"{third}.nobody", "of somebody else"], moving(world)
    # Whoever makes that server gets its mail.
    text = world.server_file("other").read_text()
    world.stop()
    (staging / f"{third}.nobody").rename(staging / f"{third}.other")
    assert "smart_host" in text
    world.start()
    good.wait_for(2)
    time.sleep(0.3)
    assert good.count() == 2


def scenario_killed_while_it_moves(world):
    good = start(world)
    count = 60
    send(world, count)
    for number in range(4):
        tool = subprocess.Popen(world.ctl_command("queue", "move", "--all", "--server", "default",
                                                  "--to-server", "other", "--yes"),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        moved = 12 * (number + 1)
        until(lambda: good.count() >= moved or tool.poll() is not None, "some were moved")
        world.kill()
        tool.wait()
        world.start()
        until(lambda: world.server()["state"] == "started", "it runs again")
    until(lambda: world.ctl("queue", "move", "--all", "--server", "default", "--to-server", "other",
                            "--yes", check=False).returncode == 0 and
          not [entry for entry in world.queue() if entry["server"] == "default"], "all were moved")
    everybody = {f"r{number}@example.org" for number in range(count)}
    until(lambda: {one.recipients[0] for one in good.messages()} == everybody, "all have arrived")
    world.wait_for_empty_queue()
    arrived = [one.recipients[0] for one in good.messages()]
    # What B was sending at a kill may be sent again by SMTP's own rules; moving doubles nothing.
    assert len(arrived) <= count + 4 * 20, arrived
    for number in range(count):
        accepted = world.events("accepted", server="other", to=f"<r{number}@example.org>")
        assert len(accepted) <= 1, accepted


def scenario_into_a_directory_and_back(world):
    good = start(world)
    send(world, 3)
    until(lambda: is_waiting(world), "all were tried")
    out = world.directory / "out"
    out.mkdir()
    one = world.queue()[0]["id"]
    assert '"move":1' in move(world, one, "--to-directory", str(out))
    assert [path.name for path in out.iterdir()] == [f"default-{one}.eml"]
    # As if mailrootctl had been killed before the deletion: it is held, and the file is there.
    two = world.queue()[0]["id"]
    world.ctl("queue", "hold", two)
    (out / f"default-{two}.eml").write_bytes(b"partial")
    assert '"move":2' in move(world, "--all", "--to-directory", str(out), "--yes")
    assert world.queue() == [] and len(list(out.iterdir())) == 3
    time.sleep(0.3)
    assert good.count() == 0
    for path in out.iterdir():
        shutil.copy(path, world.home("other") / "Pickup/tmp" / path.name)
        (world.home("other") / "Pickup/tmp" / path.name).rename(
            world.home("other") / "Pickup/new" / path.name)
    good.wait_for(3)
    assert len({one.recipients[0] for one in good.messages()}) == 3
