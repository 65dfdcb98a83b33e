"""Mailroot as built here, in a directory of its own on a high port."""

import os
import pathlib
import signal
import subprocess

from . import tools

SERVICE = """\
service:
  shards: auto
  io: {io}
  control_socket: {directory}/control.sock
  include: virtual-servers.d/*.yaml
log:
  level: info
  target: {directory}/mailrootd.log
  format: text
metrics:
  listen: "off"
"""

VIRTUAL_SERVER = """\
name: Bench
bindings:
  - {{ address: 127.0.0.1, port: {port} }}
default_domain: mailroot.bench.example
fqdn: mailroot.bench.example
home_directory: {directory}/home
connections:
  limit: unlimited
  per_client_limit: unlimited
access:
  relay:
    allow: [127.0.0.0/8]
messages:
  size_limit: 100 MiB
  recipients_limit: 1000
delivery:
  smart_host: ["[127.0.0.1]:{next_hop}"]
  security: {{ tls: "off" }}
spool: {{ materialise_after: {materialise} }}
"""


class Unavailable(Exception):
    """Mailroot cannot be run here; the text says why."""


class Mailroot:
    def __init__(self, program, materialise, io):
        self.program = pathlib.Path(program)
        if not self.program.exists():
            raise Unavailable(f"{self.program} is not there: build it, or name it with --mailroot")
        self.materialise, self.io = materialise, io
        self.name = "mailroot"
        if materialise != "2s":
            self.name += f" materialise {materialise}"
        if io != "auto":
            self.name += f" {io}"
        self.process = None
        self.pid = 0

    def version(self):
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        return "Mailroot " + (done.stdout.strip().splitlines() or ["(unknown version)"])[0]

    def start(self, directory, next_hop, connections, deliver):
        """As Postfix.start. Nothing is delivered when nobody listens on `next_hop`."""
        del connections, deliver
        directory = pathlib.Path(directory)
        (directory / "virtual-servers.d").mkdir(parents=True)
        port = tools.free_port()
        words = {"directory": directory, "port": port, "next_hop": next_hop, "io": self.io,
                 "materialise": self.materialise}
        config = directory / "mailroot.yaml"
        config.write_text(SERVICE.format(**words))
        (directory / "virtual-servers.d/bench.yaml").write_text(VIRTUAL_SERVER.format(**words))
        command = [self.program, "--config", config]
        if os.geteuid() == 0:
            command.append("--allow-root")
        with open(directory / "mailrootd.out", "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out,
                                            start_new_session=True)
        self.pid = self.process.pid
        tools.wait_for_greeting(port, self.process, directory / "mailrootd.out")
        return port

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
