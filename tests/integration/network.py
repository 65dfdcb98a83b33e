"""A network of the scenario's own: only `lo`, every port free, addresses that come and go."""

import ctypes
import os
import subprocess

from world import Skipped

CLONE_NEWNET = 0x40000000


def own_network():
    """From here on this process, and all it starts, is in a network namespace of its own."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNET) != 0:
        raise Skipped(f"no network of one's own: {os.strerror(ctypes.get_errno())}")
    ip("link", "set", "lo", "up")


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def add_address(address):
    bits = 128 if ":" in address else 32
    ip("address", "add", f"{address}/{bits}", "dev", "lo")


def remove_address(address):
    bits = 128 if ":" in address else 32
    ip("address", "delete", f"{address}/{bits}", "dev", "lo")
