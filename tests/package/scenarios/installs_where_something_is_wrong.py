"""Installation succeeds, and says what is left to do."""

from machine import until

SERVER_FILE = "/etc/mailroot/virtual-servers.d/default.yaml"
HOLDER = """
import socket, time
holder = socket.create_server(("0.0.0.0", 25))
while True:
    time.sleep(60)
"""


def scenario_port_25_is_taken_and_the_machine_has_no_domain(stage):
    machine = stage.machine(hostname="lonely", hosts="")
    holder = machine.background("python3", "-c", HOLDER)
    try:
        until(lambda: ":25 " in machine.do("ss", "-ltn"), "somebody has port 25")
        said = machine.install(stage.packages.mailroot)
        assert machine.is_active(), said
        assert "Before it serves as you wish" in said, said
        assert "python3" in said, f"who has the port is not said: {said}"
        assert "lonely.localdomain" in said, f"the missing domain is not said: {said}"
        assert "0 of 1 virtual servers listening" in machine.unit("StatusText")["StatusText"]
    finally:
        holder.kill()
        holder.wait()
        machine.try_("pkill", "-x", "python3")
    until(lambda: "1 of 1" in machine.unit("StatusText")["StatusText"], "it starts by itself")
    assert machine.banner().startswith("220 lonely.localdomain"), machine.banner()


def scenario_answers_that_are_wrong_are_named_and_left_out(stage):
    machine = stage.machine()
    machine.answer(("domain", "string", "not a domain"),
                   ("relay_networks", "string", "10.0.0.0/99 $(touch /root/evil) *"),
                   ("smart_host", "string", "`touch /root/evil`"))
    said = machine.install(stage.packages.mailroot)
    assert machine.is_active(), said
    for key in ("default_domain", "access.relay.allow", "delivery.smart_host"):
        assert f"mailrootctl server set default {key}" in said, said
    assert not machine.path("/root/evil").exists()
    assert "1 of 1" in machine.unit("StatusText")["StatusText"]
    assert "default_domain: auto" in machine.path(SERVER_FILE).read_text()


def scenario_without_an_answer_nobody_but_this_machine_may_relay(stage):
    machine = stage.machine()
    machine.install(stage.packages.mailroot)
    given = machine.path("/usr/share/mailroot/default.yaml").read_text()
    text = machine.path(SERVER_FILE).read_text()
    assert text.replace('"::1/128"', "") == given.replace('"::1/128"', "")
    assert 'allow: [127.0.0.0/8, "::1/128"]' in text
    assert machine.banner().startswith("220 relay.here.example"), machine.banner()


def scenario_a_file_of_the_administrator_from_before_is_respected(stage):
    machine = stage.machine()
    file = machine.path(SERVER_FILE)
    file.parent.mkdir(parents=True)
    file.write_text("bindings: [{ address: 127.0.0.1, port: 2525 }]\n")
    machine.answer(("domain", "string", "other.example"))
    machine.install(stage.packages.mailroot)
    assert file.read_text() == "bindings: [{ address: 127.0.0.1, port: 2525 }]\n"
    assert machine.is_active()
    assert machine.banner(2525).startswith("220 ")


def scenario_a_broken_file_does_not_make_an_upgrade_fail(stage):
    """The service is down then, as it would be after any restart; dpkg is not, and it is said."""
    machine = stage.machine()
    machine.install(stage.packages.mailroot)
    file = machine.path(SERVER_FILE)
    good = file.read_text()
    file.write_text(good + "no_such: 1\n")
    deb, _ = stage.packages.newer()
    said = machine.install(deb)
    assert "no_such" in said, said
    assert not machine.is_active()
    # Nothing but the file has to be mended: systemd tries again.
    file.write_text(good)
    until(machine.is_active, "it starts when the file is mended")


def scenario_without_io_uring_epoll_serves(stage):
    machine = stage.machine()
    machine.do("sh", "-c", "mkdir -p /etc/systemd/system/mailroot.service.d && printf '%s\\n' "
               "'[Service]' 'SystemCallFilter=~io_uring_setup' > "
               "/etc/systemd/system/mailroot.service.d/no-ring.conf")
    machine.install(stage.packages.mailroot)
    [status] = machine.ctl_json("status")
    assert status["io"].startswith("epoll"), status
    machine.send("bob@relay.here.example")
