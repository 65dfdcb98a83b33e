"""What a scenario needs: a real mailrootd in a directory of its own, real next hops, real clients.

Everything runs on loopback addresses of its own with ports the kernel gave; nothing outside the
directory is touched.
"""

import json
import os
import pathlib
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile

from next_hops import Sink
from raw_client import Raw
from waiting import WAIT_SECONDS, free_port, own_address, until


TORN_LINE_MAX = 1024 * 1024


class Skipped(Exception):
    """The scenario cannot be played here; the text says why."""


class World:
    def __init__(self, io, build):
        self.io = io
        self.build = pathlib.Path(build)
        self.tools = self.build / "bench"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mailroot-test."))
        self.processes = []
        self.sinks = []
        self.clean_ups = []
        self.daemon = None
        self.address = own_address()
        self.port = free_port()
        (self.directory / "virtual-servers.d").mkdir()
        self.write_service()

    # Configuration -------------------------------------------------------------------------------

    def write_service(self, extra="", *, log_format="json", io=None):
        (self.directory / "mailroot.yaml").write_text(
            "service:\n"
            f"  io: {io or self.io}\n"
            "  shards: 2\n"
            "  control_socket: control.sock\n"
            "  include: virtual-servers.d/*.yaml\n"
            f"log: {{ target: ./log.txt, format: {log_format} }}\n"
            "metrics: { listen: \"off\" }\n" + extra)

    def server_file(self, name="default"):
        return self.directory / "virtual-servers.d" / f"{name}.yaml"

    def write_server(self, name="default", text="", *, port=None, smart_host=None, relay=True,
                     home=None, delivery="", address=None, default_domain="local.example",
                     fqdn="mx.local.example", binding="", access=""):
        """A virtual server with what nearly every scenario wants; `text` is YAML added to it,
        `binding` and `access` are more keys of those flow maps."""
        more = f", {binding}" if binding else ""
        lines = [f"name: {name}",
                 f"bindings: [{{ address: \"{address or self.address}\","
                 f" port: {port or self.port}{more} }}]",
                 f"default_domain: {default_domain}",
                 f"fqdn: {fqdn}",
                 f"home_directory: {home or self.directory / 'homes' / name}"]
        allowed = "relay: { allow: [127.0.0.0/8, \"::1\"] }" if relay else ""
        inside = ", ".join(part for part in (allowed, access) if part)
        if inside:
            lines.append("access: { " + inside + " }")
        if smart_host or delivery:
            lines.append("delivery:")
        if smart_host:
            hosts = smart_host if isinstance(smart_host, list) else [smart_host]
            lines.append("  smart_host: [" + ", ".join(f"\"{host}\"" for host in hosts) + "]")
        lines += ["  " + line for line in delivery.splitlines()]
        self.server_file(name).write_text("\n".join(lines) + "\n" + text)

    def home(self, name="default"):
        return self.directory / "homes" / name

    def mail_files(self, folder, name="default"):
        """Files that are mail: what lies in tmp is not."""
        top = self.home(name) / folder
        return sorted(p for p in top.rglob("*") if p.is_file() and p.parent.name != "tmp")

    # The daemon ----------------------------------------------------------------------------------

    def command(self):
        command = [self.build / "src/mailrootd/mailrootd", "--config",
                   self.directory / "mailroot.yaml"]
        if os.geteuid() == 0:
            command.append("--allow-root")
        return command

    def start(self, wrapper=(), wait=True, pass_descriptors=()):
        self.log_from = self.log_size()
        with open(self.directory / "stderr.txt", "ab") as stderr:
            self.daemon = subprocess.Popen([*wrapper, *self.command()], stderr=stderr,
                                           pass_fds=pass_descriptors)
        self.processes.append(self.daemon)
        if wait:
            until(self.is_ready, "mailrootd is ready")
        return self.daemon

    def is_ready(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f"mailrootd ended with {self.daemon.returncode}: " + self.stderr())
        log = self.log(self.log_from)
        return '"event":"ready"' in log or " ready version" in log

    def stderr(self):
        path = self.directory / "stderr.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self, from_bytes=0):
        """Not the whole of it where that may be large."""
        path = self.directory / "log.txt"
        if not path.exists():
            return ""
        with path.open("rb") as log:
            log.seek(from_bytes)
            return log.read().decode(errors="replace")

    def log_size(self):
        path = self.directory / "log.txt"
        return path.stat().st_size if path.exists() else 0

    def events(self, name=None, **fields):
        """Log lines of this name with these values."""
        lines = self.log().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if name in (None, event["event"])
                and all(event.get(key) == value for key, value in fields.items())]

    def wait_for_event(self, name, count=1, **fields):
        until(lambda: len(self.events(name, **fields)) >= count, f"{name} {fields} in the log")
        return self.events(name, **fields)

    def reload(self):
        """SIGHUP; answers the log's line about it."""
        before = len(self.events("reload"))
        self.daemon.send_signal(signal.SIGHUP)
        until(lambda: len(self.events("reload")) > before, "the reload is in the log")
        return self.events("reload")[before]

    def stop(self):
        """An orderly stop; it has to succeed."""
        daemon, self.daemon = self.daemon, None
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(timeout=WAIT_SECONDS)
        assert code == 0, f"mailrootd ended with {code}: {self.stderr()}"

    def kill(self):
        daemon, self.daemon = self.daemon, None
        daemon.kill()
        daemon.wait()
        self.cut_torn_log_line()

    def cut_torn_log_line(self):
        path = self.directory / "log.txt"
        if not path.exists():
            return
        with path.open("rb+") as log:
            begin = max(0, self.log_size() - TORN_LINE_MAX)
            log.seek(begin)
            log.truncate(begin + log.read().rfind(b"\n") + 1)

    def memory_bytes(self, field="VmHWM"):
        """Highest (VmHWM) or present (VmRSS) memory of the daemon."""
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith(field + ":")]
        return int(line.split()[1]) * 1024

    def expect_memory_growth_below(self, limit_bytes, since_bytes):
        grown = self.memory_bytes() - since_bytes
        # Under a sanitizer freed memory is kept for a while and says nothing.
        assert grown < limit_bytes or self.is_sanitized(), f"memory grew by {grown} bytes"

    def is_sanitized(self):
        options = json.loads((self.build / "meson-info/intro-buildoptions.json").read_text())
        return any(o["name"] == "b_sanitize" and o["value"] != "none" for o in options)

    def ctl_command(self, *arguments):
        return [self.build / "src/mailrootctl/mailrootctl", "--socket",
                self.directory / "control.sock", "--config", self.directory / "mailroot.yaml",
                *arguments]

    def ctl(self, *arguments, check=True, text=None):
        """`text` is its standard input."""
        done = subprocess.run(self.ctl_command(*arguments), capture_output=True, text=True,
                              input=text, timeout=WAIT_SECONDS)
        if check:
            assert done.returncode == 0, f"mailrootctl {arguments}: {done.stdout}{done.stderr}"
        return done

    def ctl_json(self, *arguments, check=True):
        return [json.loads(line) for line in
                self.ctl("--json", *arguments, check=check).stdout.splitlines()]

    def queue(self):
        return self.ctl_json("queue", "list", "--max", "1000000")

    def wait_for_empty_queue(self):
        until(lambda: not self.queue(), "the queue is empty")

    def server(self, name="default"):
        [found] = [server for server in self.ctl_json("servers") if server["id"] == name]
        return found

    # Clients -------------------------------------------------------------------------------------

    def sink(self, *options, **more):
        return Sink(self, *options, **more)

    def client(self, port=None, address=None):
        return smtplib.SMTP(address or self.address, port or self.port,
                            local_hostname="client.example", timeout=WAIT_SECONDS)

    def send(self, recipient="bob@example.org", *, sender="ann@sender.example", body="Hello.",
             subject="test", port=None, address=None, mail_options=(), rcpt_options=()):
        recipients = [recipient] if isinstance(recipient, str) else recipient
        text = (f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: {subject}\r\n"
                f"Message-ID: <{subject}@sender.example>\r\n\r\n{body}\r\n")
        with self.client(port, address) as smtp:
            return smtp.sendmail(sender, recipients, text.encode(), mail_options, rcpt_options)

    def raw(self, port=None, address=None, **more):
        return Raw(port or self.port, address or self.address, **more)

    def close(self, keep=False):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for clean_up in reversed(self.clean_ups):
            clean_up()
        if keep:
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
