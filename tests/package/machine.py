"""A Debian of its own, booted by a real systemd: systemd-nspawn over a tree made by debootstrap.

The tree is made once and kept in the build directory; every machine is a copy of it. A machine has
no network but its loopback, so what a package needs is put into the tree before.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

WAIT_SECONDS = int(os.environ.get("MAILROOT_TEST_WAIT_SECONDS", "60"))
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
INCLUDED = "systemd,systemd-sysv,dbus,python3,apt-utils,procps,iproute2"
SENDERS = ["cron", "s-nail"]  # programs that call sendmail


class Skipped(Exception):
    """It cannot be played here; the text says why."""


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          **options)


def must(*command, **options):
    done = run(*command, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def mirror():
    """Where this machine's apt gets its own release from."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$',
                              pathlib.Path("/etc/os-release").read_text(), re.MULTILINE))
    codename = release.get("VERSION_CODENAME", "")
    lines = must("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                 "Created-By: Packages").splitlines()
    for line in lines:
        uri, suite, component = line.split()
        if (suite, component) == (codename, "main"):
            return uri, codename
    raise Skipped(f"apt knows no mirror of Debian {codename}")


def needed_by(deb):
    """The first choice of each package that this one depends on."""
    depends = must("dpkg-deb", "--field", deb, "Depends")
    return [re.split(r"[ (|:]", part.strip())[0] for part in depends.split(",") if part.strip()]


def tree_with(packages, cache):
    """A tree with systemd and these packages; made at the first call, then only added to."""
    if os.geteuid() != 0:
        raise Skipped("needs root")
    for program in ("debootstrap", "systemd-nspawn", "nsenter"):
        if shutil.which(program) is None:
            raise Skipped(f"needs {program}")
    uri, codename = mirror()
    tree = cache / f"tree-{codename}"
    if not (tree / ".made").exists():
        shutil.rmtree(tree, ignore_errors=True)
        tree.parent.mkdir(parents=True, exist_ok=True)
        done = run("debootstrap", "--variant=minbase", f"--include={INCLUDED}", codename, tree, uri)
        if done.returncode != 0:
            raise Skipped("debootstrap: " + done.stdout[-300:] + done.stderr[-300:])
        (tree / ".made").touch()
    chroot = ["chroot", tree, "env", "-i", *[f"{k}={v}" for k, v in ENVIRONMENT.items()]]
    # A package that another one names is known, though not installed.
    wanted = [name for name in packages
              if run(*chroot, "dpkg-query", "--show", "--showformat=${db:Status-Abbrev}",
                     name).stdout.strip() != "ii"]
    if wanted:
        must(*chroot, "apt-get", "update", "-qq")
        must(*chroot, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted)
    return tree


class Machine:
    def __init__(self, tree, hostname="relay", hosts="127.0.1.1 relay.here.example relay\n"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mailroot-machine."))
        self.root = self.directory / "root"
        must("cp", "-a", "--reflink=auto", tree, self.root)
        (self.root / "etc/hostname").write_text(hostname + "\n")
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n" + hosts)
        self.output = self.directory / "console.txt"
        self.nspawn = None
        self.leader = None

    def boot(self):
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network",
             "--console=pipe", "--resolv-conf=off", "--timezone=off", f"--directory={self.root}",
             "--boot"],
            stdin=subprocess.DEVNULL, stdout=open(self.output, "ab"), stderr=subprocess.STDOUT)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.nspawn.poll() is None:
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
            pids = children.read_text().split()
            if pids:
                self.leader = pids[-1]
                state = self.try_("systemctl", "is-system-running").stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.2)
        raise Skipped("systemd does not boot here: " + self.console()[-500:])

    def console(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def close(self, keep=False):
        if self.nspawn is not None and self.nspawn.poll() is None:
            # SIGTERM is passed on as an orderly power-off.
            self.nspawn.terminate()
            try:
                self.nspawn.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        if keep:
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    # Inside --------------------------------------------------------------------------------------

    def command(self, *words):
        return ["nsenter", "--target", str(self.leader), "--all", "--wdns=/", "env", "-i",
                *[f"{name}={value}" for name, value in ENVIRONMENT.items()],
                *[str(word) for word in words]]

    def try_(self, *words, **options):
        return run(*self.command(*words), timeout=240, **options)

    def do(self, *words, **options):
        done = self.try_(*words, **options)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def background(self, *words):
        return subprocess.Popen(self.command(*words), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def python(self, text):
        return self.do("python3", "-c", text)

    def path(self, name):
        return self.root / str(name).lstrip("/")

    def answer(self, *answers):
        """For debconf: (question, type, value)..."""
        lines = [f"mailroot mailroot/{name} {kind} {value}\n" for name, kind, value in answers]
        self.do("debconf-set-selections", input="".join(lines))

    def install(self, *debs):
        return self.do("apt-get", "install", "-y", "--allow-downgrades",
                       *[self.bring(deb) for deb in debs])

    def bring(self, deb):
        shutil.copy(deb, self.path("/srv") / deb.name)
        return f"/srv/{deb.name}"

    def at_a_terminal(self, command, typed):
        """What is shown while somebody types these lines at debconf's questions."""
        return self.do("script", "--quiet", "--return", "--command",
                       f"env DEBIAN_FRONTEND=teletype TERM=dumb {command}", "/dev/null",
                       input="".join(line + "\n" for line in typed))

    # The service ---------------------------------------------------------------------------------

    def unit(self, *properties):
        shown = self.do("systemctl", "show", "mailroot.service", "--property",
                        ",".join(properties))
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def is_active(self):
        return self.unit("ActiveState")["ActiveState"] == "active"

    def journal(self):
        return self.do("journalctl", "--unit=mailroot", "--output=cat", "--no-pager")

    def ctl_json(self, *words):
        return [json.loads(line) for line in
                self.do("mailrootctl", "--json", *words).splitlines()]

    def send(self, recipient, port=25):
        self.python(f"""
import smtplib
with smtplib.SMTP("127.0.0.1", {port}, local_hostname="client.example", timeout=30) as smtp:
    smtp.sendmail("ann@here.example", ["{recipient}"], b"Subject: x\\r\\n\\r\\nHello.\\r\\n")
""")

    def banner(self, port=25):
        return self.python(f"""
import socket
with socket.create_connection(("127.0.0.1", {port}), timeout=30) as connection:
    print(connection.recv(1000).decode().strip())
""").strip()

    def mail_in(self, folder, home="/var/spool/mailroot/default"):
        top = self.path(home) / folder
        return sorted(p for p in top.rglob("*") if p.is_file() and p.parent.name != "tmp")


def until(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.2)
