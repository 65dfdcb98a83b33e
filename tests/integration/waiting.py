"""Waiting for things, and addresses of one's own to listen at."""

import os
import socket
import time

WAIT_SECONDS = float(os.environ.get("MAILROOT_TEST_WAIT_SECONDS", "60"))


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


def own_address(number=0):
    """A loopback address that no other test process uses (Linux answers on all of 127/8), so that
    ports the kernel gives there stay free until we listen: outgoing connections use 127.0.0.1."""
    assert 0 <= number <= 5
    pid = os.getpid()
    return f"127.{16 + (pid >> 13 & 127)}.{pid >> 5 & 255}.{(pid & 31) * 8 + 1 + number}"


def free_port(address=None):
    address = address or own_address()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def can_connect(port, address=None):
    try:
        with socket.create_connection((address or own_address(), port), timeout=1):
            return True
    except OSError:
        return False
