"""The W3C protocol log, as analysers of the IIS SMTP service's log read it."""

import datetime
import os
import time

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


def log_with(world, settings):
    world.write_server(text="protocol_log: { enabled: true, directory: ../protocol, "
                            f"{settings} }}\n")


def names(world):
    directory = world.directory / "protocol"
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


def talk(world, commands=b""):
    client = world.raw()
    client.hello()
    if commands:
        client.send(commands)
    client.send(b"QUIT\r\n")
    client.rest()
    client.close()


LINES = b"MAIL FROM:<ann@sender.example>\r\nRSET\r\n" * 40  # about 8 KiB of log


def names_now(now):
    """What IIS called the file of this moment, by rotation."""
    week = (now.day - 1) // 7 + 1
    return {"hourly": f"ex{now:%y%m%d%H}.log", "daily": f"ex{now:%y%m%d}.log",
            "weekly": f"ex{now:%y%m}{week:02}.log", "monthly": f"ex{now:%y%m}.log"}


def scenario_each_rotation_has_its_file_name(world):
    """Live: what is said after a reload goes into the file of the new rotation. Times are UTC."""
    log_with(world, "rotate: hourly")
    world.start()
    expected = {}
    for rotation in ("hourly", "daily", "weekly", "monthly"):
        log_with(world, f"rotate: {rotation}")
        assert world.reload()["result"] == "applied"
        before = names_now(datetime.datetime.now(datetime.timezone.utc))
        talk(world)
        after = names_now(datetime.datetime.now(datetime.timezone.utc))
        expected[rotation] = {before[rotation], after[rotation]}
        until(lambda: names(world) & expected[rotation], f"a file of {rotation}: {expected}")
    assert names(world) <= set().union(*expected.values()), (names(world), expected)


def scenario_a_file_that_reached_its_size_is_followed_by_the_next(world):
    log_with(world, "rotate: size, size_limit: 64 KiB")
    world.start()
    talk(world)
    until(lambda: names(world) == {"extend1.log"}, "the first file")
    directory = world.directory / "protocol"
    until(lambda: talk(world, LINES) or "extend2.log" in names(world), "the second file")
    assert names(world) == {"extend1.log", "extend2.log"}, names(world)
    assert (directory / "extend1.log").stat().st_size >= 64 * 1024
    until(lambda: "RSET" in (directory / "extend2.log").read_text(), "a line in it")
    assert (directory / "extend2.log").read_text().startswith("#Software: ")
    # After a restart it goes on where it was.
    world.stop()
    world.start()
    before = (directory / "extend2.log").stat().st_size
    talk(world)
    until(lambda: (directory / "extend2.log").stat().st_size > before, "more lines in it")
    assert names(world) == {"extend1.log", "extend2.log"}, names(world)
    log_with(world, "rotate: size, size_limit: 1 MiB")
    world.reload()
    until(lambda: talk(world, LINES) or (directory / "extend2.log").stat().st_size > 100 * 1024,
          "the larger limit")
    assert names(world) == {"extend1.log", "extend2.log"}, names(world)


def scenario_the_fields_are_those_asked_for(world):
    """IIS's own choice after installation; then another, live, with a new #Fields line."""
    log_with(world, "fields: [time, c-ip, cs-method, cs-uri-stem, sc-status]")
    world.start()
    talk(world)
    line = of_method(world, "QUIT")[0]
    assert list(line) == ["time", "c-ip", "cs-method", "cs-uri-stem", "sc-status"], line
    assert (line["c-ip"], line["sc-status"]) == ("127.0.0.1", "221"), line
    log_with(world, "fields: [cs-method, sc-bytes]")
    assert world.reload()["result"] == "applied"
    talk(world)
    line = of_method(world, "QUIT", 2)[1]
    assert list(line) == ["cs-method", "sc-bytes"] and int(line["sc-bytes"]) > 20, line
    [path] = (world.directory / "protocol").iterdir()
    assert path.read_text().count("#Fields: ") == 2


def scenario_files_older_than_keep_go_when_a_new_one_begins(world):
    directory = world.directory / "protocol"
    directory.mkdir()
    ages = {"ex200101.log": 3, "ex200102.log": 1, "notes.txt": 300, "ex.txt": 300}
    for name, hours in ages.items():
        (directory / name).write_text("old\n")
        then = time.time() - hours * 3600
        os.utime(directory / name, (then, then))
    (directory / "ex200103.log").symlink_to(directory / "notes.txt")
    log_with(world, "keep: 2h")
    world.start()
    talk(world)
    until(lambda: "ex200101.log" not in names(world), "the old file is gone")
    assert names(world) >= {"ex200102.log", "notes.txt", "ex.txt", "ex200103.log"}, names(world)


def scenario_a_log_that_is_off_has_no_open_file(world):
    """Or its file system could not be unmounted."""
    log_with(world, "rotate: daily")
    world.start()

    def open_files():
        top = f"/proc/{world.daemon.pid}/fd"
        links = [os.readlink(f"{top}/{entry}") for entry in os.listdir(top)
                 if os.path.islink(f"{top}/{entry}")]
        return [link for link in links if "/protocol/" in link]
    talk(world)
    until(open_files, "the open log")
    world.write_server()
    world.reload()
    until(lambda: not open_files(), "the closed log")
    log_with(world, "rotate: daily")
    world.reload()
    talk(world)
    of_method(world, "QUIT", 2)
