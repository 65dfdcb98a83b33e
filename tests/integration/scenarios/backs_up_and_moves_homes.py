"""mailrootctl backup and move-home: whole or not there, mail neither lost nor doubled."""

import json
import os
import shutil
import subprocess

from waiting import until


def start(world, **more):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, **more)
    world.start()
    return sink


def refused(world, *arguments, code=1):
    done = world.ctl(*arguments, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stderr


def scenario_where_no_backup_can_be(world):
    start(world)
    there = world.directory / "there"
    there.mkdir()
    assert "there already" in refused(world, "backup", str(there))
    assert "no directory" in refused(world, "backup", str(world.directory / "a/b"))
    assert "home directory" in refused(world, "backup", str(world.home() / "backup"))
    assert "no virtual server" in refused(world, "backup", str(world.directory / "b"), "--server",
                                          "x")
    assert "no finished backup" in refused(world, "backup", "--verify", str(there))
    assert not (world.directory / "b.partial").exists()


def scenario_a_backup_of_a_busy_server_holds_all_mail(world):
    sink = start(world, text="spool: { materialise_after: 1h }\n")
    sink.stop()
    secret = world.directory / "password"
    secret.write_text("secret")
    for number in range(20):
        world.send(f"r{number}@example.org", body="x" * (400_000 if number == 3 else 10))
    target = world.directory / "backup"
    # An earlier one was interrupted; what it has too much goes.
    (world.directory / "backup.partial/default/Queue/new").mkdir(parents=True)
    (world.directory / "backup.partial/default/Queue/new/old").write_text("x")
    [report] = world.ctl_json("backup", str(target), "--configuration")
    assert report["files"] > 3 and target.is_dir() and not (target / "old").exists()
    assert not (world.directory / "backup.partial").exists()
    assert not list(target.rglob("old")) and not list(target.rglob("password"))
    assert (target / "configuration/mailroot.yaml").is_file()
    assert (target / "configuration/virtual-servers.d/default.yaml").is_file()
    [verified] = world.ctl_json("backup", "--verify", str(target))
    assert verified["good"] == report["files"] and verified["bad"] == [], verified
    # Another disk, another day: only the backup is left.
    world.kill()
    shutil.rmtree(world.home())
    shutil.copytree(target / "default", world.home())
    again = world.sink()
    world.write_server(smart_host=again.smart_host)
    world.start()
    until(lambda: len(world.queue()) + again.count() >= 20, "all are there")
    world.ctl("queue", "retry", "all")  # those that were tried before the backup
    again.wait_for(20)
    world.wait_for_empty_queue()
    assert len({one.recipients[0] for one in again.messages()}) == 20 and again.count() == 20
    # One bit.
    victim = max((target / "default").rglob("*"), key=lambda p: p.stat().st_size * p.is_file())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    done = world.ctl("--json", "backup", "--verify", str(target), check=False)
    assert done.returncode == 1 and len(json.loads(done.stdout)["bad"]) == 1, done.stdout


def scenario_secrets_only_when_asked(world):
    start(world)
    (world.directory / "password").write_text("secret")
    target = world.directory.parent / (world.directory.name + ".backup")
    world.clean_ups.append(lambda: shutil.rmtree(target, ignore_errors=True))
    # The home directories of a scenario lie beside its configuration.
    world.ctl("backup", str(target), "--secrets")
    assert (target / "configuration/password").read_text() == "secret"


def scenario_a_home_moves_with_its_mail(world):
    sink = start(world)
    sink.stop()
    for number in range(5):
        world.send(f"r{number}@example.org")
    old, new = world.home(), world.directory / "elsewhere/home"
    assert "no directory" in refused(world, "move-home", "default", str(new))
    new.parent.mkdir()
    assert "no virtual server" in refused(world, "move-home", "nobody", str(new))
    assert "home directory of default" in refused(world, "move-home", "default", str(old / "in"))
    (new.parent / "full").mkdir()
    (new.parent / "full/x").write_text("x")
    assert "not empty" in refused(world, "move-home", "default", str(new.parent / "full"))
    before = world.server_file().read_text()
    [moved] = world.ctl_json("move-home", "default", str(new))
    assert moved["to"] == str(new) and moved["files"] > 5, moved
    assert world.server_file().read_text() == before.replace(str(old), str(new))
    server = world.server()
    assert server["state"] == "started" and server["home_directory"] == str(new), server
    until(lambda: len(world.queue()) == 5, "its mail is there")
    again = world.sink()
    text = world.server_file().read_text().replace(sink.smart_host, again.smart_host)
    world.server_file().write_text(text)
    world.reload()
    world.ctl("queue", "retry", "all")
    again.wait_for(5)
    world.wait_for_empty_queue()
    assert again.count() == 5
    # Without a daemon as well.
    world.stop()
    world.ctl("move-home", "default", str(world.directory / "third"))
    world.start()
    assert world.server()["home_directory"] == str(world.directory / "third")


def scenario_a_move_that_fails_is_undone(world):
    sink = start(world)
    sink.stop()
    world.send()
    os.mkfifo(world.home() / "fifo")
    before = world.server_file().read_bytes()
    new = world.directory / "new"
    told = refused(world, "move-home", "default", str(new))
    assert "fifo" in told and "everything is as before" in told, told
    assert world.server_file().read_bytes() == before
    assert not new.exists() and not (world.directory / "new.moving").exists()
    server = world.server()
    assert server["state"] == "started" and server["home_directory"] == str(world.home()), server
    (world.home() / "fifo").unlink()
    # A file that cannot be edited.
    world.server_file("second").write_text("nonsense: [\n")
    assert world.ctl("move-home", "default", str(new), check=False).returncode == 1
    world.server_file("second").unlink()
    assert not new.exists() and world.server()["state"] == "started"
    # An interrupt while it copies.
    for number in range(300):
        (world.home() / "Drop/new" / f"{number}.eml").write_bytes(b"x" * 10)
    tool = subprocess.Popen(world.ctl_command("move-home", "default", str(new)),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: (world.directory / "new.moving/Drop").exists() or tool.poll() is not None,
          "it copies")
    tool.terminate()
    _, told = tool.communicate()
    if tool.returncode != 0:
        assert "interrupted" in told and "as before" in told, told
        assert not new.exists() and world.server()["home_directory"] == str(world.home())
    assert world.server()["state"] == "started"
    assert len(world.queue()) == 1
