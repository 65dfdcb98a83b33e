"""Postfix from Debian's packages, unpacked into a directory of its own.

Nothing of the system's mail service is read or written: programs, libraries, configuration, queue
and data lie below one cache and one run directory; two system users are made if they are missing,
because Postfix insists on them.

The configuration is Postfix's default but for what a private instance needs, and for three things
that would slow it down here: no throttle of the inflow (in_flow_delay), no chroot, and as many
processes as connections. Its durability is the default.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import grp

from . import tools

OWNER = "mailroot-bench"
DROP_GROUP = "mailroot-bdrop"
# Libraries that may be missing on a fresh system, by package.
LIBRARIES = ["libicu72", "libdb5.3", "libsasl2-2", "libnsl2", "libtirpc3"]

MASTER = """\
{port}    inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {config}
mail_owner = {owner}
setgid_group = {group}
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH
syslog_name = mailroot-bench-postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.bench.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_tls_security_level = none
smtp_tls_security_level = none
message_size_limit = 0
mailbox_size_limit = 0
default_process_limit = {processes}
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
relayhost = [127.0.0.1]:{next_hop}
"""


class Unavailable(Exception):
    """Postfix cannot be run here; the text says why."""


def fetch(cache):
    """The directory with the unpacked package, downloaded at first use."""
    if os.geteuid() != 0:
        raise Unavailable("Postfix's master starts only as root")
    root = cache / "postfix"
    if (root / "usr/lib/postfix/sbin/master").exists():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    debs = cache / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir()
    part = cache / "postfix.part"
    shutil.rmtree(part, ignore_errors=True)
    download(["postfix"], debs, part)
    if missing_libraries(part):
        download(LIBRARIES, debs, part)
    missing = missing_libraries(part)
    if missing:
        raise Unavailable("Postfix's libraries are not here: " + ", ".join(missing))
    part.rename(root)
    return root


def download(packages, debs, into):
    done = subprocess.run(["apt-get", "download", *packages], cwd=debs, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise Unavailable("apt-get download failed: " + done.stderr.strip().splitlines()[-1])
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, into], check=True)
        deb.unlink()


def library_path(root):
    return f"{root}/usr/lib/postfix:{root}/usr/lib/{os.uname().machine}-linux-gnu"


def missing_libraries(root):
    missing = set()
    for program in ("master", "smtpd", "cleanup", "smtp"):
        done = subprocess.run(["ldd", f"{root}/usr/lib/postfix/sbin/{program}"],
                              env=os.environ | {"LD_LIBRARY_PATH": library_path(root)},
                              capture_output=True, text=True)
        missing |= {line.split()[0] for line in done.stdout.splitlines() if "not found" in line}
    return sorted(missing)


def make_users():
    for name in (OWNER, DROP_GROUP):
        try:
            grp.getgrnam(name)
        except KeyError:
            subprocess.run(["groupadd", "--system", name], check=True)
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--gid", OWNER, "--home-dir",
                        "/nonexistent", "--shell", "/usr/sbin/nologin", OWNER], check=True)


class Postfix:
    name = "postfix"

    def __init__(self, cache):
        self.root = fetch(cache)
        make_users()
        self.process = None
        self.pid = 0

    def version(self):
        done = subprocess.run([f"{self.root}/usr/sbin/postconf", "-dh", "mail_version"],
                              env=os.environ | {"LD_LIBRARY_PATH": library_path(self.root)},
                              capture_output=True, text=True)
        return "Postfix " + done.stdout.strip()

    def start(self, directory, next_hop, connections, deliver):
        """Starts in the new `directory`; answers the port. `deliver` False keeps every message
        in the queue (defer_transports); True relays to `next_hop` on loopback."""
        directory = pathlib.Path(directory)
        port = tools.free_port()
        config, queue, data = (directory / name for name in ("config", "queue", "data"))
        for path in (config, queue, data):
            path.mkdir(parents=True)
        self.make_queue(queue, data)
        main = MAIN.format(queue=queue, data=data, config=config, root=self.root, owner=OWNER,
                           group=DROP_GROUP, next_hop=next_hop,
                           processes=max(100, connections + 20))
        if not deliver:
            main += "defer_transports = smtp relay\n"
        (config / "main.cf").write_text(main)
        (config / "master.cf").write_text(MASTER.format(port=f"127.0.0.1:{port}"))
        self.process = subprocess.Popen(
            [f"{self.root}/usr/lib/postfix/sbin/master", "-c", config, "-d"],
            env={"PATH": os.environ["PATH"], "MAIL_CONFIG": str(config),
                 "LD_LIBRARY_PATH": library_path(self.root)},
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        tools.wait_for_greeting(port, self.process)
        return port

    @staticmethod
    def make_queue(queue, data):
        owner, drop = pwd.getpwnam(OWNER).pw_uid, grp.getgrnam(DROP_GROUP).gr_gid
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                     "incoming", "private", "saved", "trace"):
            (queue / name).mkdir(mode=0o700)
            os.chown(queue / name, owner, 0)
        (queue / "pid").mkdir(mode=0o755)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            (queue / name).mkdir()
            os.chown(queue / name, owner, drop)
            (queue / name).chmod(mode)
        os.chown(data, owner, 0)

    def stop(self):
        if self.process is None:
            return
        # The session was made for this master: the group holds it and its children only.
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
