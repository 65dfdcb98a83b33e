"""What a scenario needs: a real mailrootd in a directory of its own, real next hops, real clients.

Everything runs on the loopback with ports the kernel gave; nothing outside the directory is touched.
"""

import json
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

WAIT_SECONDS = float(os.environ.get("MAILROOT_TEST_WAIT_SECONDS", "60"))


def free_port(address="127.0.0.1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def until(condition, what, seconds=WAIT_SECONDS):
    """Waits for a condition; the bound is there for failures only, no test passes by being slow."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting for: {what}")
        time.sleep(0.02)


class Sink:
    """A next hop of the load receiver; captures what it gets."""

    def __init__(self, world, *options, port=None):
        self.world = world
        self.port = port or free_port()
        self.directory = world.directory / f"captured-{self.port}"
        self.directory.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [world.tools / "mailroot-sink", "--listen", f"127.0.0.1:{self.port}",
             "--capture", self.directory, *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        world.processes.append(self.process)
        until(lambda: can_connect(self.port), "the sink listens")

    def files(self):
        return sorted(p for p in self.directory.glob("*.eml") if p.is_file())

    def messages(self):
        return [p.read_bytes() for p in self.files()]

    def wait_for(self, count):
        until(lambda: len(self.files()) >= count, f"{count} messages at the next hop")
        return self.messages()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def can_connect(port, address="127.0.0.1"):
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


class World:
    def __init__(self, io, build):
        self.io = io
        self.build = pathlib.Path(build)
        self.tools = self.build / "bench"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mailroot-test."))
        self.processes = []
        self.daemon = None
        self.port = free_port()
        self.servers = {}
        (self.directory / "virtual-servers.d").mkdir()
        self.write_service()

    # Configuration -------------------------------------------------------------------------------

    def write_service(self, extra=""):
        (self.directory / "mailroot.yaml").write_text(
            "service:\n"
            f"  io: {self.io}\n"
            "  shards: 2\n"
            "  control_socket: control.sock\n"
            "  include: virtual-servers.d/*.yaml\n"
            "log: { target: ./log.txt }\n"
            "metrics: { listen: \"off\" }\n" + extra)

    def server_file(self, name="default"):
        return self.directory / "virtual-servers.d" / f"{name}.yaml"

    def write_server(self, name="default", text="", *, port=None, smart_host=None, relay=True,
                     home=None, delivery="", address="127.0.0.1"):
        """A virtual server with what nearly every scenario wants; `text` is YAML added to it."""
        lines = [f"name: {name}",
                 f"bindings: [{{ address: \"{address}\", port: {port or self.port} }}]",
                 "default_domain: local.example",
                 "fqdn: mx.local.example",
                 f"home_directory: {home or self.directory / 'homes' / name}"]
        if relay:
            lines.append("access: { relay: { allow: [127.0.0.0/8, \"::1\"] } }")
        if smart_host or delivery:
            lines.append("delivery:")
            if smart_host:
                hosts = smart_host if isinstance(smart_host, list) else [smart_host]
                quoted = ", ".join(f"\"{host}\"" for host in hosts)
                lines.append(f"  smart_host: [{quoted}]")
            for line in delivery.splitlines():
                lines.append("  " + line)
        self.server_file(name).write_text("\n".join(lines) + "\n" + text)

    def home(self, name="default"):
        return self.directory / "homes" / name

    def mail_files(self, folder, name="default"):
        top = self.home(name) / folder
        return sorted(p for p in top.rglob("*") if p.is_file() and p.parent.name != "tmp")

    # The daemon ----------------------------------------------------------------------------------

    def command(self):
        command = [self.build / "src/mailrootd/mailrootd", "--config",
                   self.directory / "mailroot.yaml"]
        if os.geteuid() == 0:
            command.append("--allow-root")
        return command

    def start(self, wrapper=(), wait=True):
        self.daemon = subprocess.Popen([*wrapper, *self.command()],
                                       stderr=open(self.directory / "stderr.txt", "ab"))
        self.processes.append(self.daemon)
        if wait:
            until(self.is_ready, "mailrootd is ready")
        return self.daemon

    def is_ready(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f"mailrootd ended with {self.daemon.returncode}: " + self.stderr())
        return self.ctl("status", check=False).returncode == 0 and " ready " in self.log() + " "

    def stderr(self):
        return (self.directory / "stderr.txt").read_text(errors="replace")

    def log(self):
        path = self.directory / "log.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for_log(self, text):
        until(lambda: text in self.log(), f"{text!r} in the log")

    def reload(self):
        self.daemon.send_signal(signal.SIGHUP)

    def stop(self):
        """An orderly stop; it has to succeed."""
        self.daemon.send_signal(signal.SIGTERM)
        code = self.daemon.wait(timeout=WAIT_SECONDS)
        assert code == 0, f"mailrootd ended with {code}: {self.stderr()}"
        self.daemon = None

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None

    def ctl(self, *arguments, check=True):
        done = subprocess.run(
            [self.build / "src/mailrootctl/mailrootctl", "--socket",
             self.directory / "control.sock", "--config", self.directory / "mailroot.yaml",
             *arguments], capture_output=True, text=True, timeout=WAIT_SECONDS)
        if check:
            assert done.returncode == 0, f"mailrootctl {arguments}: {done.stdout}{done.stderr}"
        return done

    def ctl_json(self, *arguments):
        return [json.loads(line) for line in self.ctl("--json", *arguments).stdout.splitlines()]

    def queue(self):
        return self.ctl_json("queue", "list")

    # Clients -------------------------------------------------------------------------------------

    def sink(self, *options, port=None):
        return Sink(self, *options, port=port)

    def client(self, port=None, address="127.0.0.1"):
        return smtplib.SMTP(address, port or self.port, local_hostname="client.example",
                            timeout=WAIT_SECONDS)

    def send(self, recipient, *, sender="ann@sender.example", body="Hello.", subject="test",
             port=None):
        recipients = [recipient] if isinstance(recipient, str) else recipient
        text = (f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: {subject}\r\n"
                f"Message-ID: <{subject}@sender.example>\r\n\r\n{body}\r\n")
        with self.client(port) as smtp:
            return smtp.sendmail(sender, recipients, text.encode())

    def raw(self, port=None, address="127.0.0.1"):
        return Raw(port or self.port, address)

    def close(self, keep=False):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        if keep:
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


class Raw:
    """A client that says exactly what it is told."""

    def __init__(self, port, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), timeout=WAIT_SECONDS)
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.pending:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.pending)
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """One whole reply, as text."""
        lines = []
        while True:
            line = self.line()
            lines.append(line.decode("latin-1"))
            if line[3:4] != b"-":
                return "".join(lines)

    def ask(self, data):
        self.send(data)
        return self.reply()

    def expect(self, data, code):
        reply = self.ask(data)
        assert reply.startswith(code), f"{data!r}: wanted {code}, got {reply!r}"
        return reply

    def hello(self):
        banner = self.reply()
        assert banner.startswith("220 "), banner
        return self.expect(b"EHLO client.example\r\n", "250")

    def is_closed(self):
        try:
            return self.pending == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()
