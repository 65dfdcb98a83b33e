"""Home directories that are missing, read-only, replaced or full: the server says so, loses nothing
and the others go on."""

from small_disks import mount_ext4, run, try_to_send
from waiting import own_address, until


def with_good_neighbour(world, **bad):
    world.write_server("good", address=own_address(1))
    world.write_server("bad", **bad)
    world.start()
    world.send("ann@local.example", address=own_address(1))
    world.wait_for_event("accepted", server="good")
    return world.server("bad")


def scenario_missing_parents_are_made(world):
    home = world.directory / "a" / "b" / "c"
    world.write_server(home=home)
    world.start()
    world.send("ann@local.example")
    until(lambda: list((home / "Drop").rglob("*.eml")), "a file in Drop")
    for name in ("Pickup", "Queue", "Drop", "Badmail"):
        for part in ("tmp", "new", "cur"):
            assert (home / name / part).is_dir(), (name, part)


def scenario_a_file_where_the_home_should_be(world):
    (world.directory / "occupied").write_text("not a directory")
    view = with_good_neighbour(world, home=world.directory / "occupied")
    assert view["state"] == "stopped" and "occupied" in view["reason"], view


def scenario_a_link_where_a_directory_should_be(world):
    """A home that is a link, and a Pickup that is one: the sentence says so."""
    real = world.directory / "real"
    real.mkdir(mode=0o711)
    (world.directory / "link").symlink_to(real)
    view = with_good_neighbour(world, home=world.directory / "link")
    assert view["state"] == "stopped", view
    assert "link is a symbolic link" in view["reason"], view
    checked = world.ctl("check", check=False)
    assert f"is a symbolic link; name the directory it leads to, {real}" in checked.stderr, checked
    (real / "Pickup").symlink_to(world.home("good") / "Pickup")
    world.write_server("bad", home=real)
    world.ctl("reload")
    assert "Pickup is a symbolic link" in world.server("bad")["reason"], world.server("bad")
    (real / "Pickup").unlink()
    world.ctl("reload")
    assert world.server("bad")["state"] == "started", world.server("bad")


def scenario_a_change_to_an_impossible_home_changes_nothing(world):
    (world.directory / "occupied").write_text("not a directory")
    world.write_server()
    world.start()
    world.send("ann@local.example")
    world.write_server(home=world.directory / "occupied")
    for _ in range(2):
        world.ctl("reload")
        view = world.server()
        assert view["state"] == "started" and "occupied" in view["reason"], view
        assert view["home_directory"] == str(world.home()), view
        world.send("ann@local.example")
    (world.directory / "occupied").unlink()
    world.ctl("reload")
    assert world.server()["home_directory"] == str(world.directory / "occupied")
    assert world.server()["reason"] == "", world.server()
    world.send("ann@local.example")


def scenario_homes_that_are_one_through_links_stop_the_later(world):
    real = world.directory / "homes" / "real"
    (real / "inner").mkdir(parents=True, mode=0o700)
    (world.directory / "link").symlink_to(real)
    world.write_server("a", home=real)
    world.write_server("b", address=own_address(1), home=world.directory / "link")
    world.write_server("c", address=own_address(2), home=world.directory / "link" / "inner")
    world.start()
    assert world.server("a")["state"] == "started"
    for name in ("b", "c"):
        view = world.server(name)
        assert view["state"] == "stopped" and "not apart" in view["reason"], view
        assert "a.yaml" in view["reason"], view
    # Who runs there keeps it, whatever comes before it in name order.
    world.write_server("0-new", address=own_address(3), home=real / "inner")
    world.ctl("reload")
    assert world.server("a")["state"] == "started"
    assert world.server("0-new")["state"] == "stopped", world.server("0-new")
    world.ctl("stop", "a")
    world.ctl("start", "0-new")
    refused = world.ctl("start", "a", check=False)
    assert refused.returncode == 1 and "not apart" in refused.stderr, refused


ALL_OF_IT = "spool: { free_min: 0 B }\n"


def scenario_a_read_only_file_system_stops_one_server(world):
    place = mount_ext4(world, "volume", 64 << 20)
    run("mount", "-o", "remount,ro", place)
    view = with_good_neighbour(world, home=place / "home", text=ALL_OF_IT)
    assert view["state"] == "stopped" and str(place) in view["reason"], view
    run("mount", "-o", "remount,rw", place)
    world.ctl("start", "bad")
    world.send("ann@local.example")


def scenario_a_file_system_that_fails_refuses_mail_for_now(world):
    """Every write fails from some moment on, as on a broken disk."""
    place = mount_ext4(world, "volume", 64 << 20)
    world.write_server("bad", home=place / "home", text=ALL_OF_IT)
    world.write_server("good", address=own_address(1))
    world.start()
    world.send("ann@local.example")
    until(lambda: list((place / "home/Drop").rglob("*.eml")), "a file in Drop")
    run("mount", "-o", "remount,abort", place)
    replies = [try_to_send(world) for _ in range(10)]
    assert all(reply == "" or reply.startswith("4") for reply in replies), replies
    world.send("ann@local.example", address=own_address(1))


def scenario_a_home_that_is_taken_away_stops_its_server(world):
    view = with_good_neighbour(world)
    assert view["state"] == "started", view
    world.home("bad").rename(world.home("elsewhere"))
    until(lambda: world.server("bad")["state"] == "stopped", "the server stops")
    assert world.server("bad")["reason"], world.server("bad")
    assert not world.home("bad").exists(), "a lost home is never made anew"
    world.home("elsewhere").rename(world.home("bad"))
    world.ctl("start", "bad")
    world.send("ann@local.example")
    world.send("ann@local.example", address=own_address(1))


def fill(world, size_bytes, recipient="bob@example.org"):
    """Sends until the server has had enough; how many it took, and what it said then."""
    for number in range(100_000):
        reply = try_to_send(world, size_bytes, recipient)
        if not reply.startswith("250"):
            return number, reply
    raise AssertionError("the disk does not fill")


def fills_and_drains(world, text, size_bytes, *options, volume_bytes=48 << 20, code="452 4.3.1"):
    place = mount_ext4(world, "volume", volume_bytes, *options)
    sink = world.sink()
    sink.stop()
    world.write_server(home=place / "home", smart_host=sink.smart_host, text=text, delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [1s]\n"))
    world.start()
    accepted, reply = fill(world, size_bytes)
    assert accepted > 3, (accepted, reply)
    assert reply.startswith(code), reply
    assert len(world.queue()) == accepted
    sink.start()
    world.ctl("queue", "retry", "all")
    until(lambda: sink.count() >= accepted, "every accepted message arrives")
    assert sink.count() == accepted
    until(lambda: try_to_send(world, size_bytes).startswith("250"), "there is room again")
    sink.wait_for(accepted + 1)


def scenario_a_full_disk_is_452_and_drains(world):
    fills_and_drains(world, "spool: { free_min: 8 MiB }\n", 100_000)


def scenario_a_disk_with_no_block_left_is_452_and_drains(world):
    fills_and_drains(world, ALL_OF_IT, 100_000)


def scenario_a_disk_full_of_large_messages_is_452_and_drains(world):
    fills_and_drains(world, ALL_OF_IT, 2_000_000, volume_bytes=64 << 20, code="45")


def scenario_a_disk_without_inodes_is_452_and_drains(world):
    fills_and_drains(world, ALL_OF_IT, 30_000, "-N", "128")


def scenario_a_full_disk_survives_a_restart(world):
    place = mount_ext4(world, "volume", 48 << 20)
    sink = world.sink()
    sink.stop()
    world.write_server(home=place / "home", smart_host=sink.smart_host, text=ALL_OF_IT, delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [1s]\n"))
    world.start()
    accepted, _ = fill(world, 100_000)
    world.kill()
    sink.start()
    world.start()
    view = world.server()
    assert view["state"] == "started", view
    until(lambda: sink.count() >= accepted, "every accepted message arrives")
    world.wait_for_empty_queue()
