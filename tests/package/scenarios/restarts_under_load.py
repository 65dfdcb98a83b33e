"""Restart, reload, kill -9 and an upgrade while mail comes in: what got its 250 is there, and
nobody finds a closed door."""

import re

from machine import until

ACCEPTED = "/srv/accepted"
GREETINGS = "/srv/greetings"
# Connects over and over and writes down what the first line was.
KNOCK = f"""
import socket, time
with open("{GREETINGS}", "w", buffering=1) as out:
    while True:
        try:
            with socket.create_connection(("127.0.0.1", 25), timeout=60) as connection:
                out.write(connection.makefile().readline().strip()[:3] + "\\n")
        except OSError as error:
            out.write(f"{{error}}\\n")
        time.sleep(0.002)
"""


def accepted(machine):
    path = machine.path(ACCEPTED)
    lines = path.read_text().splitlines() if path.exists() else []
    return {int(line.split()[0]) for line in lines}


def arrived(machine):
    numbers = set()
    for file in machine.mail_in("Drop"):
        found = re.search(rb"^X-Bench: seq=(\d+)", file.read_bytes(), re.MULTILINE)
        assert found, f"{file} is not whole"
        numbers.add(int(found.group(1)))
    return numbers


def scenario_what_got_its_250_is_there(stage):
    machine = stage.machine()
    machine.install(stage.packages.mailroot, stage.packages.bench)
    newer, version = stage.packages.newer()
    source = machine.background(
        "mailroot-source", "--to", "127.0.0.1:25", "--connections", 2, "--messages", 100_000_000,
        "--sender", "ann@example.org", "--recipient", "bob@relay.here.example", "--size", "2K",
        "--tolerate", "--accept-log", ACCEPTED, "--time-limit", 300)

    def goes_on():
        before = len(accepted(machine))
        until(lambda: len(accepted(machine)) > before + 20, "mail is accepted")
        assert source.poll() is None

    try:
        goes_on()
        machine.do("systemctl", "restart", "mailroot")
        goes_on()
        machine.do("systemctl", "reload", "mailroot")
        goes_on()
        machine.do("systemctl", "kill", "--signal=KILL", "mailroot")
        goes_on()
        machine.install(newer)
        assert machine.do("dpkg-query", "--show", "--showformat=${Version}", "mailroot") == version
        goes_on()
        machine.do("systemctl", "stop", "mailroot")
        machine.do("systemctl", "start", "mailroot")
        goes_on()
    finally:
        machine.try_("pkill", "-TERM", "-x", "mailroot-source")
        source.wait(timeout=60)
    wanted = accepted(machine)
    assert len(wanted) > 120
    until(lambda: wanted <= arrived(machine), "every accepted message is in Drop")


def scenario_nobody_finds_a_closed_door(stage):
    machine = stage.machine()
    machine.install(stage.packages.mailroot)
    newer, _ = stage.packages.newer()
    visitor = machine.background("python3", "-c", KNOCK)

    def greetings():
        path = machine.path(GREETINGS)
        return path.read_text().splitlines() if path.exists() else []

    def goes_on():
        before = len(greetings())
        until(lambda: greetings()[before:].count("220") > 20, "clients are served")

    try:
        goes_on()
        for _ in range(3):
            machine.do("systemctl", "restart", "mailroot")
            goes_on()
        machine.do("systemctl", "kill", "--signal=KILL", "mailroot")
        goes_on()
        machine.install(newer)
        goes_on()
    finally:
        visitor.terminate()
        visitor.wait(timeout=60)
    # Whoever was accepted before the end of a process is told to come back; no one is refused.
    assert set(greetings()) <= {"220", "421"}, set(greetings())
    assert greetings().count("220") > 120
    assert int(machine.unit("NFileDescriptorStore")["NFileDescriptorStore"]) > 0
    machine.do("systemctl", "stop", "mailroot")
    knock = "import socket; socket.create_connection(('127.0.0.1', 25))"
    refused = machine.try_("python3", "-c", knock)
    assert "ConnectionRefusedError" in refused.stderr, refused.stderr
