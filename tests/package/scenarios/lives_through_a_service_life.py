"""From apt install to purge on one machine; mail is looked for at each step."""

import gzip
import hashlib

from machine import until

SERVER_FILE = "/etc/mailroot/virtual-servers.d/default.yaml"
SINK_PORT = 2600


def answered(stage, **options):
    machine = stage.machine(**options)
    machine.answer(("domain", "string", "here.example"),
                   ("relay_networks", "string", "10.0.0.0/8, 2001:db8::/32"),
                   ("smart_host", "string", f"[127.0.0.1]:{SINK_PORT}"))
    return machine


def queued(machine):
    return machine.ctl_json("queue", "list")


def digest(machine, name):
    return hashlib.sha256(machine.path(name).read_bytes()).hexdigest()


def check_installed(machine):
    assert machine.is_active(), machine.journal()
    shown = machine.unit("StatusText", "Type", "UnitFileState", "User")
    assert shown["StatusText"].startswith("1 of 1 virtual servers listening"), shown
    assert (shown["Type"], shown["UnitFileState"], shown["User"]) == ("notify", "enabled",
                                                                      "mailroot"), shown
    for group in ("mailroot", "mailroot-pickup", "mailroot-view", "mailroot-admin"):
        machine.do("getent", "group", group)
    assert "mailroot-pickup" in machine.do("id", "--name", "--groups", "mailroot")
    modes = machine.do("stat", "--format=%n %a %U %G", "/var/spool/mailroot",
                       "/var/spool/mailroot/default", "/var/spool/mailroot/default/Pickup",
                       "/run/mailroot", "/var/log/mailroot", "/etc/mailroot").splitlines()
    assert modes == ["/var/spool/mailroot 711 mailroot mailroot",
                     "/var/spool/mailroot/default 711 mailroot mailroot",
                     "/var/spool/mailroot/default/Pickup 3770 mailroot mailroot-pickup",
                     "/run/mailroot 755 mailroot mailroot",
                     "/var/log/mailroot 750 mailroot mailroot",
                     "/etc/mailroot 755 root root"], modes
    text = machine.path(SERVER_FILE).read_text()
    for wanted in ("default_domain: here.example", "10.0.0.0/8", "2001:db8::/32",
                   f"[127.0.0.1]:{SINK_PORT}", "# Largest message; told to clients by SIZE."):
        assert wanted in text, f"{wanted} is not in {SERVER_FILE}:\n{text}"
    # Nothing was sent, nothing waits.
    assert not queued(machine)
    [status] = machine.ctl_json("status")
    assert status["io"].startswith("io_uring"), status


def check_manuals(machine):
    """Every program has its page, and every declared key its paragraph."""
    for page in ("man8/mailrootd.8", "man1/mailrootctl.1", "man1/mailroot-source.1",
                 "man1/mailroot-sink.1", "man1/mailroot-raw-disk.1"):
        assert machine.path(f"/usr/share/man/{page}.gz").exists(), page
    keys = machine.ctl_json("server", "keys")
    page = machine.path("/usr/share/man/man5/mailroot-server.yaml.5.gz").read_bytes()
    text = gzip.decompress(page).decode()
    assert len(keys) > 50 and text.count("\n.TP\n") == len(keys), (len(keys), text.count(".TP"))


def check_sandbox(machine):
    """It holds one right, cannot write where it has nothing to write, and still has io_uring."""
    pid = machine.unit("MainPID")["MainPID"]
    status = machine.do("cat", f"/proc/{pid}/status")
    rights = {line.split()[0]: line.split()[1] for line in status.splitlines()
              if line.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))}
    assert rights == {"CapEff:": "0000000000000400", "CapBnd:": "0000000000000400",
                      "NoNewPrivs:": "1", "Seccomp:": "2"}, rights
    exposure = machine.do("systemd-analyze", "security", "--no-pager", "mailroot.service")
    assert float(exposure.split("Overall exposure level for mailroot.service:")[1].split()[0]) <= 2


def check_reload(machine):
    file = machine.path(SERVER_FILE)
    good = file.read_text()
    file.write_text(good.replace('banner: ""', 'banner: "edited"'))
    machine.do("systemctl", "reload", "mailroot")
    until(lambda: "edited" in machine.banner(), "the new banner")

    file.write_text(file.read_text().replace('banner: "edited"', 'banner: "wrong"\nno_such: 1'))
    machine.try_("systemctl", "reload", "mailroot")
    until(lambda: "reload refused" in machine.unit("StatusText")["StatusText"], "the refusal")
    assert "no_such" in machine.unit("StatusText")["StatusText"]
    assert "no_such" in machine.journal()
    assert "edited" in machine.banner()
    assert machine.is_active()

    file.write_text(good.replace('banner: ""', 'banner: "mended"'))
    machine.do("systemctl", "reload", "mailroot")
    until(lambda: "mended" in machine.banner(), "the mended banner")
    assert "refused" not in machine.unit("StatusText")["StatusText"]


def check_killed(machine):
    before = machine.unit("MainPID")["MainPID"]
    machine.do("kill", "-KILL", before)
    until(lambda: machine.is_active() and machine.unit("MainPID")["MainPID"] != before,
          "systemd starts it again")
    assert machine.unit("NRestarts")["NRestarts"] == "1"


def check_stuck(machine):
    """A daemon that does not feed its watchdog is ended and started again."""
    machine.do("sh", "-c", "mkdir -p /run/systemd/system/mailroot.service.d && printf '%s\\n' "
               "'[Service]' WatchdogSec=2 TimeoutAbortSec=1 > "
               "/run/systemd/system/mailroot.service.d/short.conf")
    machine.do("systemctl", "daemon-reload")
    machine.do("systemctl", "restart", "mailroot")
    before = machine.unit("MainPID")["MainPID"]
    machine.do("kill", "-STOP", before)
    until(lambda: machine.is_active() and machine.unit("MainPID")["MainPID"] != before,
          "the watchdog ends it, systemd starts it again")
    assert "watchdog" in machine.do("journalctl", "--unit=mailroot", "--no-pager").lower()
    machine.do("rm", "-r", "/run/systemd/system/mailroot.service.d")
    machine.do("systemctl", "daemon-reload")
    machine.do("systemctl", "restart", "mailroot")


def check_upgrade(stage, machine):
    mine = digest(machine, SERVER_FILE)
    service_file = machine.path("/etc/mailroot/mailroot.yaml")
    service_file.write_text(service_file.read_text() + "\n# mine\n")
    deb, version = stage.packages.newer()
    before = machine.unit("MainPID")["MainPID"]
    machine.install(deb)
    assert machine.do("dpkg-query", "--show", "--showformat=${Version}", "mailroot") == version
    assert machine.is_active() and machine.unit("MainPID")["MainPID"] != before
    assert digest(machine, SERVER_FILE) == mine
    assert service_file.read_text().endswith("\n# mine\n")


def check_deleted_stays_deleted(stage, machine):
    """An administrator who has no default server does not get one by an upgrade."""
    file = machine.path(SERVER_FILE)
    aside = machine.path("/root/default.yaml")
    file.rename(aside)
    machine.install(stage.packages.mailroot)
    assert not file.exists()
    aside.rename(file)
    machine.do("systemctl", "reload-or-restart", "mailroot")
    until(lambda: "mended" in machine.banner(), "the default server again")


def check_delivery(machine):
    sink = machine.background("mailroot-sink", "--listen", f"127.0.0.1:{SINK_PORT}", "--capture",
                              "/root/captured")
    try:
        machine.do("mailrootctl", "queue", "retry", "all")
        until(lambda: not queued(machine), "the queue is empty")
        captured = list(machine.path("/root/captured").rglob("*.eml"))
        assert len(captured) == 1, captured
    finally:
        sink.kill()
        sink.wait()


def check_removed(stage, machine, mail):
    machine.do("apt-get", "remove", "-y", "mailroot")
    assert not machine.path("/usr/sbin/mailrootd").exists()
    assert machine.try_("pgrep", "mailrootd").returncode != 0
    mine = digest(machine, SERVER_FILE)
    assert len(machine.mail_in("Drop")) == mail
    machine.install(stage.packages.mailroot)
    assert digest(machine, SERVER_FILE) == mine
    assert machine.is_active()
    assert len(machine.mail_in("Drop")) == mail


def check_purged(stage, machine, mail):
    said = machine.do("apt-get", "purge", "-y", "mailroot")
    assert "was kept" in said, said
    assert len(machine.mail_in("Drop")) == mail
    assert not machine.path("/etc/mailroot").exists()
    assert not machine.path("/var/log/mailroot").exists()
    # Again there, the mail of before is found again.
    machine.install(stage.packages.mailroot)
    assert machine.is_active()
    assert len(machine.mail_in("Drop")) == mail
    # Whoever says so loses it.
    machine.answer(("purge_mail", "boolean", "true"))
    machine.do("apt-get", "purge", "-y", "mailroot")
    assert not machine.path("/var/spool/mailroot").exists()


def scenario_install_edit_break_kill_upgrade_remove_purge(stage):
    machine = answered(stage)
    machine.install(stage.packages.mailroot, stage.packages.bench)
    check_installed(machine)
    check_sandbox(machine)
    check_manuals(machine)
    machine.send("bob@here.example")
    until(lambda: len(machine.mail_in("Drop")) == 1, "local mail in Drop")
    machine.send("carol@example.org")
    until(lambda: len(queued(machine)) == 1, "foreign mail waits for its smart host")

    def mail_is_there():
        assert len(machine.mail_in("Drop")) == 1, machine.mail_in("Drop")
        assert len(queued(machine)) == 1, queued(machine)

    check_reload(machine)
    mail_is_there()
    machine.do("systemctl", "restart", "mailroot")
    mail_is_there()
    check_killed(machine)
    mail_is_there()
    check_stuck(machine)
    mail_is_there()
    check_upgrade(stage, machine)
    mail_is_there()
    check_deleted_stays_deleted(stage, machine)
    mail_is_there()
    check_delivery(machine)
    check_removed(stage, machine, 1)
    check_purged(stage, machine, 1)
