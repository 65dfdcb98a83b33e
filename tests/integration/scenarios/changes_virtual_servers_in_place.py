"""mailrootctl server list, show, set, rename: files are changed in place while mail flows."""

import json
import os
import pathlib
import socket
import subprocess
import threading

from admin import files, server_ctl
from waiting import WAIT_SECONDS, own_address, until

COMPLETIONS = pathlib.Path(__file__).parents[3] / "packaging/completions/mailrootctl"


def scenario_what_is_in_force_is_shown_with_its_place(world):
    world.write_server(text="banner: hello\n")
    with socket.socket() as foreign:
        foreign.bind((own_address(1), 0))
        foreign.listen()
        world.write_server("late", address=own_address(1), port=foreign.getsockname()[1])
        world.start()
        listed = server_ctl(world, "list").stdout
        assert "in use" in listed and f"process {os.getpid()}" in listed, listed
        # What was wrong before is no fault of another change.
        server_ctl(world, "set", "late", "banner", "x")
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
    done = subprocess.run([world.build / "src/mailrootctl/mailrootctl", "--socket",
                           world.directory / "control.sock", "--json", "server", "show", "default"],
                          capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert json.loads(done.stdout)["file"] == str(world.server_file()), done


def complete(world, *words):
    """What bash offers for the last of the words."""
    script = (f"source {COMPLETIONS}; COMP_WORDS=({' '.join(words)} \"${{1:-}}\"); "
              f"COMP_CWORD={len(words)}; _mailrootctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    environment = {**os.environ, "PATH": f"{world.build / 'src/mailrootctl'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script, "bash"], capture_output=True, text=True,
                          env=environment, timeout=WAIT_SECONDS)
    return done.stdout.split()


def scenario_bash_completes_commands_servers_and_keys(world):
    world.write_server()
    world.write_server("other", address=own_address(1))
    config = ["--config", str(world.directory / "mailroot.yaml")]
    assert "server" in complete(world, "mailrootctl")
    assert {"new", "set", "delete"} <= set(complete(world, "mailrootctl", "server"))
    assert complete(world, "mailrootctl", *config, "server", "set") == ["default", "other"]
    keys = complete(world, "mailrootctl", *config, "server", "set", "other")
    assert {"name", "messages.size_limit", "domains"} <= set(keys), keys


def scenario_states_by_the_server_command(world):
    world.write_server()
    world.start()
    for verb, state in (("pause", "paused"), ("continue", "started"), ("stop", "stopped"),
                        ("start", "started")):
        server_ctl(world, verb, "default")
        [line] = world.ctl_json("server", "list")
        assert line["state"] == state, (verb, line)


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
            (("access.proxy_protocol", "x"), ["access.proxy_protocol[0]: wrong value"]),
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


def scenario_a_change_of_home_tells_what_stays_in_the_old_one(world):
    world.write_server(smart_host="[127.0.0.1]:1")
    world.start()
    world.send("bob@example.org")
    until(lambda: len(world.queue()) == 1, "mail that waits")
    done = server_ctl(world, "set", "default", "home_directory", "../homes/elsewhere")
    assert (f"{world.home()} stays, with 1 files of mail (Pickup 0, Queue 1, Drop 0, Badmail 0)"
            in done.stdout), done
    # What was told is the way back.
    done = server_ctl(world, "set", "default", "home_directory", str(world.home()))
    assert "elsewhere stays, with 0 files of mail" in done.stdout, done
    until(lambda: len(world.queue()) == 1, "mail that waits again")
