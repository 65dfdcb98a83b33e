"""The measuring programs, ports, and the file systems they work on."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time


class Failure(Exception):
    """A run that could not be done; the text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def refusing_port():
    """A port that is taken but on which nobody listens: connecting to it is refused at once."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def wait_for_greeting(port, process, output=None, limit_s=30):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.settimeout(5)
                if connection.recv(3) == b"220":
                    connection.sendall(b"QUIT\r\n")
                    return
        except OSError:
            pass
        time.sleep(0.05)
    tail = ""
    if output is not None and output.exists():
        tail = ": " + " / ".join(output.read_text(errors="replace").strip().splitlines()[-3:])
    raise Failure(f"no greeting on port {port}{tail}")


class Programs:
    """mailroot-source, mailroot-sink and mailroot-raw-disk of one build."""

    def __init__(self, build):
        self.build = pathlib.Path(build)
        for name in ("source", "sink", "raw-disk"):
            if not self.path(name).exists():
                raise Failure(f"{self.path(name)} is not there: run ninja -C {build}")

    def path(self, name):
        return self.build / "bench" / f"mailroot-{name}"

    def build_type(self):
        try:
            options = json.loads((self.build / "meson-info/intro-buildoptions.json").read_text())
            return next(o["value"] for o in options if o["name"] == "buildtype")
        except (OSError, StopIteration, ValueError):
            return "unknown"

    def source(self, port, **options):
        """Runs the source to its end; answers its JSON."""
        process = self.start_source(port, **options)
        out, error = process.communicate()
        return self.parse("source", out, error)

    def start_source(self, port, **options):
        command = [self.path("source"), "--to", f"127.0.0.1:{port}", "--json"]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(str(value))
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def parse(name, out, error):
        try:
            return json.loads(out.strip().splitlines()[-1])
        except (ValueError, IndexError) as problem:
            raise Failure(f"{name} said: {error.strip() or out.strip()}") from problem

    def raw_disk(self, directory, total):
        done = subprocess.run([self.path("raw-disk"), "--directory", directory, "--total", total,
                               "--json"], capture_output=True, text=True)
        return self.parse("raw-disk", done.stdout, done.stderr)


class Sink:
    """A running mailroot-sink; `port` is where it listens."""

    def __init__(self, programs, *options, port=0):
        self.process = subprocess.Popen(
            [programs.path("sink"), "--listen", f"127.0.0.1:{port}", "--json", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise Failure("sink said: " + self.process.stderr.read().strip())
        self.port = int(line.rsplit(":", 1)[1])

    def wait(self, limit_s):
        """Waits for --expect; afterwards, or when the time is up, answers its JSON."""
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.terminate()
        return self.result()

    def result(self):
        out, error = self.process.communicate()
        return Programs.parse("sink", out, error)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate()


class Workplace:
    """A directory for queues. Each run gets a new one and small mail is not removed before the end:
    ext4 is slow to make files shortly after many were removed, and that would count against
    whoever comes next."""

    def __init__(self, home, ext4_loop, size="12G"):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="mailroot-bench-", dir=home))
        self.base.chmod(0o755)
        self.count = 0
        self.device = None
        self.directory = self.base
        if ext4_loop:
            self.mount(size)

    def mount(self, size):
        if os.geteuid() != 0:
            raise Failure("--ext4-loop needs root")
        image = self.base / "ext4.img"
        with open(image, "wb") as file:
            os.truncate(file.fileno(), int(size[:-1]) << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "has_journal", image], check=True)
        attach = ["losetup", "--find", "--show", image]
        done = subprocess.run(attach + ["--direct-io=on"], capture_output=True, text=True)
        if done.returncode != 0:
            done = subprocess.run(attach, capture_output=True, text=True, check=True)
        self.device = done.stdout.strip()
        self.directory = self.base / "mounted"
        self.directory.mkdir()
        subprocess.run(["mount", self.device, self.directory], check=True)
        self.directory.chmod(0o755)

    def new(self, label):
        self.count += 1
        path = self.directory / f"{self.count:03}-{label.replace(' ', '-')}"
        path.mkdir()
        return path

    def empty(self):
        """Removes what runs left: only after large messages, which are few files."""
        for path in self.directory.glob("[0-9]*-*"):
            shutil.rmtree(path, ignore_errors=True)

    def describe(self):
        done = subprocess.run(["findmnt", "-no", "FSTYPE,OPTIONS,SOURCE", "-T", self.directory],
                              capture_output=True, text=True)
        return " ".join(done.stdout.split()) or "unknown file system"

    def remove(self):
        if self.device is not None:
            subprocess.run(["umount", self.directory], check=False)
            subprocess.run(["losetup", "--detach", self.device], check=False)
        shutil.rmtree(self.base, ignore_errors=True)
