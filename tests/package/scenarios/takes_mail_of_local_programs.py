"""mailroot-mta: sendmail, cron and a mail program of users without rights, under a real systemd."""

import re

from machine import must, until

SINK_PORT = 2600
MAILNAME = "mail.here.example"
PICKUP = "/var/spool/mailroot/default/Pickup"


class Site:
    """A machine with the package, the user ann, and a next hop that keeps what it gets."""

    def __init__(self, stage):
        self.machine = stage.machine()
        self.machine.answer(("domain", "string", "here.example"),
                            ("relay_networks", "string", ""),
                            ("smart_host", "string", f"[127.0.0.1]:{SINK_PORT}"))
        self.machine.path("/etc/mailname").write_text(MAILNAME + "\n")
        self.machine.install(stage.packages.mailroot, stage.packages.bench, stage.packages.mta)
        self.machine.do("useradd", "--create-home", "ann")
        self.machine.path("/etc/aliases").write_text("root: person@far.example\n")
        self.open()

    def open(self):
        self.sink = self.machine.background("mailroot-sink", "--listen", f"127.0.0.1:{SINK_PORT}",
                                            "--capture", "/root/captured")
        until(lambda: f"127.0.0.1:{SINK_PORT}" in self.machine.do("ss", "-Hltn"), "it listens")

    def as_ann(self, *words, **options):
        return self.machine.try_("runuser", "-u", "ann", "--", *words, **options)

    def got(self, text):
        """The one message at the next hop with this in it."""
        def found():
            return [mail for mail in (file.read_bytes().decode() for file in
                                      self.machine.path("/root/captured").rglob("*.eml"))
                    if text in mail]
        until(found, f"{text} at the next hop: {self.log()}")
        [mail] = found()
        return mail

    def log(self):
        return self.machine.do("sh", "-c", "journalctl --output=cat --no-pager "
                               "--unit='mailroot-submit*'; ls -lR " + PICKUP)

    def close(self):
        self.machine.try_("pkill", "-TERM", "-x", "mailroot-sink")
        self.sink.wait(timeout=60)


def check_units(machine):
    """systemd listens, everybody may connect, and what it starts has no right at all."""
    assert machine.do("systemctl", "is-enabled", "mailroot-submit.socket").strip() == "enabled"
    assert machine.do("systemctl", "is-active", "mailroot-submit.socket").strip() == "active"
    assert machine.do("stat", "--format=%a", "/run/mailroot-submit/socket").strip() == "666"
    assert "mailroot-pickup" in machine.do("id", "--name", "--groups", "mailroot-submit")
    exposure = machine.do("systemd-analyze", "security", "--no-pager", "mailroot-submit@x.service")
    level = exposure.split("Overall exposure level for mailroot-submit@x.service:")[1].split()[0]
    assert float(level) <= 2, exposure
    shown = machine.do("systemctl", "show", "mailroot-submit.slice", "--property=MemoryMax")
    assert shown.strip() == f"MemoryMax={1 << 30}", shown
    for name in ("/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"):
        assert machine.do("readlink", "-f", name).strip() == "/usr/sbin/sendmail", name
    modes = machine.do("stat", "--format=%a %U %G", "/usr/sbin/sendmail",
                       "/usr/libexec/mailroot/mailroot-submit").split("\n")[:2]
    assert modes == ["755 root root"] * 2, modes


def check_sendmail(site):
    done = site.as_ann("sendmail", "root", input="Subject: by ann\n\nto root\n")
    assert done.returncode == 0, done.stderr
    mail = site.got("Subject: by ann")
    uid = site.machine.do("id", "-u", "ann").strip()
    assert f"uid {uid}, user ann" in mail and f"From: <ann@{MAILNAME}>" in mail, mail
    done = site.machine.try_("/usr/lib/sendmail", "-t", "-i",
                             input="To: dave@far.example\nSubject: by root\n\nx\n")
    assert done.returncode == 0, done.stderr
    assert "uid 0, user root" in site.got("Subject: by root")


def check_mail_program(site):
    done = site.as_ann("s-nail", "-n", "-Ssendwait", "-s", "by a mail program", "root",
                       input="Hello.\n")
    assert done.returncode == 0, done.stderr
    assert f"ann@{MAILNAME}" in site.got("Subject: by a mail program")


def check_cron(site):
    machine = site.machine
    machine.do("systemctl", "stop", "cron")
    machine.do("crontab", "-u", "ann", "-", input="MAILTO=root\n@reboot echo said by a job\n")
    machine.do("rm", "-f", "/run/crond.reboot")
    machine.do("systemctl", "start", "cron")
    mail = site.got("said by a job")
    assert "Subject: Cron <ann@" in mail and "Cron Daemon" in mail, mail


def check_kept_while_it_is_down(site):
    machine = site.machine
    machine.do("systemctl", "stop", "mailroot")
    done = site.as_ann("sendmail", "root", input="Subject: while down\n\nx\n")
    assert done.returncode == 0, done.stderr
    assert len(machine.mail_in("Pickup")) == 1, site.log()
    machine.do("systemctl", "start", "mailroot")
    site.got("Subject: while down")
    until(lambda: not machine.mail_in("Pickup"), "Pickup is empty")


def check_rights(site):
    for place in (PICKUP, PICKUP + "/new", PICKUP + "/tmp"):
        done = site.as_ann("sh", "-c", f"echo x > {place}/mine")
        assert done.returncode != 0 and "Permission denied" in done.stderr, (place, done)
        assert site.as_ann("ls", place).returncode != 0, place
    done = site.as_ann("mailq")
    assert done.returncode == 77 and "mailrootctl" in done.stderr, done
    assert site.machine.try_("mailq").returncode == 0


def check_queue(site):
    """What waits is shown by -bp, and goes out by -q when the next hop is back."""
    site.close()
    done = site.as_ann("sendmail", "-i", "root", input="Subject: waits\n\nx\n")
    assert done.returncode == 0, done.stderr
    machine = site.machine
    until(lambda: [entry for entry in machine.ctl_json("queue", "list") if entry["attempts"] > 0],
          "it waits for its second attempt")
    [entry] = machine.ctl_json("queue", "list")
    assert entry["id"] in machine.do("sendmail", "-bp"), entry
    site.open()
    machine.do("sendmail", "-q")
    site.got("Subject: waits")
    assert site.as_ann("sendmail", "-q").returncode == 77


def check_many_at_once(site):
    """More than systemd lets in at once, and than its usual limit of a socket in two seconds."""
    done = site.as_ann("sh", "-c", "for i in $(seq 300); do (echo \"Subject: many-$i-\" | "
                       "sendmail root || echo $?) & done; wait")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    assert site.machine.do("systemctl", "is-active", "mailroot-submit.socket").strip() == "active"
    captured = site.machine.path("/root/captured")

    def arrived():
        return {number for file in captured.rglob("*.eml")
                for number in re.findall(r"^Subject: many-(\d+)-", file.read_text(), re.MULTILINE)}

    until(lambda: len(arrived()) == 300, "all of them at the next hop")


def check_smtp_on_standard_input(site):
    done = site.as_ann("sendmail", "-bs", input="HELO pine\r\nMAIL FROM:<ann>\r\nRCPT TO:<root>\r\n"
                       "DATA\r\nSubject: by -bs\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert done.returncode == 0 and f"220 {MAILNAME}" in done.stdout, done
    assert "user ann" in site.got("Subject: by -bs")


def check_newaliases(machine):
    aliases = machine.path("/etc/aliases")
    good = aliases.read_text()
    assert machine.do("newaliases") == ""
    aliases.write_text(good + "ops: bob@far.example,\n  |/bin/sh\n")
    done = machine.try_("newaliases")
    assert (done.returncode, done.stderr) == (
        65, "/etc/aliases:3:3: mail is not given to programs\n"), done
    aliases.write_text(good)


def check_removed(machine):
    """Without it the relay goes on; the socket is gone, the machine's aliases are not."""
    machine.do("apt-get", "purge", "-y", "mailroot-mta")
    assert not machine.path("/usr/sbin/sendmail").exists()
    assert not machine.path("/usr/lib/sendmail").is_symlink()
    assert not machine.path("/run/mailroot-submit/socket").exists()
    assert machine.try_("systemctl", "is-active", "mailroot-submit.socket").returncode != 0
    assert machine.path("/etc/aliases").exists()
    assert machine.is_active()


def other_mta(machine):
    """A package that is the machine's mail transport agent, as exim4 or postfix."""
    tree = machine.directory / "other-mta"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: other-mta\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.com>\n"
        "Provides: mail-transport-agent\nConflicts: mail-transport-agent\n"
        "Replaces: mail-transport-agent\nDescription: another one\n")
    (tree / "usr/sbin").mkdir(parents=True)
    (tree / "usr/sbin/sendmail").write_text("#!/bin/sh\nexit 1\n")
    deb = machine.directory / "other-mta_1_all.deb"
    must("dpkg-deb", "--root-owner-group", "--build", tree, deb)
    return deb


def check_takes_the_place_of_another(site, mta):
    machine = site.machine
    machine.install(other_mta(machine))
    machine.install(mta)
    assert "install ok" not in machine.try_("dpkg-query", "--status", "other-mta").stdout
    assert machine.path("/etc/aliases").read_text() == "root: person@far.example\n"
    done = site.as_ann("sendmail", "root", input="Subject: in place of another\n\nx\n")
    assert done.returncode == 0, done.stderr
    site.got("Subject: in place of another")


def scenario_programs_send_mail(stage):
    site = Site(stage)
    try:
        check_units(site.machine)
        check_sendmail(site)
        check_mail_program(site)
        check_cron(site)
        check_kept_while_it_is_down(site)
        check_queue(site)
        check_many_at_once(site)
        check_smtp_on_standard_input(site)
        check_rights(site)
        check_newaliases(site.machine)
        check_removed(site.machine)
        check_takes_the_place_of_another(site, stage.packages.mta)
    finally:
        site.close()
