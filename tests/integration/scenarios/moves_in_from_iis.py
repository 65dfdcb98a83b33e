"""import-iis: a metabase becomes virtual servers that run, and nothing else is touched."""

import json
import os
import resource
import smtplib
import subprocess

from metabase import domain, ip_list, metabase, server, service
from waiting import WAIT_SECONDS, own_address, until


def three_servers(world, sink):
    """1 relays for this machine through a smart host; 2 has the trap; 3 wanted TLS and a login."""
    here = ip_list(grant=["127.0.0.0/8"])
    return metabase(
        service(),
        server(1, ServerComment="Default SMTP Virtual Server",
               ServerBindings=f"{world.address}:25:",
               RelayIpList=here, PickupDirectory=r"C:\Inetpub\mailroot\Pickup",
               SmartHost=f"[{sink.address}]", SmartHostType=2, RemoteSmtpPort=sink.port,
               MaxMessageSize=4096, ConnectResponse="mx.local.example welcome"),
        domain(1, "Alias.example", RouteAction=16),
        server(2, ServerComment="Lab Relay", ServerBindings=f"{own_address(1)}:25:", RelayIpList="",
               PickupDirectory=r"D:\lab\Pickup", RemoteSmtpPort=sink.port),
        domain(2, "*.partner.example", RouteAction=4098, RouteActionString=f"[{sink.address}]"),
        server(3, ServerComment="Office 365", ServerBindings=f"{own_address(2)}:25:",
               RelayIpList=here, RouteAction=268, RouteUserName="scan@example.com",
               RoutePassword="49634462500000000600000040000000d1a5b20c",
               SmartHost="smtp.provider.example", SmartHostType=2))


def write(world, text, encoding="utf-8"):
    path = world.directory / "MetaBase.xml"
    path.write_bytes(text.encode(encoding))
    return path


def import_iis(world, *arguments, **more):
    return subprocess.run(
        [world.build.resolve() / "src/mailrootctl/mailrootctl", "import-iis", *map(str, arguments)],
        capture_output=True, text=True, timeout=WAIT_SECONDS, cwd=world.directory, **more)


def into_world(world, text, *arguments, encoding="utf-8"):
    """Imports into the directory that the daemon includes, with homes below the world's."""
    done = import_iis(world, write(world, text, encoding), "--out", "virtual-servers.d", "--map",
                      f"C:\\Inetpub={world.directory}/homes/c", "--map",
                      f"D:={world.directory}/homes/d", *arguments)
    assert done.returncode == 0, done
    return done


def change(world, name, *changes):
    path = world.server_file(name)
    text = path.read_text()
    for before, after in changes:
        assert before in text, (before, text)
        text = text.replace(before, after)
    path.write_text(text)


def check(world):
    return subprocess.run([*world.command(), "--check"], capture_output=True, text=True,
                          timeout=WAIT_SECONDS)


def files_below(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def scenario_three_servers_are_imported_checked_and_one_sends_mail(world):
    sink = world.sink()
    done = into_world(world, three_servers(world, sink))
    assert files_below(world.directory / "virtual-servers.d") == [
        "default.yaml", "lab-relay.yaml", "office-365.yaml"]
    checked = check(world)
    assert checked.returncode == 0, checked
    # Nothing of this may listen at port 25 of a test machine; the third has no --map.
    for name in ("default", "lab-relay", "office-365"):
        change(world, name, ("port: 25 }", f"port: {world.port} }}"))
    change(world, "office-365", ("/var/spool/mailroot", f"{world.directory}/homes"))
    world.start()
    states = {view["id"]: view["state"] for view in world.ctl_json("servers")}
    assert states == {"default": "started", "lab-relay": "started", "office-365": "stopped"}, states
    assert "Office 365" in done.stdout and "held: autostart is off" in done.stdout, done.stdout
    assert "49634462" not in done.stdout + world.server_file("office-365").read_text()

    with world.client() as client:
        assert client.ehlo()[1].decode().find("SIZE 4096") > 0
    assert world.raw().reply().startswith("220 mx.local.example welcome")
    world.send("bob@example.org")
    [message] = sink.wait_for(1)
    assert message.recipients == ["bob@example.org"], message.recipients
    world.send("ann@alias.example")
    drop = world.directory / "homes/c/mailroot/Drop"
    [dropped] = until(lambda: [path for path in drop.rglob("*.eml") if path.parent.name != "tmp"],
                      "a file in Drop")
    assert "ann@local.example" in dropped.read_text().lower(), dropped.read_text()


def scenario_the_trap_is_closed_and_said_aloud(world):
    sink = world.sink()
    done = into_world(world, three_servers(world, sink))
    assert "WAS AN OPEN RELAY" in done.stdout and "--open-relay keep" in done.stdout, done.stdout
    change(world, "lab-relay", ("port: 25 }", f"port: {world.port} }}"))
    for name in ("default", "office-365"):
        world.server_file(name).unlink()
    world.start()
    lab = own_address(1)
    try:
        world.send("bob@example.org", address=lab)
        raise AssertionError("it relays")
    except smtplib.SMTPRecipientsRefused as refused:
        [(code, _)] = refused.recipients.values()
        assert code == 550, refused
    # The remote domain's own permission is carried.
    world.send("bob@sales.partner.example", address=lab)
    [message] = sink.wait_for(1)
    assert message.recipients == ["bob@sales.partner.example"]


def scenario_an_open_relay_is_kept_only_when_asked_for(world):
    sink = world.sink()
    done = into_world(world, three_servers(world, sink), "--open-relay", "keep")
    assert "OPEN RELAY, kept" in done.stdout, done.stdout
    checked = check(world)
    assert checked.returncode == 0 and "open relay" in checked.stdout + checked.stderr, checked


def scenario_utf16_is_taken_too(world):
    text = three_servers(world, world.sink())
    into_world(world, text, encoding="utf-16")
    assert check(world).returncode == 0
    assert len(files_below(world.directory / "virtual-servers.d")) == 3


def scenario_nothing_is_replaced_without_force(world):
    out = world.directory / "virtual-servers.d"
    mine = world.server_file("lab-relay")
    mine.write_text("# mine\n")
    path = write(world, three_servers(world, world.sink()))
    refused = import_iis(world, path, "--out", out)
    assert refused.returncode == 1 and "lab-relay.yaml" in refused.stderr, refused
    assert "--force" in refused.stderr and mine.read_text() == "# mine\n"
    assert files_below(out) == ["lab-relay.yaml"]
    assert import_iis(world, path, "--out", out, "--dry-run").returncode == 0
    assert files_below(out) == ["lab-relay.yaml"]
    assert import_iis(world, path, "--out", out, "--force").returncode == 0
    assert "IIS SMTP virtual server 2" in mine.read_text()


def scenario_without_out_it_says_where(world):
    done = import_iis(world, write(world, three_servers(world, world.sink())))
    assert done.returncode == 0, done
    assert str(world.directory / "imported") in done.stdout, done.stdout
    assert len(files_below(world.directory / "imported")) == 3


def scenario_the_report_as_json(world):
    done = import_iis(world, "--json", write(world, three_servers(world, world.sink())))
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [d.get("id") for d in documents] == ["default", "lab-relay", "office-365", None, None]
    trap = [r for r in documents[1]["remarks"] if r.get("property") == "RelayIpList"]
    assert trap[0]["verdict"] == "decide", trap
    assert documents[4]["check"] == 0 and len(documents[4]["files"]) == 3, documents[4]


def refusal(world, name):
    before = files_below(world.directory)
    done = import_iis(world, name, "--out", "out")
    assert done.returncode == 1, done
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    assert files_below(world.directory) == before
    return done.stderr


def scenario_hostile_files_are_refused_with_a_sentence(world):
    hostile = world.directory / "hostile.xml"
    hostile.touch()
    os.truncate(hostile, 1 << 30)
    assert "kMetabaseSizeMax" in refusal(world, hostile)
    entities = "".join(f"<!ENTITY e{n} \"{f'&e{n - 1};' * 10}\">" for n in range(1, 10))
    bomb = f"<!DOCTYPE b [<!ENTITY e0 \"ha\">{entities}]>" + metabase(
        server(1, ServerComment="&e9;"))[23:]
    for text, words in [(bomb, "document type"), ("<a>" * 200000 + "</a>" * 200000, "kDepthMax"),
                        ("<a/>" * 5_000_000, "kTagsMax"), ("", "is empty"),
                        (metabase(server(1))[:-60], "no well-formed XML"),
                        ("\0\1" * 1000, "binary MetaBase.bin"), ("<html></html>", "no metabase"),
                        (metabase(service()), "no virtual server")]:
        hostile.write_text(text)
        assert words in refusal(world, hostile), (words, refusal(world, hostile))
    hostile.unlink()
    os.mkfifo(hostile)
    assert "no regular file" in refusal(world, hostile)
    assert "no regular file" in refusal(world, "/dev/zero")
    assert "no regular file" in refusal(world, world.directory)
    assert "No such file" in refusal(world, "nowhere.xml")


def scenario_a_disk_that_refuses_leaves_nothing_half_written(world):
    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
    path = write(world, three_servers(world, world.sink()))
    before = files_below(world.directory)
    # Python ignores SIGXFSZ; so does what it starts, and writes fail instead.
    done = import_iis(world, path, "--out", "out", preexec_fn=small_files_only,
                      restore_signals=False)
    assert done.returncode == 1 and "too large" in done.stderr, done
    assert files_below(world.directory) == before
