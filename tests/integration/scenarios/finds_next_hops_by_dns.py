"""Next hops by a real DNS server: MX, A and AAAA, and everything that can be wrong with them."""

import dns_server
from dsn import Dsn
from waiting import free_port, own_address, until
from world import Skipped

DELIVERY = ("quick_retries: { count: 0 }\nretry_intervals: [60m]\n"
            "outbound: { timeout: 2s, connect_timeout: 2s, port: %d }\n")


def start(world, port, *records, **server):
    """mailrootd with a DNS server that knows these records; the next hops listen at `port`."""
    if dns_server.program() is None:
        raise Skipped("unbound is not installed (packaging/dependencies test installs it)")
    dns = dns_server.DnsServer(world, records)
    world.write_service(f"dns: {{ resolvers: [\"{dns.address}:{dns.port}\"] }}\n")
    world.write_server(delivery=DELIVERY % port, **server)
    world.start()
    return dns


def two_sinks(world):
    """Two next hops at one port of two addresses."""
    first = world.sink(address=own_address(1))
    second = world.sink(address=own_address(2), port=first.port)
    return first, second


def scenario_the_best_preference_gets_the_mail(world):
    first, second = two_sinks(world)
    start(world, first.port,
          "example.zone. 60 IN MX 20 second.zone.", "example.zone. 60 IN MX 10 first.zone.",
          f"first.zone. 60 IN A {own_address(1)}", f"second.zone. 60 IN A {own_address(2)}")
    for number in range(3):
        world.send(f"user{number}@example.zone")
    first.wait_for(3)
    assert second.count() == 0
    [event, *_] = world.wait_for_event("delivered", 3)
    assert "first.zone" in event["peer"], event


def scenario_the_next_preference_when_the_best_is_dead(world):
    first, second = two_sinks(world)
    first.stop()
    start(world, first.port,
          "example.zone. 60 IN MX 10 first.zone.", "example.zone. 60 IN MX 20 second.zone.",
          f"first.zone. 60 IN A {own_address(1)}", f"second.zone. 60 IN A {own_address(2)}")
    world.send("bob@example.zone")
    second.wait_for(1)
    [event] = world.wait_for_event("delivered")
    assert event["attempt"] == 1 and "second.zone" in event["peer"], event


def scenario_equal_preferences_share_the_load(world):
    first, second = two_sinks(world)
    start(world, first.port,
          "example.zone. 60 IN MX 10 first.zone.", "example.zone. 60 IN MX 10 second.zone.",
          f"first.zone. 60 IN A {own_address(1)}", f"second.zone. 60 IN A {own_address(2)}")
    for number in range(400):
        if first.count() and second.count():
            return
        world.send(f"user{number}@example.zone")
        if number % 20 == 19:  # an idle connection is kept a moment; the next one chooses anew
            until(lambda: world.server()["outbound"]["connections_open"] == 0, "connections end")
    raise AssertionError(f"{first.count()} and {second.count()} messages")


def scenario_every_address_of_a_host_is_tried(world):
    sink = world.sink(address=own_address(2))
    start(world, sink.port, "example.zone. 60 IN MX 10 mail.zone.",
          *(f"mail.zone. 60 IN A {own_address(number)}" for number in (1, 2, 3)))
    world.send("bob@example.zone")
    sink.wait_for(1)


def scenario_without_mx_the_address_of_the_domain(world):
    sink = world.sink(address=own_address(1))
    start(world, sink.port, f"example.zone. 60 IN A {own_address(1)}")
    world.send("bob@example.zone")
    sink.wait_for(1)


def scenario_without_a_the_ipv6_address(world):
    sink = world.sink(address="::1")
    start(world, sink.port, "example.zone. 60 IN AAAA ::1")
    world.send("bob@example.zone")
    sink.wait_for(1)


def scenario_an_address_literal_needs_no_dns(world):
    sink = world.sink(address=own_address(1))
    start(world, sink.port)
    world.send(f"bob@[{own_address(1)}]")
    sink.wait_for(1)


def scenario_an_alias_of_a_domain_is_followed(world):
    sink = world.sink(address=own_address(1))
    start(world, sink.port, "www.zone. 60 IN CNAME example.zone.",
          "example.zone. 60 IN MX 10 mail.zone.", f"mail.zone. 60 IN A {own_address(1)}")
    world.send("bob@www.zone")
    [message] = sink.wait_for(1)
    assert message.recipients == ["bob@www.zone"], message.recipients


def scenario_a_smart_host_may_be_a_name(world):
    sink = world.sink(address=own_address(1))
    start(world, sink.port, f"smart.zone. 60 IN A {own_address(1)}", smart_host="smart.zone")
    world.send("bob@example.org")
    sink.wait_for(1)


def scenario_names_of_private_networks_are_asked_like_others(world):
    sink = world.sink(address=own_address(1))
    domains = ("mail.test", "office.home.arpa")
    start(world, sink.port, *(f"{domain}. 60 IN A {own_address(1)}" for domain in domains))
    for domain in domains:
        world.send(f"bob@{domain}")
    sink.wait_for(2)


def expect_return(world, sender_sink, domain, status):
    """A permanent failure: the sender, at a domain that works, is told at once."""
    world.send(f"bob@{domain}", sender="ann@sender.zone")
    dsn = Dsn(sender_sink.wait_for(1)[0])
    fields = dsn.recipient(f"bob@{domain}")
    assert fields["Status"] == status, fields.as_string()
    assert domain in fields["Diagnostic-Code"], fields.as_string()
    assert world.events("deferred") == []


def with_sender(world, *records):
    sink = world.sink(address=own_address(1))
    return sink, start(world, sink.port, f"sender.zone. 60 IN A {own_address(1)}", *records)


def scenario_a_domain_that_does_not_exist_is_returned(world):
    sink, _ = with_sender(world)
    expect_return(world, sink, "missing.zone", "5.1.2")


def scenario_a_domain_that_takes_no_mail_is_returned(world):
    sink, _ = with_sender(world, "null.zone. 60 IN MX 0 .")
    expect_return(world, sink, "null.zone", "5.1.10")


def scenario_a_domain_without_a_host_is_returned(world):
    sink, _ = with_sender(world, "empty.zone. 60 IN TXT nothing")
    expect_return(world, sink, "empty.zone", "5.4.4")


def scenario_an_mx_that_is_an_alias_is_returned(world):
    sink, _ = with_sender(world, "alias.zone. 60 IN MX 10 www.zone.",
                          "www.zone. 60 IN CNAME sender.zone.")
    expect_return(world, sink, "alias.zone", "5.4.4")


def scenario_an_mx_that_is_us_is_a_loop(world):
    sink = world.sink(address=own_address(1))
    dns = f"self.zone. 60 IN A {world.address}", f"sender.zone. 60 IN A {own_address(1)}"
    world.port = sink.port
    start(world, sink.port, *dns)
    world.send("bob@self.zone", sender="ann@sender.zone")
    dsn = Dsn(sink.wait_for(1)[0])
    assert dsn.recipient("bob@self.zone")["Status"] == "5.4.6", dsn.plain


def expect_deferral(world, domain):
    world.send(f"bob@{domain}")
    [event] = world.wait_for_event("deferred", to=f"<bob@{domain}>")
    assert event["enhanced"].startswith("4.4."), event
    [entry] = world.queue()
    assert entry["recipients_open"] == 1, entry
    return event


def scenario_a_server_failure_is_a_deferral(world):
    start(world, free_port())
    expect_deferral(world, "servfail.example")


def scenario_a_loop_of_aliases_ends(world):
    start(world, free_port(), "a.zone. 60 IN CNAME b.zone.", "b.zone. 60 IN CNAME a.zone.")
    world.send("bob@a.zone")
    until(lambda: world.events("deferred") or world.events("bounced"), "an outcome")


def scenario_a_dns_server_that_is_down_is_a_deferral(world):
    sink = world.sink(address=own_address(1))
    dns = start(world, sink.port, f"example.zone. 60 IN A {own_address(1)}")
    dns.stop()
    expect_deferral(world, "example.zone")
    assert sink.count() == 0


def scenario_fifty_mail_hosts_are_no_trouble(world):
    """The answer does not fit a datagram without EDNS; the one good host is among the best."""
    sink = world.sink(address=own_address(1))
    records = ["many.zone. 60 IN MX 1 good.zone.", f"good.zone. 60 IN A {own_address(1)}"]
    for number in range(50):
        records += [f"many.zone. 60 IN MX {10 + number} a-rather-long-name-{number}.zone.",
                    f"a-rather-long-name-{number}.zone. 60 IN A {own_address(3)}"]
    start(world, sink.port, *records)
    world.send("bob@many.zone")
    sink.wait_for(1)


def scenario_domains_with_the_same_hosts_go_together(world):
    sink = world.sink(address=own_address(1))
    start(world, sink.port, *(f"d{number}.zone. 60 IN MX 10 mail.zone." for number in range(5)),
          f"mail.zone. 60 IN A {own_address(1)}")
    world.send([f"bob@d{number}.zone" for number in range(5)])
    until(lambda: sum(len(message.recipients) for message in sink.messages()) == 5,
          "every domain has its mail")
    world.wait_for_empty_queue()


def scenario_fixed_answers_come_before_dns(world):
    sink = world.sink(address=own_address(1))
    world.write_service("dns:\n  hosts:\n"
                        "    example.zone: \"mx:10 mail.zone\"\n"
                        f"    mail.zone: [{own_address(1)}]\n"
                        "    gone.zone: nxdomain\n"
                        f"    sender.example: [{own_address(1)}]\n")
    world.write_server(delivery=DELIVERY % sink.port)
    world.start()
    world.send("bob@example.zone")
    sink.wait_for(1)
    world.send("bob@gone.zone")
    sink.wait_for(2)
    [report] = [message for message in sink.messages() if not message.sender]
    assert Dsn(report).recipient("bob@gone.zone")["Status"] == "5.1.2"
