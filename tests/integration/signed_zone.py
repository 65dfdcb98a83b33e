"""A DNS server with a zone that DNSSEC signs: Debian's knot, on an address of its own."""

import hashlib
import shutil
import subprocess

from certificates import openssl
from waiting import free_port, own_address, until
from world import Skipped

ZONE = "signed.zone"


def program(name):
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise Skipped(f"{name} is not installed (packaging/dependencies test installs it)")
    return found


class SignedZone:
    """`records`: lines of a zone file below signed.zone; `unsigned`: of the zone open.zone."""

    def __init__(self, world, records, unsigned=()):
        self.world = world
        self.address, self.port = own_address(5), free_port(own_address(5))
        self.directory = world.directory / "knot"
        (self.directory / "db").mkdir(parents=True)
        self.write(ZONE, records)
        self.write("open.zone", unsigned)
        self.file = self.directory / "knot.conf"
        self.file.write_text(f"""\
server:
    listen: {self.address}@{self.port}
    rundir: {self.directory}
    pidfile: {self.directory}/knot.pid
log:
  - target: {self.directory}/log
    any: info
database:
    storage: {self.directory}/db
policy:
  - id: here
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
  - domain: {ZONE}
    storage: {self.directory}
    file: {ZONE}
    dnssec-signing: on
    dnssec-policy: here
    zonefile-sync: -1
    journal-content: none
  - domain: open.zone
    storage: {self.directory}
    file: open.zone
    zonefile-sync: -1
    journal-content: none
""")
        self.process = subprocess.Popen([program("knotd"), "-c", self.file],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        world.processes.append(self.process)
        self.anchor = world.directory / "anchor.key"
        until(self.find_key, "the zone is signed")

    def write(self, zone, records):
        (self.directory / zone).write_text(
            f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
            + "".join(f"{record}\n" for record in records))

    def find_key(self):
        """Writes the zone's key as a trust anchor."""
        found = subprocess.run([program("keymgr"), "-c", self.file, ZONE, "ds"],
                               capture_output=True, text=True, timeout=60)
        lines = [line for line in found.stdout.splitlines() if " DS " in line]
        if not lines:
            return False
        self.anchor.write_text("".join(line.replace(" DS ", " IN DS ") + "\n" for line in lines))
        return True


def tlsa(identity, usage=3, spoilt=False):
    """'3 1 1 <SHA-256 of the public key>'."""
    key = openssl("x509", "-in", identity.certificate, "-noout", "-pubkey")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.encode(),
                         capture_output=True, timeout=60, check=True).stdout
    digest = hashlib.sha256(der + (b"x" if spoilt else b"")).hexdigest()
    return f"{usage} 1 1 {digest}"
