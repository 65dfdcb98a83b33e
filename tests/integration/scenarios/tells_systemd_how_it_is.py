"""The protocol of Type=notify, heard at a socket in systemd's place."""

import ctypes
import os
import pathlib
import select
import signal
import socket
import time

from waiting import WAIT_SECONDS, until
from world import Skipped

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WATCHDOG_SECONDS = 2


class Systemd:
    """Stands where systemd stands: a datagram socket that the daemon is told of."""

    def __init__(self, world, abstract=False):
        name = str(world.directory / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name if abstract else name)
        world.clean_ups.append(self.socket.close)
        self.heard = []
        self.name = ("@" if abstract else "") + name

    def start(self, world, wait=True, watchdog=False):
        environment = [f"NOTIFY_SOCKET={self.name}"]
        if watchdog:
            environment.append(f"WATCHDOG_USEC={WATCHDOG_SECONDS * 1_000_000}")
        world.start(wrapper=["env", *environment], wait=wait)

    def listen(self, seconds=0.0):
        """Whatever has been said, and what is said within these seconds."""
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            if not select.select([self.socket], [], [], left)[0]:
                return
            message = self.socket.recv(65536).decode()
            self.heard.append(dict(line.split("=", 1) for line in message.splitlines()))

    def wait_for(self, name, since=0, value="1"):
        """The first message from number `since` on that says so, and its number."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for number, message in enumerate(self.heard[since:], since):
                if message.get(name) == value:
                    return number, message
            self.listen(0.05)
        raise AssertionError(f"{name}={value} was not said: {self.heard[since:]}")

    def is_silent_about(self, name, seconds):
        """Nothing of this name within these seconds, after what was under way has come."""
        self.listen(0.2)
        before = len(self.heard)
        self.listen(seconds)
        return not any(name in message for message in self.heard[before:])


def thread_named(pid, name):
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (thread / "comm").read_text().strip() == name:
            return int(thread.name)
    raise AssertionError(f"no thread {name}")


def scenario_ready_is_said_when_everything_listens_and_stopping_at_the_end(world):
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world, wait=False)
    _, ready = systemd.wait_for("READY")
    # Now, not soon: whoever was ordered after the service may send at once.
    world.raw().hello()
    assert ready["STATUS"].startswith("1 of 1 virtual servers listening"), ready
    said = [name for message in systemd.heard for name in message
            if name in ("FDSTORE", "READY", "RELOADING", "STOPPING")]
    assert said == ["FDSTORE", "READY"], systemd.heard
    world.stop()
    systemd.wait_for("STOPPING")
    assert not world.events("service-manager")


def scenario_an_abstract_socket_hears_the_same(world):
    world.write_server()
    systemd = Systemd(world, abstract=True)
    systemd.start(world)
    systemd.wait_for("READY")
    world.stop()
    systemd.wait_for("STOPPING")


def scenario_a_server_that_cannot_start_does_not_keep_the_others_from_ready(world):
    world.write_server()
    world.write_server("second", address="192.0.2.99")
    systemd = Systemd(world)
    systemd.start(world)
    _, ready = systemd.wait_for("READY")
    assert ready["STATUS"].startswith("1 of 2 virtual servers listening"), ready
    assert "second: " in ready["STATUS"], ready
    world.stop()


def scenario_a_configuration_that_is_wrong_is_never_ready(world):
    world.write_server(text="no_such_key: 1\n")
    systemd = Systemd(world)
    systemd.start(world, wait=False)
    daemon, world.daemon = world.daemon, None
    assert daemon.wait(timeout=WAIT_SECONDS) == 1
    systemd.listen(0.1)
    assert not any("READY" in message for message in systemd.heard), systemd.heard


def scenario_a_reload_is_announced_and_its_end_too(world):
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world)
    number, _ = systemd.wait_for("READY")
    before_us = time.monotonic_ns() // 1000
    assert world.reload()["result"] == "applied"
    reloading, message = systemd.wait_for("RELOADING", number + 1)
    assert before_us <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, message
    ready, message = systemd.wait_for("READY", reloading + 1)
    assert "refused" not in message["STATUS"], message

    world.server_file().write_text("bindings: [{ address: nowhere\n")
    assert world.reload()["result"] == "refused"
    reloading, _ = systemd.wait_for("RELOADING", ready + 1)
    ready, message = systemd.wait_for("READY", reloading + 1)
    assert "1 of 1" in message["STATUS"], message
    assert "reload refused: " in message["STATUS"], message
    assert "default.yaml" in message["STATUS"], message
    world.raw().hello()

    world.write_server()
    assert world.reload()["result"] == "applied"
    _, message = systemd.wait_for("READY", ready + 1)
    assert "refused" not in message["STATUS"], message
    world.stop()


def scenario_many_reloads_end_with_ready(world):
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world)
    for _ in range(20):
        world.daemon.send_signal(signal.SIGHUP)
    until(lambda: world.events("reload"), "a reload is in the log")
    world.stop()
    stopping, _ = systemd.wait_for("STOPPING")
    said = [name for message in systemd.heard[:stopping] for name in message
            if name in ("READY", "RELOADING")]
    assert said[0] == said[-1] == "READY" and "RELOADING" in said, said


def scenario_the_watchdog_is_fed_and_the_status_counts(world):
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world, watchdog=True)
    number, _ = systemd.wait_for("WATCHDOG")
    client = world.raw()
    client.hello()
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(" 1 connections" in message.get("STATUS", "") for message in systemd.heard):
        assert time.monotonic() < deadline, systemd.heard
        systemd.listen(0.05)
    systemd.wait_for("WATCHDOG", number + 1)
    client.close()
    world.stop()


def scenario_a_stopped_daemon_does_not_feed_the_watchdog(world):
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world, watchdog=True)
    systemd.wait_for("WATCHDOG")
    world.daemon.send_signal(signal.SIGSTOP)
    assert systemd.is_silent_about("WATCHDOG", WATCHDOG_SECONDS), systemd.heard
    before = len(systemd.heard)
    world.daemon.send_signal(signal.SIGCONT)
    systemd.wait_for("WATCHDOG", before)
    world.stop()


def scenario_one_stuck_shard_is_enough_to_starve_the_watchdog(world):
    """The control thread and the other shard live on; the watchdog has to bite all the same."""
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world, watchdog=True)
    systemd.wait_for("WATCHDOG")
    shard = thread_named(world.daemon.pid, "shard-1")
    libc = ctypes.CDLL(None, use_errno=True)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, shard, None, None) != 0:
            raise Skipped(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(shard, 0x40000000)  # __WALL: it stands
    assert systemd.is_silent_about("WATCHDOG", WATCHDOG_SECONDS), systemd.heard
    assert pathlib.Path(f"/proc/{world.daemon.pid}/status").read_text().find("State:\tS") > 0
    before = len(systemd.heard)
    assert libc.ptrace(PTRACE_DETACH, shard, None, None) == 0
    systemd.wait_for("WATCHDOG", before)
    world.stop()


def scenario_a_manager_that_went_away_is_complained_of_once(world):
    world.write_server()
    systemd = Systemd(world)
    systemd.start(world, watchdog=True)
    systemd.wait_for("WATCHDOG")
    systemd.socket.close()
    world.wait_for_event("service-manager")
    world.reload()
    world.raw().hello()
    world.stop()
    assert len(world.events("service-manager")) == 1
