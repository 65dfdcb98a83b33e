"""mailrootctl top: live figures; the terminal is given back as it was."""

import fcntl
import os
import signal
import struct
import termios

from terminal import Terminal
from waiting import until

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


def top(world):
    terminal = Terminal(world.ctl_command("top", "--interval", "0.2"))
    terminal.expect("SERVER")
    assert ENTER in terminal.seen
    return terminal


def echoes(terminal):
    return bool(termios.tcgetattr(terminal.master)[3] & termios.ECHO)


def scenario_without_a_daemon(world):
    world.write_server()
    assert world.ctl("top", "--once", check=False).returncode == 2
    assert world.ctl("top", "--interval", "0", check=False).returncode != 0


def scenario_frames_for_programs(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send()
    sink.wait_for(1)
    text = world.ctl("top", "--interval", "0.2").stdout
    assert "\x1b" not in text and "default" in text and text.count("IN/S") == 1, text
    lines = world.ctl_json("top", "--interval", "0.2", "--count", "3")
    assert len(lines) == 3 and lines[0]["servers"][1]["id"] == "default", lines
    assert lines[0]["interval_seconds"] >= 0.2
    sink.stop()
    world.send("eve@slow.example")
    until(lambda: world.ctl_json("top", "--once", "--interval", "0.1")[0]["destinations"],
          "the destination is shown")
    [frame] = world.ctl_json("top", "--once", "--interval", "0.1")
    assert frame["servers"][0]["queued"] == 1, frame


def scenario_q_quits(world):
    world.write_server()
    world.start()
    terminal = top(world)
    assert not echoes(terminal)
    os.write(terminal.master, b"q")
    terminal.expect(LEAVE)
    assert echoes(terminal), "as it was"
    assert terminal.wait() == 0


def scenario_signals_give_the_terminal_back(world):
    world.write_server()
    world.start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        terminal = top(world)
        os.kill(terminal.pid, number)
        terminal.expect(LEAVE)
        assert echoes(terminal), number
        assert terminal.wait() == 0
    # The daemon does not answer.
    terminal = top(world)
    world.daemon.send_signal(signal.SIGSTOP)
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.expect(LEAVE)
    terminal.wait()
    world.daemon.send_signal(signal.SIGCONT)


def scenario_another_size_and_a_daemon_that_goes(world):
    world.write_server()
    world.start()
    terminal = top(world)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 30, 0, 0))
    os.kill(terminal.pid, signal.SIGWINCH)
    terminal.expect("SERVER               STATE    \x1b[K")
    world.stop()
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    terminal.expect("! ")
    world.start()
    terminal.expect("default")
    terminal.hang_up()
    assert terminal.wait() in (0, 1, -signal.SIGHUP)
