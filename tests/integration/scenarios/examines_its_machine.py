"""mailrootctl doctor: what of the machine hinders mail, with the remedy."""

import json
import os
import socket
import threading

import dns_server
from waiting import free_port, own_address
from world import Skipped


def examine(world, *arguments):
    """Exit code and findings, by topic."""
    done = world.ctl("--json", "doctor", *arguments, check=False)
    assert done.returncode in (0, 1, 2), (done.returncode, done.stderr)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    worst = max(["ok", "warning", "problem"].index(f["grade"]) for f in findings)
    assert done.returncode == worst, (done.returncode, findings)
    for finding in findings:
        assert bool(finding["remedy"]) == (finding["grade"] != "ok"), finding
    return findings


def of(findings, topic, subject=None):
    [found] = [f for f in findings if f["topic"] == topic and subject in (None, f["subject"])]
    return found


def scenario_a_daemon_that_is_down_and_wrong_files_are_told(world):
    world.write_server()
    done = world.ctl("doctor", "--to", "bad host", check=False)
    assert done.returncode == 3 and "takes a host" in done.stderr, done
    findings = examine(world)
    assert of(findings, "daemon")["grade"] == "problem"
    assert of(findings, "port")["text"] == "free"
    assert not world.home().exists(), "doctor makes nothing"
    world.write_server(text="nonsense: 1\n")
    findings = examine(world)
    assert "nonsense" in of(findings, "configuration")["text"]
    assert of(findings, "clock")["grade"] in ("ok", "warning")


def scenario_a_port_of_another_program_is_told(world):
    world.write_server()
    with socket.create_server((world.address, world.port)):
        world.start()
        findings = examine(world)
        port = of(findings, "port")
        assert port["grade"] == "problem" and "in use by" in port["text"], port
        assert of(findings, "server")["grade"] == "problem", findings


def scenario_a_healthy_daemon(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    before = sorted(world.home().rglob("*"))
    findings = examine(world)
    assert of(findings, "daemon")["grade"] == "ok"
    assert of(findings, "server", "default")["text"] == "started"
    assert of(findings, "port")["text"] == "the daemon listens"
    assert of(findings, "home")["grade"] == "ok", findings
    assert "220" in of(findings, "egress")["text"], findings
    uring = of(findings, "io_uring")
    assert ("used" if world.io == "io_uring" else "not wanted") in uring["text"], uring
    if world.home().stat().st_uid == os.geteuid():
        flush = of(findings, "flush")
        assert "flush takes" in flush["text"] or "in memory" in flush["text"], flush
    assert sorted(world.home().rglob("*")) == before, "nothing is left behind"
    text = world.ctl("doctor", check=False).stdout
    assert "-> " in text or " 0 warnings" in text, text


def answer_once(listener, text):
    connection, _ = listener.accept()
    with connection:
        connection.sendall(text)


def scenario_hosts_that_do_not_take_mail_are_told(world):
    world.write_server()
    closed = free_port(own_address(1))
    found = of(examine(world, "--to", f"{own_address(1)}:{closed}"), "egress")
    assert found["grade"] == "problem" and "refused" in found["text"], found
    for text, told in ((b"554 go away\r\n", "refuses us: 554 go away"), (b"", "closed"),
                       (b"SSH-2.0-x\r\n", "no SMTP server")):
        with socket.create_server((own_address(1), 0)) as listener:
            threading.Thread(target=answer_once, args=(listener, text), daemon=True).start()
            port = listener.getsockname()[1]
            found = of(examine(world, "--to", f"{own_address(1)}:{port}"), "egress")
        assert found["grade"] == "problem" and told in found["text"], found


def scenario_names_are_asked_forward_and_back(world):
    if dns_server.program() is None:
        raise Skipped("unbound is not installed (packaging/dependencies test installs it)")
    dns = dns_server.DnsServer(
        world, ["good.zone. 60 IN A 192.0.2.1", "1.2.0.192.in-addr.arpa. 60 IN PTR good.zone.",
                "bad.zone. 60 IN A 192.0.2.2", "2.2.0.192.in-addr.arpa. 60 IN PTR isp.zone."],
        zones=["2.0.192.in-addr.arpa."])
    world.write_service(f"dns: {{ resolvers: [\"{dns.address}:{dns.port}\"] }}\n")
    for number, name in enumerate(("good.zone", "bad.zone", "none.zone")):
        world.write_server(f"s{number}", fqdn=name, address=own_address(number))
    findings = examine(world)
    assert of(findings, "dns", "good.zone")["grade"] == "ok", findings
    assert "leads back to isp.zone" in of(findings, "dns", "bad.zone")["text"], findings
    assert of(findings, "dns", "none.zone")["grade"] == "warning", findings
