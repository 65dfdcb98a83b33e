"""mailrootctl server new and delete: the wizard by flags and at a terminal; what is left of one."""

import json
import os
import shutil
import socket
import threading

from admin import ctl_command, files, new, server_ctl
from terminal import Terminal
from waiting import free_port, own_address, until


def scenario_a_server_made_by_flags_runs(world):
    world.write_server()
    world.start()
    done = new(world, name="Sales & Support")
    assert "sales-support.yaml is written" in done.stdout, done
    assert "virtual server sales-support is started" in done.stdout, done
    text = world.server_file("sales-support").read_text()
    assert 'name: "Sales & Support"' in text and text.count("#") > 5, text
    world.send("ann@second.example", address=own_address(1))
    world.wait_for_event("accepted", server="sales-support")
    until(lambda: world.mail_files("Drop", "second"), "a file in Drop")
    # The same name again is another id; the same address is not had twice.
    done = new(world, name="Sales & Support", home=world.home("third"), code=1)
    assert "belongs to virtual server sales-support" in done.stderr, done
    assert "sales-support.yaml:" in done.stderr, done
    new(world, name="Sales & Support", address=own_address(2), home=world.home("third"))
    assert world.server("sales-support-2")["state"] == "started"
    assert server_ctl(world, "new", "--id", "sales-support", "--name", "x", "--address",
                      own_address(3), "--port", str(world.port), "--home",
                      str(world.home("fourth")), "--default-domain", "auto", "--yes",
                      code=1).stderr.count("is there already") == 1


def scenario_wrong_flags_write_nothing(world):
    world.write_server()
    world.start()
    (world.directory / "occupied").write_text("")
    before = files(world)
    with socket.socket() as foreign:
        foreign.bind((own_address(2), 0))
        foreign.listen()
        for answers, words in (
                ({"address": "192.0.2.77"}, ["not an address of this machine", "127.0.0.1"]),
                ({"address": "0.0.0.0"}, ["all-unassigned"]),
                ({"address": "*"}, ["all-unassigned"]),
                ({"address": world.address}, ["belongs to virtual server default",
                                              "default.yaml:2:12"]),
                ({"address": own_address(2), "port": foreign.getsockname()[1]},
                 ["in use by", f"process {os.getpid()}"]),
                ({"port": "0"}, ["integer, 1 to 65535"]),
                ({"port": "smtp"}, ["integer, 1 to 65535"]),
                ({"home": world.home()}, ["not apart", "default.yaml"]),
                ({"home": world.home() / "inner"}, ["not apart"]),
                ({"home": world.directory / "homes"}, ["not apart"]),
                ({"home": world.directory / "occupied"}, ["is not a directory"]),
                ({"default_domain": "-x.example"}, ["Default domain", "domain name"]),
                ({"default_domain": "*.example"}, ["Default domain"]),
                ({"id": "../x"}, ["an id is the name of a file"]),
                ({"id": "default"}, ["is there already"]),
                ({"name": None}, ["no terminal", "--name"]),
                ({"home": None, "port": None}, ["missing: --port --home"])):
            done = new(world, code=1, **answers)
            for word in words:
                assert word in done.stderr, (answers, word, done.stderr)
            assert files(world) == before, answers
    assert len(world.ctl_json("servers")) == 1


def scenario_the_wizard_at_a_terminal(world):
    world.write_server()
    world.start()
    (world.directory / "link").symlink_to(world.home())
    terminal = Terminal(ctl_command(world, "server", "new"))
    terminal.answer("Name", "?")
    terminal.expect("Free text for people")
    assert terminal.suggestion("Name") == "SMTP Virtual Server 2"
    terminal.type("Branch office")
    assert "127.0.0.1" in terminal.expect("IP address"), terminal.seen
    terminal.answer("", "192.0.2.77")
    terminal.expect("192.0.2.77 is not an address of this machine; this machine has: ")
    terminal.answer("IP address", "any")
    terminal.expect("every address has one name here")
    terminal.answer("IP address", world.address)
    terminal.answer("TCP port", str(world.port))
    terminal.expect("belongs to virtual server default, \"default\" (")
    terminal.expect("default.yaml:2:12)")
    terminal.answer("TCP port", "65536")
    terminal.expect("integer, 1 to 65535")
    port = free_port()
    terminal.answer("TCP port", str(port))
    assert terminal.suggestion("Home directory") == str(world.home("branch-office"))
    terminal.type(str(world.directory / "link" / "inner"))
    terminal.expect("not apart")
    terminal.answer("Home directory", "")
    terminal.answer("Default domain", "branch..example")
    terminal.expect("domain name")
    terminal.answer("Default domain", "branch.example")
    summary = terminal.expect("Make it? [Y/n] ")
    for word in ("Branch office", "branch-office.yaml", f"{world.address}, {port}",
                 str(world.home("branch-office")), "branch.example", "for nobody"):
        assert word in summary, (word, summary)
    assert not world.server_file("branch-office").exists()
    terminal.type("")
    terminal.expect("virtual server branch-office is started")
    assert terminal.wait() == 0, terminal.seen
    world.send("ann@branch.example", port=port)
    world.wait_for_event("accepted", server="branch-office")


QUESTIONS = [("Name", "Half done"), ("IP address", None), ("TCP port", None),
             ("Home directory", ""), ("Default domain", ""), ("Make it?", None)]


def leave_at(world, number, leave):
    terminal = Terminal(ctl_command(world, "server", "new"))
    answers = {"IP address": own_address(1), "TCP port": str(world.port)}
    for question, answer in QUESTIONS[:number]:
        terminal.answer(question, answers.get(question, answer))
    terminal.expect(QUESTIONS[number][0])
    terminal.expect("] " if number == 5 else "]: ")
    leave(terminal)
    return terminal.wait(), terminal.seen


def scenario_whoever_leaves_the_wizard_leaves_no_trace(world):
    world.write_server()
    world.start()
    before = files(world)
    for number in range(len(QUESTIONS)):
        code, seen = leave_at(world, number, Terminal.interrupt)
        assert code == 130 and "Nothing was written" in seen, (number, code, seen)
        code, seen = leave_at(world, number, Terminal.end_of_file)
        assert code == 1 and "nothing was written" in seen, (number, code, seen)
        code, _ = leave_at(world, number, Terminal.hang_up)
        assert code != 0, number
        assert files(world) == before, number
        assert not world.home("half-done").exists(), number
    code, seen = leave_at(world, 5, lambda terminal: terminal.type("n"))
    assert code == 1 and "nothing was written" in seen, seen
    assert files(world) == before
    assert len(world.ctl_json("servers")) == 1


def scenario_the_first_server_takes_the_place_of_the_built_in_one(world):
    port = free_port("0.0.0.0")
    listed = server_ctl(world, "list", code=2)
    assert "built-in default" in listed.stdout and "not running" in listed.stderr, listed
    assert "built-in default" in server_ctl(world, "rename", "default", "x", code=1).stderr
    assert "built-in default" in server_ctl(world, "delete", "default", "--yes", code=1).stderr
    new(world, name="First", address="all-unassigned", port=port, home="../homes/first")
    assert world.server_file("default").exists(), "the first one is the default"
    world.start()
    world.send("ann@second.example", port=port)
    until(lambda: world.mail_files("Drop", "first"), "a file in Drop, the home beside the file")


def scenario_a_deleted_server_leaves_its_mail_and_lets_sessions_end(world):
    world.write_server()
    world.write_server("gone", address=own_address(1), delivery="retry_intervals: [60m]\n",
                       smart_host=f"[{world.address}]:1")
    world.start()
    world.send("ann@local.example", address=own_address(1))
    world.send("bob@example.org", address=own_address(1))
    until(lambda: world.mail_files("Drop", "gone"), "a file in Drop")
    world.wait_for_event("deferred")
    client = world.raw(address=own_address(1))
    client.hello()
    client.begin("ann@local.example")
    client.expect(b"DATA\r\n", "354")
    client.send(b"Subject: last\r\n\r\ntext\r\n")
    before = world.server_file("gone").read_bytes()
    for refused in (("default", "--yes"), ("gone",), ("zebra", "--yes")):
        server_ctl(world, "delete", *refused, code=1)
    assert world.server("gone")["state"] == "started"
    finish = threading.Timer(0.5, client.send, [b".\r\n"])
    finish.start()
    done = server_ctl(world, "delete", "gone", "--yes")
    assert "kept as" in done.stdout and "gone.yaml.deleted" in done.stdout, done
    assert "Queue 1" in done.stdout and f"{world.home('gone')} stays" in done.stdout, done
    replies = client.rest()
    assert replies.startswith(b"250") or replies.startswith(b"421"), replies
    accepted = 2 if replies.startswith(b"250") else 1
    assert f"Drop {accepted}" in done.stdout, (done.stdout, replies)
    assert [view["id"] for view in world.ctl_json("servers")] == ["default"]
    assert len(world.mail_files("Queue", "gone")) == 1
    world.send("ann@local.example")
    # It can be taken back, with its mail.
    kept = world.directory / "virtual-servers.d" / "gone.yaml.deleted"
    assert kept.read_bytes() == before
    kept.rename(world.server_file("gone"))
    world.ctl("reload")
    assert world.server("gone")["queue"]["messages"] == 1
    server_ctl(world, "delete", "gone", "--yes")
    shutil.copy(kept, world.server_file("gone"))
    world.ctl("reload")
    assert "gone.yaml.deleted.1" in server_ctl(world, "delete", "gone", "--yes").stdout


def scenario_a_delete_asks_at_a_terminal(world):
    world.write_server()
    world.write_server("gone", address=own_address(1))
    terminal = Terminal(ctl_command(world, "server", "delete", "gone"))
    terminal.expect("Delete it? [y/N] ")
    terminal.type("")
    terminal.expect("nothing was deleted")
    assert terminal.wait() == 1 and world.server_file("gone").exists()
    terminal = Terminal(ctl_command(world, "server", "delete", "gone"))
    terminal.expect(str(world.home("gone")))
    terminal.expect("Delete it? [y/N] ")
    terminal.type("y")
    terminal.expect("mailrootd was not told")
    assert terminal.wait() == 0 and not world.server_file("gone").exists()


def scenario_the_only_server_is_not_deleted(world):
    world.write_server("single")
    done = server_ctl(world, "delete", "single", "--yes", code=1)
    assert "only virtual server" in done.stderr and world.server_file("single").exists(), done


def scenario_answers_as_json(world):
    world.write_server()
    world.start()
    made = json.loads(world.ctl("--json", "server", "new", "--name", "x", "--address",
                                own_address(1), "--port", str(world.port), "--home",
                                str(world.home("x")), "--default-domain", "x.example",
                                "--yes").stdout)
    assert made["id"] == "x" and made["reload"]["state"] == "started", made
    changed = json.loads(world.ctl("--json", "server", "set", "x", "banner", "hi").stdout)
    assert changed["changes"] == [{"key": "banner", "before": '""', "after": "hi",
                                   "seen": "new sessions"}], changed
    deleted = json.loads(world.ctl("--json", "server", "delete", "x", "--yes").stdout)
    assert deleted["mail"] == {"Pickup": 0, "Queue": 0, "Drop": 0, "Badmail": 0}, deleted
    [line] = world.ctl_json("server", "list")
    assert line["file"] == str(world.server_file()), line
    assert any(key["key"] == "banner" for key in world.ctl_json("server", "keys"))
