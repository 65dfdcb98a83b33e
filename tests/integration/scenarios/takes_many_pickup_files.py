"""Ten thousand files at once: taken in order and once each, also when the process is killed."""

import os
import time

from waiting import until

FILES = 10_000
LATE = "quick_retries: { count: 0 }\nretry_intervals: [60m]\n"
LETTER = ("X-Sender: ann@local.example\nX-Receiver: bob@example.org\nMessage-ID: <{number}@test>\n"
          "Subject: {number}\n\nby file\n")


def prepare(pickup, count=FILES):
    """Files in Pickup/tmp whose order is that of their dates, not of their names; a second has ten,
    which go by name."""
    names = []
    for number in range(count):
        name = f"{count // 10 - number // 10:05}-{number % 10}.eml"
        path = pickup / "tmp" / name
        path.write_text(LETTER.format(number=number))
        moment = 1_700_000_000 + number // 10
        os.utime(path, (moment, moment))
        names.append(name)
    return names


def drop(pickup, names):
    for name in names:
        os.rename(pickup / "tmp" / name, pickup / "new" / name)


def rest_of(pickup):
    return [path for part in (pickup, pickup / "new", pickup / "cur") for path in part.iterdir()
            if not path.is_dir()]


def numbers_in(log):
    """As the sink got them."""
    return [int(line.split("<")[1].split("@")[0]) for line in log.read_text().splitlines()]


def scenario_files_arrive_at_the_next_hop_in_order(world):
    log = world.directory / "sink.log"
    sink = world.sink("--log", log, capture=False)
    world.write_server(smart_host=sink.smart_host, delivery="outbound: { per_domain: 1 }\n",
                       text="messages: { per_connection_limit: unlimited }\n")
    world.start()
    pickup = world.home() / "Pickup"
    names = prepare(pickup, 2000)
    world.stop()
    drop(pickup, names)
    world.start()
    until(lambda: not rest_of(pickup), "Pickup is empty")
    world.wait_for_empty_queue()
    assert numbers_in(log) == list(range(2000))


def scenario_files_that_come_while_others_are_taken_are_taken_too(world):
    log = world.directory / "sink.log"
    sink = world.sink("--log", log, capture=False)
    world.write_server(smart_host=sink.smart_host)
    world.start()
    pickup = world.home() / "Pickup"
    drop(pickup, prepare(pickup, 3000))
    until(lambda: not rest_of(pickup), "Pickup is empty")
    world.wait_for_empty_queue()
    assert sorted(numbers_in(log)) == list(range(3000))


def scenario_ten_thousand_files_survive_kills_in_the_middle(world):
    """The next hop is away until the end: what it sees twice, we took twice."""
    log = world.directory / "sink.log"
    sink = world.sink("--log", log, capture=False)
    sink.stop()
    world.write_server(smart_host=sink.smart_host, delivery=LATE)
    world.start()
    pickup = world.home() / "Pickup"
    drop(pickup, prepare(pickup))
    for left in (8000, 6000, 3000):
        until(lambda: len(rest_of(pickup)) < left, f"{left} files are left")
        world.kill()
        world.start()
    until(lambda: not rest_of(pickup), "Pickup is empty")
    taken = [event["file"] for event in world.events("accepted")]
    order = [FILES - 10 * int(name[:5]) + int(name[6]) for name in taken]
    assert len(set(taken)) == len(taken)
    bad = [(taken[i-1], taken[i]) for i in range(1, len(order)) if order[i] < order[i-1]]
    assert order == sorted(order), (f"files were taken out of order {bad[:5]} {len(bad)}",
                                    world.events("pickup-refused"))
    sink.start("--log", log)
    world.ctl("queue", "retry", "all")
    world.wait_for_empty_queue()
    assert sorted(numbers_in(log)) == list(range(FILES))


def scenario_a_closed_file_is_accepted_within_milliseconds(world):
    """What it measures is printed; the bound is there for a look every second or two."""
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    pickup = world.home() / "Pickup"
    waits = []
    for number in range(20):
        before = len(world.events("accepted"))
        path = pickup / f"{number}.eml"
        path.write_text(LETTER.format(number=number))
        began = time.monotonic()
        while path.exists():
            time.sleep(0.0005)
        waits.append(time.monotonic() - began)
        until(lambda: len(world.events("accepted")) > before, "the file is accepted")
    waits.sort()
    print(f"       claimed after {waits[10] * 1000:.1f} ms, at most {waits[-1] * 1000:.1f} ms")
    commits = [event["commit_us"] for event in world.events("accepted")]
    print(f"       commit {sorted(commits)[10] / 1000:.1f} ms")
    assert waits[10] < 0.5, waits
