"""The W3C protocol log, as analysers of the IIS SMTP service's log read it."""

import os

from waiting import until

FIELDS = ("date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem "
          "cs-uri-query sc-status sc-win32-status sc-bytes cs-bytes time-taken cs-version cs-host "
          "cs(User-Agent) cs(Cookie) cs(Referer)").split()
LOG = "protocol_log: {{ enabled: {0}, directory: ../protocol }}\n"


def read(world):
    """Every line as a dict by the names in #Fields."""
    lines, fields = [], None
    directory = world.directory / "protocol"
    for path in sorted(directory.glob("ex*.log")) if directory.exists() else []:
        for text in path.read_text().splitlines():
            if text.startswith("#Fields: "):
                fields = text.split()[1:]
            if not text.startswith("#"):
                assert len(text.split(" ")) == len(fields), text
                lines.append(dict(zip(fields, text.split(" "))))
    return lines


def of_method(world, method, count=1):
    until(lambda: len([x for x in read(world) if x["cs-method"] == method]) >= count,
          f"{method} is in the protocol log")
    return [line for line in read(world) if line["cs-method"] == method]


def scenario_each_command_in_and_out_is_a_line(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, text=LOG.format("true"))
    world.start()
    with world.client() as client:
        client.ehlo("scanner7")
        client.sendmail("ann@here.example", ["bob@example.org"], "Subject: one\r\n\r\nhello\r\n")
        code, _ = client.docmd("NONSENSE \x1b[2J")
    assert code == 500
    sink.wait_for(1)
    of_method(world, "QUIT")
    data = of_method(world, "DATA", 1)[0]
    mail = of_method(world, "MAIL", 2)
    inbound = [line for line in mail if line["s-ip"] != "-"][0]
    assert list(inbound) == FIELDS
    assert inbound["cs-uri-query"].startswith("+FROM:<ann@here.example>"), inbound
    assert inbound["cs-username"] == "scanner7" and inbound["sc-status"] == "250"
    assert inbound["s-port"] == str(world.port) and inbound["c-ip"] == "127.0.0.1"
    accepted = world.wait_for_event("accepted")[0]
    assert data["cs-uri-query"] == accepted["queue_id"], (data, accepted)
    assert data["sc-status"] == "250" and int(data["cs-bytes"]) > 20
    outbound = [line for line in mail if line["s-ip"] == "-"][0]
    assert outbound["cs-username"] == "OutboundConnectionCommand"
    assert any(line["cs-username"] == "OutboundConnectionResponse" and
               line["cs-uri-query"].startswith("220+") for line in read(world))
    bad = [line for line in read(world) if line["cs-method"].startswith("NONSENSE")][0]
    assert bad["sc-status"] == "500" and "%1B" in bad["cs-uri-query"], bad


def scenario_it_is_off_by_default_and_turned_on_by_a_reload(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send("bob@example.org")
    sink.wait_for(1)
    assert not os.path.exists(world.directory / "protocol")
    world.write_server(smart_host=sink.smart_host, text=LOG.format("true"))
    assert world.reload()["result"] == "applied"
    world.send("bob@example.org")
    assert of_method(world, "RCPT")
    world.write_server(smart_host=sink.smart_host, text=LOG.format("false"))
    assert world.reload()["result"] == "applied"
    before = len(of_method(world, "QUIT"))
    world.send("bob@example.org")
    sink.wait_for(3)
    world.stop()
    assert len([x for x in read(world) if x["cs-method"] == "QUIT" and x["s-ip"] != "-"]) <= before
