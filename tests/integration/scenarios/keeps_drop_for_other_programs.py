"""Drop: files that programs for maildirs, and programs that knew IIS, can read and take away."""

import os
import shutil
import smtplib
import stat
import subprocess

from waiting import until
from world import Skipped

MUTT = """\
set confirmcreate=no
set confirmappend=no
set quit=yes
set copy=no
set mbox_type=mbox
set sleep_time=0
push "<tag-pattern>~A<enter><tag-prefix><copy-message>{copies}<enter><quit>"
"""
DOVECOT = """\
base_dir = {directory}/run
mail_location = maildir:{drop}:INDEX=MEMORY:CONTROL={directory}/control
first_valid_uid = 0
first_valid_gid = 0
log_path = {directory}/dovecot.log
protocols =
ssl = no
namespace inbox {{
  inbox = yes
}}
"""
READER = 60005


def start(world, text=""):
    world.write_server(text=text)
    world.start()
    return world.home() / "Drop"


def send_local(world, number=1, body="to a local domain"):
    world.send(f"user{number}@local.example", subject=f"number-{number}", body=body)


def wait_for_files(world, count):
    until(lambda: len(world.mail_files("Drop")) >= count, f"{count} files in Drop")
    return world.mail_files("Drop")


def scenario_a_file_begins_with_the_lines_iis_wrote(world):
    drop = start(world, "domains: [{ name: alias.example, type: alias }]\n")
    world.send(["bob@local.example", "carol@alias.example"], subject="lines")
    [path] = wait_for_files(world, 1)
    assert path.parent == drop / "new" and path.suffix == ".eml", path
    content = path.read_bytes()
    lines = content.decode().split("\r\n")
    assert lines[:4] == ["x-sender: ann@sender.example", "x-receiver: bob@local.example",
                         "x-receiver: carol@local.example",
                         "Return-Path: <ann@sender.example>"], lines
    assert lines[4].startswith("Received: from client.example"), lines
    assert content.endswith(b"\r\n\r\nHello.\r\n") and b"\n" not in content.replace(b"\r\n", b"")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def scenario_a_report_has_an_empty_sender(world):
    start(world)
    world.send("bob@local.example", sender="")
    [path] = wait_for_files(world, 1)
    assert path.read_text().splitlines()[0] == "x-sender: <>"


def scenario_flat_files_lie_in_drop_itself_and_the_layout_changes_at_reload(world):
    drop = start(world, "drop: { layout: flat }\n")
    send_local(world)
    [path] = wait_for_files(world, 1)
    assert path.parent == drop and path.suffix == ".eml", path
    world.write_server(text="drop: { layout: maildir }\n")
    world.reload()
    send_local(world, 2)
    wait_for_files(world, 2)
    assert len(list((drop / "new").iterdir())) == 1
    assert not list((drop / "tmp").iterdir())


def scenario_a_group_of_readers_can_be_let_in(world):
    if os.geteuid() != 0:
        raise Skipped("needs root, to be several users")
    drop = start(world)
    os.chmod(world.directory, 0o711)
    os.chmod(world.directory / "homes", 0o711)
    for part in (drop, drop / "tmp", drop / "new", drop / "cur"):
        assert stat.S_IMODE(part.stat().st_mode) == 0o2770, part
        shutil.chown(part, group=READER)
    send_local(world)
    [path] = wait_for_files(world, 1)
    script = f'cat "{path}" && mv "{path}" "{drop}/cur/{path.name}:2,S" && rm "{drop}/cur/"*'
    done = subprocess.run(["setpriv", "--reuid=60006", "--regid=60006", f"--groups={READER}", "--",
                           "sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and "Subject: number-1" in done.stdout, done
    done = subprocess.run(["setpriv", "--reuid=60006", "--regid=60006", "--clear-groups", "--",
                           "ls", drop], capture_output=True, text=True)
    assert done.returncode != 0, done


def scenario_mutt_reads_drop(world):
    if not shutil.which("mutt") or not shutil.which("script"):
        raise Skipped("mutt is not installed")
    drop = start(world)
    for number in (1, 2, 3):
        send_local(world, number)
    wait_for_files(world, 3)
    copies, settings = world.directory / "copies", world.directory / "muttrc"
    settings.write_text(MUTT.format(copies=copies))

    def is_read():
        """Mutt looks again at a mailbox that changed in the last second, and forgets its tags."""
        copies.unlink(missing_ok=True)
        subprocess.run(["script", "-qec", f"mutt -n -F {settings} -f {drop}", "/dev/null"],
                       env={**os.environ, "HOME": str(world.directory), "TERM": "xterm"},
                       stdout=subprocess.DEVNULL, timeout=60, check=True)
        text = copies.read_text()
        return all(f"Subject: number-{number}" in text and f"x-receiver: user{number}@" in text
                   for number in (1, 2, 3))
    until(is_read, "mutt has read all")


def scenario_dovecot_reads_drop_and_moves_its_files(world):
    if not shutil.which("doveadm") or os.geteuid() != 0:
        raise Skipped("dovecot is not installed, or this is not root")
    drop = start(world)
    os.chmod(world.directory, 0o711)
    os.chmod(world.directory / "homes", 0o711)
    for part in (drop, drop / "tmp", drop / "new", drop / "cur"):
        shutil.chown(part, group=READER)
    for number in (1, 2, 3):
        send_local(world, number)
    wait_for_files(world, 3)
    mine = world.directory / "dovecot"
    mine.mkdir()
    (mine / "conf").write_text(DOVECOT.format(directory=mine, drop=drop))
    os.chown(mine, READER, READER)
    command = ["setpriv", f"--reuid={READER}", f"--regid={READER}", "--clear-groups", "--", "env",
               f"HOME={mine}", "USER=reader", "doveadm", "-c", str(mine / "conf"), "-f", "flow"]

    def is_read():
        """Dovecot comes back to a directory that changed within the last second."""
        fetched = subprocess.run([*command, "fetch", "hdr.subject hdr.x-receiver text", "mailbox",
                                  "INBOX", "all"], capture_output=True, text=True, timeout=60)
        assert fetched.returncode == 0, fetched
        return all(f"hdr.subject=number-{number} hdr.x-receiver=user{number}@local.example"
                   in fetched.stdout for number in (1, 2, 3))
    until(is_read, "dovecot has read all")

    def is_marked():
        subprocess.run([*command, "flags", "add", "\\Seen", "mailbox", "INBOX", "all"], check=True,
                       timeout=60)
        return len(list(drop.rglob("*:2,S"))) == 3
    until(is_marked, "dovecot has marked all")

    def is_empty():
        subprocess.run([*command, "expunge", "mailbox", "INBOX", "all"], check=True, timeout=60)
        return not world.mail_files("Drop")
    until(is_empty, "dovecot has removed all")


def fill(world, body, most=100):
    """Sends until Drop is full; the reply."""
    for number in range(most):
        try:
            send_local(world, number, body)
        except smtplib.SMTPRecipientsRefused as refused:
            [(code, text)] = refused.recipients.values()
            return code, text.decode()
        wait_for_files(world, number + 1)
    raise AssertionError(f"{most} messages and no end")


def scenario_a_full_drop_is_452_at_rcpt_until_something_is_taken_away(world):
    """The quota is ten times the size limit."""
    drop = start(world, "messages: { size_limit: 10 KiB }\n")
    code, text = fill(world, "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 120)
    assert code == 452 and text.startswith("4.2.2 "), (code, text)
    used = sum(path.stat().st_size for path in world.mail_files("Drop"))
    assert 100 * 1024 <= used < 110 * 1024, used
    # Others are not touched, and relay mail goes on being judged by its own rules.
    with world.client() as client:
        client.ehlo()
        client.mail("ann@sender.example")
        assert client.rcpt("user@local.example")[0] == 452
        assert client.rcpt("user@example.org")[0] == 250
    for path in (drop / "new").iterdir():
        path.unlink()

    def is_taken_again():
        try:
            send_local(world, 200)
            return True
        except smtplib.SMTPRecipientsRefused:
            return False
    until(is_taken_again, "mail is taken again")
    wait_for_files(world, 1)


def scenario_mail_that_finds_drop_full_later_waits(world):
    """As a file in Pickup does, which is not asked at RCPT."""
    drop = start(world, "drop: { quota: 20 KiB }\n")
    (drop / "new" / "somebody's").write_text("x" * 30_000)
    world.stop()
    world.start()

    def is_full():
        with world.client() as client:
            client.ehlo()
            client.mail("ann@sender.example")
            return client.rcpt("bob@local.example")[0] == 452
    until(is_full, "Drop is known to be full")
    (world.home() / "Pickup" / "letter.eml").write_text(
        "X-Sender: ann@local.example\nX-Receiver: bob@local.example\nSubject: later\n\nx\n")
    [event] = world.wait_for_event("deferred", to="<bob@local.example>")
    assert event["enhanced"] == "4.2.2", event
    (drop / "new" / "somebody's").unlink()

    def is_dropped():
        world.ctl("queue", "retry", "all")
        return world.mail_files("Drop")
    [path] = until(is_dropped, "the message is in Drop")
    assert "Subject: later" in path.read_text()
    world.wait_for_empty_queue()
