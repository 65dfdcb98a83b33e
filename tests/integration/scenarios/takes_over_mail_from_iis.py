"""import-mail: folders of the old machine come into a home directory; the source is only read."""

import hashlib
import json
import os
import pathlib
import resource
import subprocess

from waiting import WAIT_SECONDS, until

PENDING = ("X-Sender: app@local.example\r\nX-Receiver: bob@example.org\r\n"
           "From: app@local.example\r\nTo: bob@example.org\r\n"
           "Subject: {subject}\r\n\r\npending\r\n")
PLAIN = ("Received: from pc by mx with Microsoft SMTPSVC(8.5.9600)\r\nFrom: ann@local.example\r\n"
         "To: bob@example.org\r\nSubject: {subject}\r\n\r\ntext\r\n")
DROPPED = ("x-sender: carl@example.net\r\nx-receiver: ann@local.example\r\nReceived: from x\r\n"
           "From: carl@example.net\r\nSubject: dropped\r\n\r\nhello\r\n")


def old_machine(world):
    old = world.directory / "old"
    for folder in ("Pickup", "QUEUE", "Drop", "badmail", "Route"):
        (old / folder).mkdir(parents=True)
    (old / "Pickup/1.txt").write_text(PENDING.format(subject="first"))
    (old / "Pickup/nobody.eml").write_text("Subject: nobody\r\n\r\nx\r\n")
    (old / "QUEUE/NTFS_a8f1.EML").write_text(PLAIN.format(subject="queued"))
    (old / "QUEUE/whole.eml").write_text(PENDING.format(subject="queued with envelope"))
    (old / "Drop/0001.eml").write_text(DROPPED)
    (old / "badmail/0AF3.BAD").write_text(PLAIN.format(subject="bad"))
    (old / "badmail/0af3.bdr").write_text("Unable to deliver this message.\r\n"
                                          "Specific error code was 0xC00402C7.\r\n")
    (old / "badmail/0AF3.BDP").write_bytes(b"\1\2\0" + "550 no such user".encode("utf-16-le")
                                           + b"\0\3")
    (old / "badmail/orphan.BDR").write_text("alone")
    return old


def digest(directory):
    """Names, kinds, times and contents of everything."""
    out = []
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        out.append((str(path), status.st_mode, status.st_mtime_ns, hashlib.sha256(text).digest()))
    return out


def command(world, *arguments):
    return [world.build / "src/mailrootctl/mailrootctl", "--config",
            world.directory / "mailroot.yaml", "import-mail", *map(str, arguments)]


def import_mail(world, *arguments, code=0, **more):
    done = subprocess.run(command(world, *arguments), capture_output=True, text=True,
                          timeout=WAIT_SECONDS, **more)
    assert done.returncode == code, done
    return done


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.is_file())


def start(world, text=""):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, text=text)
    world.start()
    return sink


def scenario_everything_goes_to_its_place_and_nothing_is_sent(world):
    sink = start(world)
    old = old_machine(world)
    before = digest(old)
    done = import_mail(world, old)
    home = world.home()
    assert names(home / "Imported/Pickup") == ["1.txt", "nobody.eml"]
    assert names(home / "Imported/Queue") == ["NTFS_a8f1.EML", "whole.eml"]
    assert (home / "Imported/Queue/NTFS_a8f1.EML").read_text() == (
        old / "QUEUE/NTFS_a8f1.EML").read_text()
    assert names(home / "Drop/new") == ["0001.eml"]
    assert names(home / "Badmail/new") == ["0AF3.eml", "0AF3.eml.reason"]
    reason = (home / "Badmail/new/0AF3.eml.reason").read_text()
    assert "0xC00402C7" in reason and "550 no such user" in reason, reason
    for words in ("Queue/NTFS_a8f1.EML: lost its envelope",
                  "<ann@local.example> -> <bob@example.org>",
                  "Pickup/nobody.eml: cannot be sent", "./Route: left alone",
                  "orphan.BDR: left alone", "4 files wait"):
        assert words in done.stdout, (words, done.stdout)
    assert "whole.eml: lost" not in done.stdout
    assert digest(old) == before
    assert sink.count() == 0 and not world.queue()


def scenario_what_can_be_sent_is_sent_once_however_often_it_is_asked(world):
    sink = start(world)
    old = old_machine(world)
    import_mail(world, old, "--server", "default", "--send")
    messages = sink.wait_for(2)
    subjects = sorted(message.parsed()["Subject"] for message in messages)
    assert subjects == ["first", "queued with envelope"], subjects
    assert all(m.recipients == ["bob@example.org"] for m in messages)
    pickup = world.home() / "Pickup"
    until(lambda: not names(pickup / "new") and not names(pickup / "cur"), "Pickup is empty")
    # The program that reads Drop has fetched its file; it must not come again.
    (world.home() / "Drop/new/0001.eml").unlink()
    again = import_mail(world, old, "--server", "default", "--send")
    assert "1 taken before" in again.stdout and "2 taken before" in again.stdout, again.stdout
    assert names(world.home() / "Drop/new") == [] and names(pickup / "new") == []
    world.wait_for_empty_queue()
    assert sink.count() == 2
    assert names(world.home() / "Imported/Queue") == ["NTFS_a8f1.EML"]


def scenario_killed_at_any_moment_it_goes_on(world):
    sink = start(world)
    old = world.directory / "old"
    (old / "Pickup").mkdir(parents=True)
    for number in range(200):
        (old / f"Pickup/{number:04}.eml").write_text(PENDING.format(subject=number))
    before = digest(old)
    kills = 0
    while True:
        process = subprocess.Popen(command(world, old, "--send"), stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=0.01 + 0.01 * kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        assert process.returncode == 0, process.returncode
        break
    assert kills > 0
    subjects = sorted(int(message.parsed()["Subject"]) for message in sink.wait_for(200))
    assert subjects == list(range(200)), len(subjects)
    world.wait_for_empty_queue()
    assert sink.count() == 200
    assert digest(old) == before
    assert [n for n in os.listdir(world.home() / "Pickup/tmp") if n.startswith(".import-")] == []


def scenario_links_and_other_things_are_refused(world):
    start(world)
    old = old_machine(world)
    secret = world.directory / "secret"
    secret.write_text(PENDING.format(subject="secret"))
    os.symlink(secret, old / "Pickup/link.eml")
    os.symlink("/dev/zero", old / "Drop/endless.eml")
    os.symlink(secret, old / "badmail/link.bdr")
    (old / "badmail/link.BAD").write_text(PLAIN.format(subject="x"))
    os.mkfifo(old / "Drop/fifo.eml")
    (old / "Drop/below").mkdir()
    done = import_mail(world, old, "--send", code=1)
    for name in ("Pickup/link.eml", "Drop/endless.eml", "Badmail/link.bdr", "Drop/fifo.eml",
                 "Drop/below"):
        assert f"{name}: left alone" in done.stdout, (name, done.stdout)
    assert "secret" not in "".join(path.read_text(errors="replace")
                                   for path in world.home().rglob("*.eml*"))
    outside = world.directory / "outside"
    (old / "Drop").rename(outside)
    os.symlink(outside, old / "Drop")
    (outside / "new.eml").write_text(DROPPED)
    done = import_mail(world, old, code=1)
    assert "./Drop: left alone" in done.stdout, done.stdout
    assert names(world.home() / "Drop/new") == ["0001.eml"]


def scenario_files_that_are_there_are_kept(world):
    start(world, text="drop: { layout: flat }\n")
    drop, badmail = world.home() / "Drop", world.home() / "Badmail/new"
    (drop / "0001.eml").write_text("mine")
    (badmail / "0AF3.eml.reason").write_text("mine")
    old = old_machine(world)
    (old / "Drop/.hidden name\n.txt").write_text(DROPPED)
    import_mail(world, old, "--home", world.home())
    assert (drop / "0001.eml").read_text() == "mine"
    assert (badmail / "0AF3.eml.reason").read_text() == "mine"
    assert names(drop) == ["0001-1.eml", "0001.eml", "_.hidden_name_.txt.eml"]
    assert names(badmail) == ["0AF3-1.eml", "0AF3-1.eml.reason", "0AF3.eml.reason"]


def scenario_a_disk_that_refuses_stops_it_and_the_next_run_goes_on(world):
    start(world)
    old = old_machine(world)
    (old / "Drop/large.eml").write_text(DROPPED + "x" * 100_000)
    before = digest(old)

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    done = import_mail(world, old, code=1, preexec_fn=small_files_only, restore_signals=False)
    assert "too large" in done.stderr and "goes on" in done.stderr, done
    assert names(world.home() / "Drop/new") in ([], ["0001.eml"])
    import_mail(world, old)
    assert names(world.home() / "Drop/new") == ["0001.eml", "large.eml"]
    assert digest(old) == before


def scenario_a_file_beyond_the_limit_is_told_before_any_of_it_is_copied(world):
    start(world)
    old = old_machine(world)
    (old / "Drop/huge.eml").touch()
    os.truncate(old / "Drop/huge.eml", 5 << 30)

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    done = import_mail(world, old, code=1, preexec_fn=small_files_only, restore_signals=False)
    assert "Drop/huge.eml: left alone: huge.eml: is larger than 4 GiB" in done.stdout, done.stdout
    assert names(world.home() / "Drop/new") == ["0001.eml"]


def scenario_wrong_places_are_refused(world):
    start(world)
    old = old_machine(world)
    empty = world.directory / "empty"
    empty.mkdir()
    for arguments, words in [([world.directory / "nowhere"], "No such file"),
                             ([empty], "holds none of Pickup"),
                             ([old, "--server", "zebra"], "no virtual server zebra"),
                             ([old, "--home", empty / "missing"], "start the virtual server once"),
                             ([world.home()], "home directory itself"),
                             ([world.home() / "Drop"], "home directory itself")]:
        done = import_mail(world, *arguments, code=1)
        assert words in done.stderr, (words, done)
    assert not (empty / "missing").exists()


def scenario_one_folder_alone_and_json(world):
    start(world)
    old = old_machine(world)
    done = import_mail(world, "--json", old / "Drop")
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert documents[0] == {"folder": "Drop", "file": "0001.eml", "state": "taken",
                            "to": "Drop/new/0001.eml"}, documents
    assert documents[-1]["folders"]["Drop"]["taken"] == 1, documents
    assert pathlib.Path(documents[-1]["source"]) == old / "Drop"
