"""--check and starting: wrong files are refused with file, line and reason; a second daemon too."""

import json
import os
import socket
import subprocess

from waiting import WAIT_SECONDS, own_address, until


def check(world):
    done = subprocess.run([*world.command(), "--check"], capture_output=True, text=True,
                          timeout=WAIT_SECONDS)
    by_ctl = world.ctl("check", check=False)
    assert by_ctl.returncode == done.returncode, (by_ctl, done)
    return done


def scenario_a_good_configuration_is_0(world):
    world.write_server()
    assert check(world).returncode == 0


def scenario_a_wrong_one_is_1_and_all_mistakes_are_told(world):
    world.write_server(text="messages: { size_limit: 5 parsecs }\nbaner: hi\n")
    world.write_server("other", port=70000)
    done = check(world)
    assert done.returncode == 1, done
    for word in ("default.yaml:", "messages.size_limit", "5 parsecs", "baner", "banner",
                 "other.yaml:", "70000"):
        assert word in done.stderr, (word, done.stderr)


def scenario_a_clash_is_2(world):
    world.write_server("a")
    world.write_server("b")
    done = check(world)
    assert done.returncode == 2, done
    assert "a.yaml" in done.stderr and "b" in done.stderr, done.stderr


def scenario_a_shared_home_is_2(world):
    world.write_server("a")
    world.write_server("b", address=own_address(1), home=world.home("a"))
    done = check(world)
    assert done.returncode == 2 and "home_directory" in done.stderr, done


def scenario_a_missing_file_is_1(world):
    (world.directory / "mailroot.yaml").unlink()
    done = check(world)
    assert done.returncode == 1 and "mailroot.yaml" in done.stderr, done


def scenario_a_port_of_another_program_is_2_and_names_it(world):
    with socket.socket() as foreign:
        foreign.bind((world.address, world.port))
        foreign.listen()
        world.write_server()
        done = check(world)
        assert done.returncode == 2, done
        for word in ("default.yaml:2:12", f"port {world.port}", "in use by",
                     f"process {os.getpid()}"):
            assert word in done.stderr, (word, done.stderr)
    assert check(world).returncode == 0


def scenario_the_ports_of_the_running_daemon_are_no_obstacle(world):
    world.write_server()
    world.start()
    session = world.raw()
    session.hello()
    assert check(world).returncode == 0
    # Nor is anything disturbed by the question.
    session.message(b"Subject: x\r\n\r\nx\r\n", recipient="ann@local.example")
    assert len(world.ctl_json("servers")) == 1
    other = other_instance(world)
    command = [*world.command()[:2], other / "mailroot.yaml", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert done.returncode == 2 and "mailrootd" in done.stderr, done


def scenario_an_address_that_is_not_here_is_2(world):
    world.write_server(address="192.0.2.77")
    done = check(world)
    assert done.returncode == 2 and "192.0.2.77 is not on this machine" in done.stderr, done


def scenario_a_home_that_cannot_be_is_2(world):
    (world.directory / "occupied").write_text("not a directory")
    for home in (world.directory / "occupied", world.directory / "occupied" / "below"):
        world.write_server(home=home)
        done = check(world)
        assert done.returncode == 2 and "is not a directory" in done.stderr, done
    world.write_server(home="/proc/mailroot")
    done = check(world)
    assert done.returncode in (0, 2), done
    assert not (world.directory / "homes").exists(), "a check makes no directory"


def refuses_to_start(world):
    done = subprocess.run(world.command(), capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert done.returncode == 1, done
    return done.stderr


def scenario_the_daemon_does_not_start_with_wrong_files(world):
    world.write_server(text="messages: { size_limit: 5 parsecs }\n")
    text = refuses_to_start(world)
    assert "default.yaml:" in text and "size_limit" in text and "--check" in text, text


def scenario_a_second_daemon_on_the_same_socket_is_refused(world):
    world.write_server()
    world.start()
    text = refuses_to_start(world)
    assert "control.sock" in text, text
    world.send("ann@local.example")
    assert world.ctl("status").returncode == 0


def other_instance(world, **server):
    """A second configuration in a directory of its own, made from the first."""
    other = world.directory / "second"
    (other / "virtual-servers.d").mkdir(parents=True)
    (other / "mailroot.yaml").write_text((world.directory / "mailroot.yaml").read_text())
    world.write_server("guest", **server)
    world.server_file("guest").rename(other / "virtual-servers.d/guest.yaml")
    return other


def start_other(world, other):
    command = world.command()
    command[2] = other / "mailroot.yaml"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    world.processes.append(process)
    return process


def states_of(world, other):
    """What the second daemon's mailrootctl says, once it answers."""
    command = [world.build / "src/mailrootctl/mailrootctl", "--socket", other / "control.sock",
               "--json", "servers"]
    views = until(lambda: subprocess.run(command, capture_output=True, text=True,
                                         timeout=WAIT_SECONDS).stdout, "the second daemon answers")
    return [json.loads(line) for line in views.splitlines()]


def scenario_a_second_daemon_does_not_share_a_port(world):
    world.write_server()
    world.start()
    other = other_instance(world)
    second = start_other(world, other)
    [view] = states_of(world, other)
    assert view["state"] == "stopped" and "in use" in view["reason"], view
    second.terminate()
    assert second.wait(WAIT_SECONDS) == 0
    for _ in range(10):
        world.send("ann@local.example")
    assert len(world.wait_for_event("accepted", 10)) == 10


def scenario_a_second_daemon_does_not_share_a_home(world):
    world.write_server()
    world.start()
    other = other_instance(world, address=own_address(1), home=world.home())
    second = start_other(world, other)
    [view] = states_of(world, other)
    assert view["state"] == "stopped" and str(world.home()) in view["reason"], view
    second.terminate()
    assert second.wait(WAIT_SECONDS) == 0
    world.send("ann@local.example")


def scenario_without_virtual_servers_the_built_in_default_says_so(world):
    done = check(world)
    assert done.returncode in (0, 2), done
    assert "built-in default" in done.stdout + done.stderr, done


def scenario_check_asks_a_running_daemon_for_its_files(world):
    """Without --config; mailrootctl's --socket says which instance is meant."""
    world.write_server()
    world.start()
    command = [world.build / "src/mailrootctl/mailrootctl", "--socket",
               world.directory / "control.sock", "check"]

    def run():
        return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert run().returncode == 0, run()
    world.write_server(text="nonsense: 1\n")
    done = run()
    assert done.returncode == 1 and f"{world.server_file()}:" in done.stderr, done
