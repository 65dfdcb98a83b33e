"""mailrootctl server: made, shown, changed in place, renamed, deleted while mail flows."""

import json
import os
import shutil
import socket
import threading

from terminal import Terminal
from waiting import free_port, own_address, until


def ctl_command(world, *arguments):
    return [world.build / "src/mailrootctl/mailrootctl", "--config",
            world.directory / "mailroot.yaml", *arguments]


def server_ctl(world, *arguments, code=0):
    done = world.ctl("server", *arguments, check=False)
    assert done.returncode == code, (arguments, done)
    return done


def new(world, *, code=0, **answers):
    flags = {"name": "Second", "address": own_address(1), "port": world.port,
             "home": world.home("second"), "default_domain": "second.example", **answers}
    words = [str(word) for key, value in flags.items() if value is not None
             for word in ("--" + key.replace("_", "-"), value)]
    return server_ctl(world, "new", *words, "--yes", code=code)


def files(world):
    """Everything in the directory of definitions, hidden files too, with its octets."""
    top = world.directory / "virtual-servers.d"
    return {path.name: path.read_bytes() for path in top.iterdir()}


# The wizard ------------------------------------------------------------------------------------


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


# Shown -----------------------------------------------------------------------------------------


def scenario_what_is_in_force_is_shown_with_its_place(world):
    world.write_server(text="banner: hello\n")
    with socket.socket() as foreign:
        foreign.bind((own_address(1), 0))
        foreign.listen()
        world.write_server("late", address=own_address(1), port=foreign.getsockname()[1])
        world.start()
        listed = server_ctl(world, "list").stdout
        assert "in use" in listed and f"process {os.getpid()}" in listed, listed
    [shown] = world.ctl_json("server", "show", "default")
    properties = {entry["key"]: entry for entry in shown["properties"]}
    assert properties["banner"]["line"] == 7 and not properties["banner"]["is_default"], shown
    assert properties["banner"]["file"] == str(world.server_file())
    assert properties["messages.size_limit"]["is_default"]
    assert properties["messages.size_limit"]["value"] == "50 MiB"
    assert shown["state"] == "started" and shown["listening"], shown
    text = server_ctl(world, "show", "default").stdout
    assert f"{world.server_file()}:7" in text and "default\n" in text, text
    assert "messages.size_limit" in server_ctl(world, "keys", "size").stdout
    assert {line["id"] for line in world.ctl_json("server", "list")} == {"default", "late"}
    unknown = server_ctl(world, "show", "zebra", code=1)
    assert "zebra" in unknown.stderr and "default, late" in unknown.stderr, unknown
    # The running daemon tells where its files are.
    done = world.ctl("server", "list")
    assert "started" in done.stdout


def scenario_states_by_the_server_command(world):
    world.write_server()
    world.start()
    for verb, state in (("pause", "paused"), ("continue", "started"), ("stop", "stopped"),
                        ("start", "started")):
        server_ctl(world, verb, "default")
        [line] = world.ctl_json("server", "list")
        assert line["state"] == state, (verb, line)


# Changed in place ------------------------------------------------------------------------------


HAND_WRITTEN = """\
# Ann's relay.  Ask before you touch it!
name:   'Office'      # as on the door
bindings:
    - {{ address: "{address}", port: {port} }}   # the only one

default_domain: local.example
fqdn: mx.local.example     # has a PTR
home_directory: {home}
banner: "hello"            # to all
access:
    relay:
        # the two offices
        allow:
            - 127.0.0.0/8      # us
            - "::1"

messages: {{ size_limit: 20 MiB, recipients_limit: 50 }}   # enough
"""


def write_by_hand(world, returns=False):
    text = HAND_WRITTEN.format(address=world.address, port=world.port, home=world.home())
    world.server_file().write_bytes(text.replace("\n", "\r\n" if returns else "\n").encode())


def expect_change(world, before, changed):
    """These lines are new or different; all others are the same octets."""
    after = world.server_file().read_bytes().splitlines(keepends=True)
    old = before.splitlines(keepends=True)
    gone = [line.strip() for line in old if line not in after]
    come = [line.strip().decode() for line in after if line not in old]
    assert len(gone) <= max(1, len(changed)), (gone, come)
    assert sorted(come) == sorted(changed), come
    assert [line for line in old if line in after] == [line for line in after if line in old]
    return b"".join(after)


class Traffic(threading.Thread):
    """Sends without a pause; every failure is kept."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.ending = world, threading.Event()
        self.sent, self.failures = 0, []

    def run(self):
        while not self.ending.is_set():
            try:
                self.world.send("ann@local.example")
                self.sent += 1
            except Exception as problem:  # all of them are failures of the server
                self.failures.append(repr(problem))

    def end(self):
        self.ending.set()
        self.join()
        assert self.failures == [] and self.sent > 0, (self.sent, self.failures[:5])


def changes_in_place(world, returns):
    write_by_hand(world, returns)
    world.start()
    session = world.raw()
    session.hello()
    traffic = Traffic(world)
    traffic.start()
    text = world.server_file().read_bytes()
    steps = [
        (("set", "default", "banner", "new: banner"),
         ['banner: "new: banner"            # to all']),
        (("rename", "default", "Front", "office"),
         ["name:   'Front office'      # as on the door"]),
        (("set", "default", "messages.size_limit", "30", "MiB"),
         ["messages: { size_limit: 30 MiB, recipients_limit: 50 }   # enough"]),
        (("set", "default", "access.relay.allow", "--add", "10.0.0.0/8"), ["- 10.0.0.0/8"]),
        (("set", "default", "access.relay.allow", "--remove", "::1/128"), []),
        (("set", "default", "delivery.outbound.port", "2525"),
         ["delivery:", "outbound:", "port: 2525"]),
        (("set", "default", "delivery.hop_limit", "40"), ["hop_limit: 40"]),
        (("set", "default", "delivery.hop_limit", "--default"), []),
        (("set", "default", "delivery.smart_host", "[192.0.2.7]"),
         ['smart_host: ["[192.0.2.7]"]']),
    ]
    for command, changed in steps:
        done = server_ctl(world, *command)
        assert "is written" in done.stdout, done
        text = expect_change(world, text, changed)
    again = server_ctl(world, *steps[0][0])
    assert "nothing to change" in again.stdout, again
    assert (text.count(b"\r\n") == text.count(b"\n")) == returns
    traffic.end()
    session.expect(b"NOOP\r\n", "250")
    client = world.raw()
    assert "new: banner" in client.reply()
    assert "SIZE 31457280" in client.ask(b"EHLO client.example\r\n")
    [view] = world.ctl_json("servers")
    assert view["name"] == "Front office", view


def scenario_a_hand_written_file_is_changed_in_place(world):
    changes_in_place(world, returns=False)


def scenario_a_hand_written_file_from_windows_is_changed_in_place(world):
    changes_in_place(world, returns=True)


def scenario_a_bad_value_changes_nothing(world):
    write_by_hand(world)
    world.write_server("other", address=own_address(1))
    world.start()
    before = files(world)
    for words, said in (
            (("messages.size_limit", "plenty"), ["default.yaml:17:25: messages.size_limit:",
                                                 "1 KiB to 1 TiB"]),
            (("messages.recipients_limit", "-1"), ["default.yaml:17:51:", "1 to 1000000"]),
            (("access.relay.allow", "--add", "10.0.0.0/33"), ["default.yaml:16:15:",
                                                              "access.relay.allow[2]"]),
            (("mesages.size_limit", "1"), ["no key", "did you mean messages.size_limit"]),
            (("name", "--add", "x"), ["is no list"]),
            (("bindings", "--add", f"{own_address(1)}:{world.port}"), ["other.yaml:2:12"]),
            (("bindings", "--add", "192.0.2.1:25"), ["not on this machine"]),
            (("bindings", "--remove", f"{world.address}:{world.port}"), ["list of bindings, 1"]),
            (("home_directory", str(world.home("other") / "in")), ["not apart"]),
            (("default_domain", "a", "b"), ["default_domain: wrong value"]),
            (("access.tls", "x"), ["not available in this version"]),
            (("domains", "--remove", "local.example"), ["is the default domain"]),
            (("domains", "--add", "local.example", "type=alias"), ["needs no entry"])):
        done = server_ctl(world, "set", "default", *words, code=1)
        for word in said + ["nothing was changed"]:
            assert word in done.stderr, (words, word, done.stderr)
        assert files(world) == before, words
    assert world.events("reload") == world.events("reload")[:1], "nothing was reloaded"
    # What only this machine says can be overruled.
    server_ctl(world, "set", "default", "bindings", "--add", "192.0.2.1:25", "--force", code=1)
    view = world.server()
    assert view["state"] == "started" and "192.0.2.1" in view["reason"], view


def scenario_files_that_cannot_be_changed_safely(world):
    write_by_hand(world)
    good = world.server_file().read_text()
    world.start()
    for bad, words, said in (
            (good.replace("size_limit: 20 MiB", "size_limit: &s 20 MiB") +
             "drop: { quota: *s }\n", ("messages.size_limit", "1 MiB"),
             ["default.yaml:17:13: messages.size_limit:", "anchor (&)", "by hand"]),
            (good.replace("size_limit: 20 MiB", "size_limit: &s 20 MiB") +
             "drop: { quota: *s }\n", ("drop.quota", "1 MiB"),
             ["default.yaml:18:9: drop.quota:", "copy (*alias)", "by hand"]),
            (good.replace("name:   'Office'", "name: >-\n  Office\n#"), ("name", "x"),
             ["default.yaml:2:1: name:", "by hand"]),
            (good.replace("    relay:", "\trelay:"), ("name", "x"),
             ["default.yaml:11:1: a tab in the indentation"])):
        world.server_file().write_text(bad)
        done = server_ctl(world, "set", "default", *words, code=1)
        for word in said:
            assert word in done.stderr, (words, word, done.stderr)
        assert world.server_file().read_text() == bad
    # Anchors elsewhere are no obstacle.
    world.server_file().write_text(
        good.replace("size_limit: 20 MiB", "size_limit: &s 20 MiB") + "drop: { quota: *s }\n")
    server_ctl(world, "set", "default", "banner", "x")
    assert "&s 20 MiB" in world.server_file().read_text()


def scenario_the_default_domain_is_renamed_and_kept_as_an_alias(world):
    world.write_server(text="domains:\n  - { name: next.example, type: alias }   # soon\n")
    world.start()
    world.send("ann@local.example")
    refused = server_ctl(world, "set", "default", "banner", "x", "--keep-old-as-alias", code=1)
    assert "default_domain" in refused.stderr, refused
    server_ctl(world, "set", "default", "default_domain", "next.example", "--keep-old-as-alias")
    text = world.server_file().read_text()
    assert "default_domain: next.example\n" in text, text
    assert "{ name: local.example, type: alias }" in text and "# soon" not in text, text
    world.send("bob@next.example")
    world.send("cal@local.example")
    until(lambda: len(world.mail_files("Drop")) == 3, "three files in Drop")
    server_ctl(world, "set", "default", "default_domain", "third.example")
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<ann@elsewhere.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@third.example>\r\n", "250")
    assert "next.example" not in world.server_file().read_text()


# Deleted ---------------------------------------------------------------------------------------


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
