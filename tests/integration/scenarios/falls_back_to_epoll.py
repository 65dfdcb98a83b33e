"""Where io_uring may not be used: `auto` takes epoll and says so; who insists is told no."""

import subprocess

from waiting import WAIT_SECONDS
from world import Skipped


def denied(world):
    """What a command starts with for io_uring_setup to fail with EPERM."""
    return [world.build / "tests/integration/deny_io_uring", "--errno", "1"]


def need_io_uring(world):
    """These are about the seccomp filter; once is enough."""
    if world.io != "io_uring":
        raise Skipped("played once, with the io_uring scenarios")


def io_of(world):
    return world.ctl_json("status")[0]["io"]


def scenario_what_was_asked_for_is_what_runs(world):
    world.write_server()
    world.start()
    assert io_of(world) == world.io, io_of(world)


def scenario_auto_takes_epoll_where_io_uring_is_denied(world):
    need_io_uring(world)
    sink = world.sink()
    world.write_service(io="auto")
    world.write_server(smart_host=sink.smart_host)
    world.start(wrapper=denied(world))
    for number in range(20):
        world.send(f"user{number}@example.org")
    sink.wait_for(20)
    assert io_of(world) == "epoll (io_uring_setup: Operation not permitted)", io_of(world)
    [event] = world.events("ready")
    assert event["io"] == io_of(world), event


def scenario_auto_takes_io_uring_where_it_works(world):
    need_io_uring(world)
    world.write_service(io="auto")
    world.write_server()
    world.start()
    assert io_of(world) == "io_uring", io_of(world)


def scenario_who_insists_on_io_uring_is_told_no(world):
    need_io_uring(world)
    world.write_server()
    done = subprocess.run([*denied(world), *world.command()], capture_output=True, text=True,
                          timeout=WAIT_SECONDS)
    assert done.returncode == 1, done
    assert "io_uring" in done.stderr, done.stderr
