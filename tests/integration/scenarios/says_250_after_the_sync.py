"""250 means durable (decisions 33): on the epoll backend every file operation is a system call, so
strace sees that the journal's write is on disk before the reply to the end of data leaves."""

import re

import world as worlds

# "[pid] time name(fd</path>, ...) = result", or its two halves around a switch of threads.
CALL = re.compile(r"^(\d+) +([\d.]+) (\w+)\((\d+)<([^>]*)>")
RESUMED = re.compile(r"^(\d+) +([\d.]+) <\.\.\. (\w+) resumed>.* = (-?\d+)")
RESULT = re.compile(r" = (-?\d+)(?: |$)")


def trace(world):
    return (world.directory / "strace.txt").read_text(errors="replace").splitlines()


def durable_writes_and_replies(lines):
    """In order of completion: ("sync",) for a finished journal write, ("250", id) for a reply."""
    events = []
    pending = {}
    dsync = set()
    for line in lines:
        opened = re.search(r"openat2?\(.*\.seg\".*O_DSYNC.* = (\d+)", line)
        if opened:
            dsync.add(opened.group(1))
        call = CALL.match(line)
        if call:
            pid, _, name, descriptor, path = call.groups()
            is_journal = ".seg" in path and name.startswith("pwrite")
            is_sync = name in ("fdatasync", "fsync") and ".seg" in path
            if is_journal or is_sync:
                if "<unfinished" in line:
                    pending[pid] = name
                elif int(RESULT.search(line).group(1)) >= 0:
                    events.append(("sync", name))
            reply = re.search(r"250 2\.6\.0 ([0-9A-F]{20})", line)
            if reply and name.startswith("send"):
                events.append(("250", reply.group(1)))
            continue
        resumed = RESUMED.match(line)
        if resumed and resumed.group(1) in pending and int(resumed.group(4)) >= 0:
            events.append(("sync", pending.pop(resumed.group(1))))
    return events


def scenario_each_250_has_its_own_finished_write_before_it(world):
    if world.io != "epoll":
        raise worlds.Skipped("io_uring makes no system call per write: the spool's tests in the "
                             "simulator prove the order there")
    if world.is_sanitized():
        raise worlds.Skipped("the leak checker does not work under strace")
    world.write_server(smart_host="[127.0.0.1]:1")
    output = world.directory / "strace.txt"
    # -D: strace steps aside, so that signals go to mailrootd itself.
    world.start(wrapper=["strace", "-D", "-f", "-y", "-ttt", "-s", "200", "-o", output, "-e",
                         "trace=openat,pwritev,pwritev2,pwrite64,fdatasync,fsync,sendto,sendmsg"])
    count = 10
    with world.client() as smtp:
        for number in range(count):
            smtp.sendmail("ann@sender.example", ["bob@example.org"],
                          f"Subject: {number}\r\n\r\nbody\r\n".encode())
    worlds.until(lambda: sum("250 2.6.0" in line for line in trace(world)) >= count,
                 "all replies in the trace")
    events = durable_writes_and_replies(trace(world))
    replies = [event for event in events if event[0] == "250"]
    assert len(replies) == count, events
    # One message at a time on one connection: between two replies there is a write of its own.
    synced = False
    for event in events:
        if event[0] == "sync":
            synced = True
        else:
            assert synced, f"{event} left before its message was on disk: {events}"
            synced = False
