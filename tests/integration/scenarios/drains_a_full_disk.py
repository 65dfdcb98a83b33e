"""A crash on a disk without a free block or inode: the server starts again and what it had accepted
is delivered, once."""

import socket

from small_disks import fill_blocks, fill_inodes, free_blocks, mount_ext4, mount_tmpfs, run
from small_disks import try_to_send, unfill
from waiting import until

IN_THE_JOURNAL = "spool: { free_min: 0 B, materialise_after: 1h }\n"
NO_HURRY = "quick_retries: { count: 0 }\nretry_intervals: [2s]\n"


def is_free(address, port):
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def write(world, place, sink, text=IN_THE_JOURNAL):
    world.write_server(home=place / "home", smart_host=sink.smart_host, text=text,
                       delivery=NO_HURRY)


def accept_on_a_full_disk(world, place, sizes, fill=fill_blocks):
    """Mail that is accepted when the disk has no room for its files: the journals alone have it."""
    sink = world.sink()
    sink.stop()
    write(world, place, sink)
    world.start()
    accepted = 0
    # Both shards make their journals.
    for _ in range(16):
        accepted += try_to_send(world).startswith("250")
    fill(place)
    refused = 0
    while refused < 8:
        reply = try_to_send(world, sizes[accepted % len(sizes)])
        accepted += reply.startswith("250")
        refused += not reply.startswith("250")
        assert reply.startswith(("250", "45")), reply
    assert accepted > 20, accepted
    assert len(world.queue()) == accepted
    return sink, accepted


def kill_and_fill(world, place, fill=fill_blocks):
    world.kill()
    fill(place)
    # The kernel takes a ring apart after its process has ended, and holds its sockets as long.
    until(lambda: is_free(world.address, world.port), "the port is free")


def start_again(world):
    world.start()
    view = world.server()
    assert view["state"] == "started", view


def expect_exactly(world, sink, accepted):
    until(lambda: sink.count() >= accepted, "every accepted message arrives")
    world.wait_for_empty_queue()
    assert sink.count() == accepted, (sink.count(), accepted)


def crash_and_drain(world, place, sizes, fill=fill_blocks):
    sink, accepted = accept_on_a_full_disk(world, place, sizes, fill)
    kill_and_fill(world, place, fill)
    sink.start()
    start_again(world)
    expect_exactly(world, sink, accepted)
    [recovery] = [e for e in world.events("recovery") if e.get("kept")]
    assert recovery["kept"] > 0, recovery
    return sink, accepted


def scenario_small_messages_without_a_free_block(world):
    crash_and_drain(world, mount_ext4(world, "volume", 32 << 20), [1000])


def scenario_messages_of_many_sizes_without_a_free_block(world):
    crash_and_drain(world, mount_ext4(world, "volume", 32 << 20), [500, 5000, 60_000, 200_000])


def scenario_a_tmpfs_without_a_free_page(world):
    crash_and_drain(world, mount_tmpfs(world, "volume", 24 << 20), [1000, 30_000])


def scenario_no_free_inode(world):
    place = mount_ext4(world, "volume", 32 << 20, "-N", "128")
    crash_and_drain(world, place, [1000], fill_inodes)


def scenario_crashes_after_one_another(world):
    """Nothing is delivered between them: the old segments are kept over several starts."""
    place = mount_ext4(world, "volume", 32 << 20)
    sink, accepted = accept_on_a_full_disk(world, place, [1000, 20_000])
    for _ in range(3):
        kill_and_fill(world, place)
        start_again(world)
        until(lambda: len(world.queue()) == accepted, "the queue is known again")
        # Attempts that fail have outcomes to record, too.
        world.ctl("queue", "retry", "all")
    kill_and_fill(world, place)
    sink.start()
    start_again(world)
    expect_exactly(world, sink, accepted)


def scenario_a_crash_amid_the_drain(world):
    place = mount_ext4(world, "volume", 32 << 20)
    sink, accepted = accept_on_a_full_disk(world, place, [1000])
    kill_and_fill(world, place)
    sink.start()
    start_again(world)
    until(lambda: sink.count() > accepted // 4, "some have arrived")
    kill_and_fill(world, place)
    start_again(world)
    until(lambda: sink.count() >= accepted, "every accepted message arrives")
    world.wait_for_empty_queue()
    # A kill between the next hop's 250 and our record of it repeats what was in flight.
    assert sink.count() <= accepted + 40, (sink.count(), accepted)
    assert len({message.content for message in sink.messages()}) <= accepted


def scenario_an_orderly_stop_while_the_disk_is_full(world):
    place = mount_ext4(world, "volume", 32 << 20)
    sink, accepted = accept_on_a_full_disk(world, place, [1000, 20_000])
    world.stop()
    fill_blocks(place)
    start_again(world)
    until(lambda: len(world.queue()) == accepted, "the queue is known again")
    world.stop()
    sink.start()
    start_again(world)
    expect_exactly(world, sink, accepted)


def scenario_new_mail_is_refused_while_old_mail_is_delivered(world):
    place = mount_ext4(world, "volume", 32 << 20)
    sink, accepted = accept_on_a_full_disk(world, place, [1000])
    write(world, place, sink, "spool: { free_min: 4 MiB, materialise_after: 1h }\n")
    kill_and_fill(world, place)
    start_again(world)
    until(lambda: try_to_send(world).startswith("452 4.3.1"), "new mail is refused")
    sink.start()
    world.ctl("queue", "retry", "all")
    expect_exactly(world, sink, accepted)
    unfill(place)
    until(lambda: try_to_send(world).startswith("250"), "there is room again")
    expect_exactly(world, sink, accepted + 1)


def scenario_with_room_again_what_was_kept_becomes_files(world):
    place = mount_ext4(world, "volume", 64 << 20)
    sink, accepted = accept_on_a_full_disk(world, place, [1000, 20_000])
    kill_and_fill(world, place)
    start_again(world)
    until(lambda: len(world.queue()) == accepted, "the queue is known again")
    old = {path.name for path in (place / "home/Journal").rglob("*.seg")}
    assert old
    unfill(place)
    files = place / "home/Queue"
    until(lambda: len(list(files.rglob("*.eml"))) == accepted, "every message is a file")
    until(lambda: try_to_send(world).startswith("250"), "there is room again")
    world.stop()
    assert not list((place / "home/Journal").rglob("*.seg"))
    sink.start()
    start_again(world)
    expect_exactly(world, sink, accepted + 1)


def scenario_a_new_home_on_a_full_disk_starts_when_there_is_room(world):
    place = mount_ext4(world, "volume", 16 << 20)
    fill_blocks(place)
    assert free_blocks(place) == 0
    world.write_server(home=place / "home", text=IN_THE_JOURNAL)
    world.start()
    view = world.server()
    assert view["state"] == "stopped" and "no space" in view["reason"], view
    world.wait_for_event("ready")
    unfill(place)
    run("sync", "-f", place)
    until(lambda: world.server()["state"] == "started", "it starts by itself")
    assert world.server()["reason"] == "", world.server()
    world.wait_for_event("reload", 2)
    assert len(world.events("server", state="stopped")) == 1, "it is said once"
    world.send("ann@local.example")
    until(lambda: list((place / "home/Drop").rglob("*.eml")), "a file in Drop")
