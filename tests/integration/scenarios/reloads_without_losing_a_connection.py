"""SIGHUP: what did not change is not touched, what is wrong changes nothing."""

import threading
import time

from waiting import own_address, until


class Traffic(threading.Thread):
    """Sends without a pause; every failure is kept."""

    def __init__(self, world, address):
        super().__init__(daemon=True)
        self.world, self.address = world, address
        self.ending = threading.Event()
        self.sent, self.failures = 0, []

    def run(self):
        while not self.ending.is_set():
            try:
                client = self.world.raw(address=self.address)
                client.hello()
                client.message(b"Subject: x\r\n\r\nx\r\n", recipient="ann@local.example")
                client.expect(b"QUIT\r\n", "221")
                client.close()
                self.sent += 1
            except Exception as problem:  # all of them are failures of the server
                self.failures.append(repr(problem))
                time.sleep(0.05)

    def end(self):
        self.ending.set()
        self.join()
        return self.failures


def scenario_twenty_reloads_under_load_lose_nothing(world):
    """Server `other` comes, changes and goes; `default` is changed in what is live; nobody that
    talks to `default` or `steady` notices."""
    world.write_server()
    world.write_server("steady", address=own_address(1))
    world.start()
    sessions = [world.raw() for _ in range(5)]
    for session in sessions:
        session.hello()
    traffic = [Traffic(world, address) for address in 2 * [world.address, own_address(1)]]
    for thread in traffic:
        thread.start()
    for number in range(20):
        if number % 4 == 3:
            world.server_file("other").unlink()
        else:
            world.write_server("other", address=own_address(2),
                               port=world.port if number % 2 else world.port + 1)
        world.write_server(text=f"banner: round {number}\n")
        event = world.reload()
        assert event["result"] == "applied", event
    failures = [failure for thread in traffic for failure in thread.end()]
    assert not failures, f"{len(failures)} failures: {failures[:5]}"
    assert all(thread.sent >= 20 for thread in traffic), [thread.sent for thread in traffic]
    for session in sessions:
        session.message(b"Subject: y\r\n\r\ny\r\n", recipient="ann@local.example")
    assert "round 19" in world.raw().reply()


def scenario_add_change_and_remove_a_server(world):
    world.write_server()
    world.start()
    world.write_server("other", address=own_address(1))
    [report] = world.ctl_json("reload")
    assert report["applied"] and any("other" in change for change in report["changes"]), report
    world.send("ann@local.example", address=own_address(1))
    world.wait_for_event("accepted", server="other")
    world.write_server("other", address=own_address(2))
    world.ctl("reload")
    assert world.server("other")["listening"] == [f"{own_address(2)}:{world.port}"]
    world.send("ann@local.example", address=own_address(2))
    until(lambda: not answers(world, own_address(1)), "the old binding is closed")
    world.server_file("other").unlink()
    world.ctl("reload")
    assert [view["id"] for view in world.ctl_json("servers")] == ["default"]
    until(lambda: not answers(world, own_address(2)), "the removed binding is closed")
    world.send("ann@local.example")
    assert world.mail_files("Drop", "other") != [], "the home of a removed server stays"


def answers(world, address):
    try:
        client = world.raw(address=address)
    except OSError:
        return False
    client.close()
    return True


def scenario_servers_can_swap_their_addresses(world):
    world.write_server("a", text="banner: I am a\n")
    world.write_server("b", address=own_address(1), text="banner: I am b\n")
    world.start()
    world.write_server("a", address=own_address(1), text="banner: I am a\n")
    world.write_server("b", text="banner: I am b\n")
    assert world.reload()["result"] == "applied"
    assert "I am b" in world.raw().reply()
    assert "I am a" in world.raw(address=own_address(1)).reply()


def scenario_a_clash_made_by_a_reload_stops_the_newcomer(world):
    world.write_server("b-runs")
    world.start()
    world.write_server("a-new")
    world.ctl("reload")
    assert world.server("b-runs")["state"] == "started"
    view = world.server("a-new")
    assert view["state"] == "stopped" and "b-runs" in view["reason"], view
    world.server_file("b-runs").unlink()
    world.ctl("reload")
    assert world.server("a-new")["state"] == "started"
    world.send("ann@local.example")


def scenario_an_open_session_keeps_going_and_meets_new_policy_at_mail(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    client = world.raw()
    client.hello()
    client.begin()
    world.write_server(smart_host=sink.smart_host, relay=False)
    assert world.reload()["result"] == "applied"
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    client.expect(b"MAIL FROM:<ann@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")
    sink.wait_for(1)


def scenario_a_new_smart_host_gets_the_mail_that_waits(world):
    sink = world.sink()
    world.write_server(smart_host=f"[{world.address}]:1", delivery="retry_intervals: [60m]\n")
    world.start()
    world.send("bob@example.org")
    world.wait_for_event("deferred")
    world.write_server(smart_host=sink.smart_host, delivery="retry_intervals: [60m]\n")
    world.ctl("reload")
    world.ctl("queue", "retry", "all")
    sink.wait_for(1)


def scenario_a_bad_file_changes_nothing_and_says_why(world):
    world.write_server()
    world.start()
    good = world.server_file().read_text()
    world.write_server("other", address=own_address(1))
    for bad, word in (("bindings: [\n", "default.yaml"),
                      ("name: x\nbindngs: []\n", "bindings"),
                      (good + "messages: { size_limit: plenty }\n", "size_limit"),
                      (good.replace("127.0.0.0/8", "10.0.0.0/33"), "10.0.0.0/33"),
                      ("", "bindings")):
        world.server_file().write_text(bad)
        event = world.reload()
        assert event["result"] == "refused" and event["level"] == "error", event
        assert word in event["problem"], (word, event)
        refused = world.ctl("reload", check=False)
        assert refused.returncode == 1 and word in refused.stdout + refused.stderr, refused
        assert [view["id"] for view in world.ctl_json("servers")] == ["default"]
        world.send("ann@local.example")
    world.server_file().write_text(good)
    world.ctl("reload")
    assert len(world.ctl_json("servers")) == 2


def scenario_a_reload_that_changes_nothing_changes_nothing(world):
    world.write_server()
    world.start()
    session = world.raw()
    session.hello()
    [report] = world.ctl_json("reload")
    assert report["applied"] and report["changes"] == [], report
    session.expect(b"NOOP\r\n", "250")


def scenario_what_waits_for_a_restart_is_said(world):
    world.write_server()
    world.start()
    file = world.directory / "mailroot.yaml"
    good = file.read_text()
    file.write_text(good.replace("shards: 2", "shards: 1"))
    for _ in range(2):  # again at every reload
        [report] = world.ctl_json("reload")
        [warning] = [text for text in report["warnings"] if "service.shards" in text]
        assert report["applied"] and "restart" in warning, report
        assert warning in world.ctl("status").stdout
        assert world.ctl_json("status")[0]["shards"] == 2
    file.write_text(good)
    [report] = world.ctl_json("reload")
    assert not any("service.shards" in text for text in report["warnings"]), report


def scenario_the_log_level_is_live(world):
    world.write_server()
    world.start()
    file = world.directory / "mailroot.yaml"
    file.write_text(file.read_text().replace("log: {", "log: { level: warn,"))
    world.ctl("reload")
    world.send("ann@local.example")
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    file.write_text(file.read_text().replace("level: warn", "level: info"))
    world.ctl("reload")
    world.send("ann@local.example", subject="second")
    assert len(world.wait_for_event("accepted")) == 1
    world.stop()
    assert len(world.events("accepted")) == 1


def scenario_a_new_home_takes_new_mail(world):
    world.write_server()
    world.start()
    world.send("ann@local.example")
    until(lambda: len(world.mail_files("Drop")) == 1, "mail in the old home")
    new_home = world.directory / "homes" / "elsewhere"
    world.write_server(home=new_home)
    [report] = world.ctl_json("reload")
    assert report["changes"] == [
        "virtual server default: restart, with another home directory"], report
    world.send("ann@local.example")
    until(lambda: world.mail_files("Drop", "elsewhere"), "mail in the new home")
    assert len(world.mail_files("Drop")) == 1


def waiting_mail(world):
    return {view["server"] for view in world.queue()}


def scenario_a_renamed_file_keeps_its_home_and_mail(world):
    """`mv default.yaml office.yaml`: one server ends, the other starts where it was."""
    world.write_server(smart_host="[127.0.0.1]:1")
    world.start()
    world.send("bob@example.org")
    until(lambda: waiting_mail(world) == {"default"}, "mail that waits")
    world.server_file().rename(world.server_file("office"))
    [report] = world.ctl_json("reload")
    assert not any("cannot start" in change for change in report["changes"]), report
    view = world.server("office")
    assert (view["state"], view["reason"]) == ("started", ""), view
    until(lambda: waiting_mail(world) == {"office"}, "the mail in its new server")
    world.send("bob@example.org")
    until(lambda: len(world.queue()) == 2, "both messages")


def scenario_homes_change_hands_in_one_reload(world):
    """Two servers exchange their homes; then one moves on and the other takes its place."""
    def write(first, second):
        world.write_server("first", smart_host="[127.0.0.1]:1", home=world.directory / first)
        world.write_server("second", smart_host="[127.0.0.1]:1", home=world.directory / second,
                           address=own_address(1))
    write("a", "b")
    world.start()
    world.send("bob@example.org")
    until(lambda: waiting_mail(world) == {"first"}, "mail that waits")
    for homes, holder in ((("b", "a"), {"second"}), (("a", "c"), {"first"}),
                          (("d", "a"), {"second"})):
        write(*homes)
        [report] = world.ctl_json("reload")
        for name in ("first", "second"):
            view = world.server(name)
            assert (view["state"], view["reason"]) == ("started", ""), (report, view)
        until(lambda: waiting_mail(world) == holder, f"the mail with {holder}")
    # Who was paused stays paused.
    world.ctl("server", "pause", "second")
    write("a", "d")
    world.ctl("reload")
    assert world.server("first")["state"] == "started"
    assert world.server("second")["state"] == "paused"
    assert world.raw(address=own_address(1)).reply().startswith("421 4.3.2 Service is paused")


def scenario_the_spools_settings_are_live(world):
    sink = world.sink("--stall", "MAIL")
    world.write_server(smart_host=sink.smart_host,
                       text="spool: { materialise_after: 60m, free_min: 0 }\n")
    world.start()
    world.send("bob@example.org")
    until(lambda: world.server()["queue"]["in_transaction"] == 1, "it is being sent")
    assert world.mail_files("Queue") == []
    world.write_server(smart_host=sink.smart_host,
                       text="spool: { materialise_after: 1s, free_min: 1000 GiB }\n")
    world.ctl("reload")
    until(lambda: world.mail_files("Queue"), "a file in Queue")
    until(lambda: mail_reply(world).startswith("452 4.3.1"), "too little space is left")
    world.write_server(smart_host=sink.smart_host, text="spool: { free_min: 0 }\n")
    world.ctl("reload")
    until(lambda: mail_reply(world).startswith("250"), "enough is left")


def mail_reply(world):
    client = world.raw()
    client.hello()
    return client.ask(b"MAIL FROM:<ann@sender.example>\r\n")
