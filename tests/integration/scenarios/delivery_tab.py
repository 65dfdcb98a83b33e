"""The Delivery tab and Advanced Delivery: when it is tried again, over how many connections, from
where, through whom."""

import datetime
import socket

import dns_server
from dsn import Dsn
from network import add_address, own_network
from waiting import own_address, until
from world import Skipped


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def minutes_to_next_attempt(world):
    [entry] = world.queue()
    now = datetime.datetime.now(datetime.timezone.utc)
    return (moment(entry["next_attempt"]) - now).total_seconds() / 60


def dead_hop(world):
    """A smart host at which nobody listens."""
    sink = world.sink(capture=False)
    sink.stop()
    return sink.smart_host


def scenario_quick_retries_come_before_the_first_interval(world):
    world.write_server(smart_host=dead_hop(world), delivery=(
        "quick_retries: { count: 2, interval: 1s }\nretry_intervals: [50m]\n"))
    world.start()
    world.send("bob@example.org")
    events = world.wait_for_event("deferred", 3)
    until(lambda: minutes_to_next_attempt(world) > 1, "the quick retries are over")
    assert 49 < minutes_to_next_attempt(world) < 54, world.queue()  # up to a sixteenth later
    assert [event["attempt"] for event in events] == [1, 2, 3], events


def scenario_retry_intervals_follow_one_another_and_the_last_repeats(world):
    world.write_server(smart_host=dead_hop(world), delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [2s, 1s]\n"))
    world.start()
    world.send("bob@example.org")
    events = world.wait_for_event("deferred", 4)
    times = [moment(event["time"]) for event in events]
    gaps = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert gaps[0] > 1.9 and all(gap > 0.9 for gap in gaps[1:]), gaps
    # Live: the next wait is by the new list.
    world.write_server(smart_host=dead_hop(world), delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [30m]\n"))
    world.ctl("reload")
    until(lambda: minutes_to_next_attempt(world) > 29, "a longer wait")


def scenario_local_mail_has_times_of_its_own(world):
    """Drop cannot be written: told once, then returned; foreign mail waits on."""
    sink = world.sink("--reply", "RCPT/busy@=451:4.2.1 mailbox busy")
    world.write_server(smart_host=sink.smart_host, delivery=(
        "quick_retries: { count: 0 }\nretry_intervals: [1s]\nexpiration: 60m\n"
        "delay_notification: 50m\nlocal: { delay_notification: 1s, expiration: 4s }\n"))
    world.start()
    (world.home() / "Drop" / "new").rmdir()
    world.send("postmaster@local.example", subject="local")
    world.send("busy@example.org", subject="foreign")
    reports = [Dsn(message) for message in sink.wait_for(2)]
    delayed, failed = sorted(reports, key=lambda report: report.subject)
    assert "Delay" in delayed.subject and "Failure" in failed.subject, reports
    assert failed.recipient("postmaster@local.example")["Status"] == "4.4.7"
    [entry] = world.queue()
    assert entry["recipients"] == 1 and "smart:" in entry["destination"], entry
    assert sink.count() == 2


def many(world, domains, count):
    with world.client() as smtp:
        for number in range(count):
            smtp.sendmail("ann@sender.example", [f"user{number}@{domains[number % len(domains)]}"],
                          b"a: b\r\n\r\n")


def connections_to(ports):
    """Those that are established, as their sockets' numbers."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    return {row[9] for row in rows if row[3] == "01" and row[2][-5:] in ports}


def most_connections(world, sinks, count):
    """The most that were open together until so many messages are there. The kernel's table is no
    picture of one moment; but what stands in two that follow each other was open in between."""
    ports = {f":{sink.port:04X}" for sink in sinks}
    most, before = 0, set()
    while sum(sink.count() for sink in sinks) < count:
        now = connections_to(ports)
        most = max(most, len(now & before))
        before = now
    return most


def scenario_outbound_connections_are_limited_over_all_destinations(world):
    """Exactly, over two shards; a lower limit is live."""
    sinks = [world.sink("--delay-ms", "END=30") for _ in range(4)]
    names = [f"d{number}.example" for number in range(4)]
    domains = "domains:\n" + "".join(
        f"  - {{ name: {name}, type: remote, smart_host: [\"{sink.smart_host}\"] }}\n"
        for name, sink in zip(names, sinks))
    limits = "outbound: {{ connections: {}, per_domain: 2 }}\n"
    world.write_server(text=domains, delivery=limits.format(5))
    world.start()
    many(world, names, 120)
    most = most_connections(world, sinks, 120)
    assert most == 5, most
    world.wait_for_empty_queue()
    world.write_server(text=domains, delivery=limits.format(100))
    world.ctl("reload")
    many(world, names, 120)
    most = most_connections(world, sinks, 240)
    assert most == 8, f"{most}, not two for each domain"
    until(lambda: world.server()["outbound"]["connections_open"] == 0, "idle ones are closed")
    world.write_server(text=domains, delivery=limits.format(1))
    world.ctl("reload")
    many(world, names, 40)
    most = most_connections(world, sinks, 280)
    assert most == 1, most


def scenario_a_connection_that_does_not_open_is_given_up(world):
    """A listener whose queue is full: the kernel lets further clients wait."""
    with socket.socket() as full:
        full.bind((own_address(1), 0))
        full.listen(0)
        host, port = full.getsockname()
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((host, port))
            waiting.append(client)
        world.write_server(smart_host=f"[{host}]:{port}", delivery=(
            "outbound: { connect_timeout: 1s }\nretry_intervals: [60m]\n"
            "quick_retries: { count: 0 }\n"))
        world.start()
        world.send("bob@example.org")
        [event] = world.wait_for_event("deferred")
        assert event["enhanced"] == "4.4.1" and event["took_ms"] < 20_000, event
        for client in waiting:
            client.close()


def scenario_a_next_hop_that_falls_silent_is_given_up(world):
    sink = world.sink("--stall", "MAIL")
    world.write_server(smart_host=sink.smart_host, delivery=(
        "outbound: { timeout: 1s }\nretry_intervals: [60m]\nquick_retries: { count: 0 }\n"))
    world.start()
    world.send("bob@example.org")
    [event] = world.wait_for_event("deferred")
    assert event["enhanced"].startswith("4.4.") and event["took_ms"] < 20_000, event


def scenario_the_port_is_for_every_next_hop_that_names_none(world):
    """Domains by DNS, the smart host, a domain's smart host; one that names a port keeps it."""
    first = world.sink(address=own_address(1))
    smart, own = (world.sink(address=own_address(n), port=first.port) for n in (2, 3))
    named = world.sink(address=own_address(4))
    world.write_service(f"dns: {{ hosts: {{ direct.example: [{first.address}] }} }}\n")
    world.write_server(smart_host=f"[{smart.address}]",
                       delivery=f"outbound: {{ port: {first.port} }}\n", text=(
                           "domains:\n"
                           "  - { name: direct.example, type: remote }\n"
                           f"  - {{ name: own.example, type: remote,"
                           f" smart_host: [\"[{own.address}]\"] }}\n"
                           f"  - {{ name: named.example, type: remote,"
                           f" smart_host: [\"{named.smart_host}\"] }}\n"))
    world.start()
    world.send(["a@direct.example", "b@far.example", "c@own.example", "d@named.example"])
    for sink, name in ((first, "a@direct.example"), (smart, "b@far.example"),
                       (own, "c@own.example"), (named, "d@named.example")):
        assert sink.wait_for(1)[0].recipients == [name]


def scenario_connections_leave_from_the_bound_address_of_their_family(world):
    four = world.sink()
    six = world.sink(address="::1")
    world.write_server(delivery=f"outbound: {{ bind: [{own_address(3)}, \"::1\"] }}\n", text=(
        "domains:\n"
        f"  - {{ name: four.example, type: remote, smart_host: [\"{four.smart_host}\"] }}\n"
        f"  - {{ name: six.example, type: remote, smart_host: [\"{six.smart_host}\"] }}\n"))
    world.start()
    world.send(["a@four.example", "b@six.example"])
    assert four.wait_for(1)[0].client.startswith(own_address(3) + ":")
    assert six.wait_for(1)[0].client.startswith("[::1]:")


def scenario_too_many_hops_are_a_loop(world):
    world.write_server(delivery="hop_limit: 3\n")
    world.start()
    client = world.raw()
    client.hello()
    hop = b"Received: from a by b; Thu, 5 Mar 2026 09:30:00 +0000\r\n"
    client.message(hop * 3 + b"Subject: x\r\n\r\nx\r\n", recipient="ann@local.example")
    client.begin("ann@local.example")
    client.expect(b"DATA\r\n", "354")
    client.expect(hop * 4 + b"Subject: x\r\n\r\nx\r\n.\r\n", "554 5.4.6")
    world.write_server(delivery="hop_limit: 4\n")
    world.ctl("reload")
    client.message(hop * 4 + b"Subject: x\r\n\r\nx\r\n", recipient="ann@local.example")


def scenario_the_masquerade_domain_is_for_the_envelope_alone(world):
    """Local domains and aliases, not others and not the null path; a report still comes back."""
    sink = world.sink("--reply", "RCPT/nobody@=550:no such user")
    world.write_server(smart_host=sink.smart_host, delivery="masquerade_domain: big.example\n",
                       text="domains: [{ name: sales.example, type: alias }]\n")
    world.start()
    for sender in ("ann@local.example", "ann@sales.example", "ann", "ann@other.example"):
        world.send("bob@example.org", sender=sender, subject=sender)
    senders = {message.parsed()["Subject"]: message for message in sink.wait_for(4)}
    assert {name: message.sender for name, message in senders.items()} == {
        "ann@local.example": "ann@big.example", "ann@sales.example": "ann@big.example",
        "ann": "ann@big.example", "ann@other.example": "ann@other.example"}, senders
    assert b"From: <ann@sales.example>" in senders["ann@sales.example"].content
    world.send("nobody@example.org", sender="ann@local.example")
    until(lambda: world.mail_files("Drop"), "the report in Drop")
    assert "x-receiver: ann@local.example\n" in world.mail_files("Drop")[0].read_text()


def scenario_direct_delivery_first_and_the_smart_host_when_it_cannot_be(world):
    """Unknown, failing or unreachable: the smart host. What a host of the domain answers counts."""
    direct = world.sink("--reply", "RCPT/busy@=451:4.2.1 later", "--reply", "RCPT/nobody@=550:no")
    smart = world.sink()
    world.write_service(
        f"dns:\n  hosts:\n    near.example: [{direct.address}]\n    far.example: nxdomain\n"
        f"    failing.example: servfail\n    dead.example: [{own_address(5)}]\n"
        "    sender.example: nxdomain\n")
    delivery = f"outbound: {{ port: {direct.port} }}\nquick_retries: {{ count: 0 }}\n"
    world.write_server(smart_host=smart.smart_host,
                       delivery="attempt_direct_delivery_first: true\n" + delivery)
    world.start()
    world.send(["a@near.example", "b@far.example", "c@failing.example", "d@dead.example"])
    assert direct.wait_for(1)[0].recipients == ["a@near.example"]
    recipients = sorted(message.recipients[0] for message in smart.wait_for(3))
    assert recipients == ["b@far.example", "c@failing.example", "d@dead.example"], recipients
    world.send("busy@near.example")
    world.send("nobody@near.example")
    world.wait_for_event("deferred", to="<busy@near.example>")
    world.wait_for_event("bounced", to="<nobody@near.example>")
    [report] = [message for message in smart.wait_for(4) if message.sender == ""]
    assert report.recipients == ["ann@sender.example"], report.recipients
    world.write_server(smart_host=smart.smart_host, delivery=delivery)
    world.ctl("reload")
    world.send("e@near.example")
    until(lambda: ["e@near.example"] in [message.recipients for message in smart.messages()],
          "at the smart host")


def scenario_the_reverse_lookup_is_told_in_received(world):
    """Compared with the client's own name; a name that does not lead back counts for nothing, and
    a DNS server that is silent refuses nobody."""
    if dns_server.program() is None:
        raise Skipped("unbound is not installed (packaging/dependencies test installs it)")
    own_network()
    for number in range(1, 5):
        add_address(f"10.1.2.{number}")
    dns = dns_server.DnsServer(world, [
        "1.2.1.10.in-addr.arpa. 60 IN PTR client.zone.", "client.zone. 60 IN A 10.1.2.1",
        "2.2.1.10.in-addr.arpa. 60 IN PTR other.zone.", "other.zone. 60 IN A 10.1.2.2",
        "3.2.1.10.in-addr.arpa. 60 IN PTR liar.zone.", "liar.zone. 60 IN A 10.1.2.1"],
        zones=["10.in-addr.arpa."])
    world.write_service(f"dns: {{ resolvers: [\"{dns.address}:{dns.port}\"] }}\n")
    world.write_server(address="all-unassigned", delivery="reverse_dns_lookup: true\n")
    world.start()

    def received(source):
        client = world.raw(source=source)
        client.reply()
        client.expect(b"EHLO client.zone\r\n", "250")
        before = len(world.mail_files("Drop"))
        client.message(b"Subject: x\r\n\r\nx\r\n", recipient="ann@local.example")
        until(lambda: len(world.mail_files("Drop")) > before, "a file in Drop")
        newest = max(world.mail_files("Drop"), key=lambda path: path.stat().st_mtime_ns)
        [line] = [line for line in newest.read_text().splitlines() if line.startswith("Received:")]
        return line

    assert received("10.1.2.1") == "Received: from client.zone (client.zone [10.1.2.1])"
    assert received("10.1.2.2") == "Received: from client.zone (other.zone [10.1.2.2] unverified)"
    assert received("10.1.2.3") == "Received: from client.zone ([10.1.2.3] unverified)"
    assert received("10.1.2.4") == "Received: from client.zone ([10.1.2.4] unverified)"
    dns.stop()
    add_address("10.1.2.5")
    assert received("10.1.2.5") == "Received: from client.zone ([10.1.2.5] unverified)"
    world.write_server(address="all-unassigned")
    world.ctl("reload")
    assert received("10.1.2.1") == "Received: from client.zone ([10.1.2.1])"
