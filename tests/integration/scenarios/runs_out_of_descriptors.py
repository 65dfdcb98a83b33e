"""More connections than the process may have: it waits without spinning, and goes on."""

import os
import time

from waiting import until


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def scenario_a_flood_of_connections_is_outlived(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host,
                       text="connections: { limit: unlimited, per_client_limit: unlimited }\n")
    world.start(wrapper=["prlimit", "--nofile=120:120"])
    world.send("bob@example.org")
    sink.wait_for(1)
    flood = [world.raw() for _ in range(300)]
    until(lambda: len(os.listdir(f"/proc/{world.daemon.pid}/fd")) >= 118, "no descriptor is left")
    before, began = cpu_seconds(world.daemon.pid), time.monotonic()
    time.sleep(1)
    used = (cpu_seconds(world.daemon.pid) - before) / (time.monotonic() - began)
    assert used < 0.5, f"it spins: {used:.2f} of a processor"
    assert world.events("accept_paused"), "the log does not say why"
    for client in flood:
        client.close()
    for number in range(10):
        world.send(f"user{number}@example.org")
    sink.wait_for(11)
