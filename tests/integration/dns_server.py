"""A real DNS server: Debian's unbound, with the zones of a test, on an address of its own."""

import shutil
import socket
import subprocess

from waiting import free_port, own_address, until

CONFIGURATION = """\
server:
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{directory}/log"
  interface: {address}
  port: {port}
  do-ip6: no
  do-daemonize: no
  num-threads: 1
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  local-zone: "zone." static
  local-zone: "test." static
  local-zone: "home.arpa." static
{zones}
{data}
# A zone whose only server may not be asked: every question ends in SERVFAIL.
forward-zone:
  name: "servfail.example."
  forward-addr: 127.0.0.1@1
remote-control:
  control-enable: no
"""


def program():
    return shutil.which("unbound", path="/usr/sbin:/usr/bin:/sbin:/bin")


class DnsServer:
    """`records` are lines of a zone file, all below "zone." or one of `zones`; every other name
    there does not exist."""

    def __init__(self, world, records, zones=()):
        self.world = world
        self.address, self.port = own_address(5), free_port(own_address(5))
        self.directory = world.directory / "unbound"
        self.directory.mkdir()
        data = "\n".join(f"  local-data: '{record}'" for record in records)
        static = "\n".join(f"  local-zone: \"{zone}\" static" for zone in zones)
        self.file = self.directory / "unbound.conf"
        self.file.write_text(CONFIGURATION.format(directory=self.directory, address=self.address,
                                                  port=self.port, data=data, zones=static))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([program(), "-d", "-c", self.file])
        self.world.processes.append(self.process)
        until(self.answers, "unbound answers")

    def answers(self):
        assert self.process.poll() is None, (self.directory / "log").read_text()
        question = b"\1\2\1\0\0\1\0\0\0\0\0\0\4zone\0\0\2\0\1"
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            try:
                client.sendto(question, (self.address, self.port))
                return client.recv(512)[:2] == b"\1\2"
            except OSError:
                return False

    def stop(self):
        self.process.terminate()
        self.process.wait()
