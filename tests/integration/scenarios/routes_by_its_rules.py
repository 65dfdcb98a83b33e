"""Where mail goes and what it is called on the way: aliases, exceptions, masquerade, old hosts."""

from waiting import own_address, until


def scenario_an_alias_is_the_default_domain(world):
    world.write_server(text="domains: [{ name: sales.example, type: alias }]\n", relay=False)
    world.start()
    world.send(["ann@sales.example", "Bob@SALES.example"])
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    text = world.mail_files("Drop")[0].read_text()
    assert "ann@local.example" in text and "Bob@local.example" in text, text
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<ann@sub.sales.example>\r\n", "550 5.7.1")


def scenario_a_domain_may_be_open_to_everybody(world):
    sink = world.sink()
    world.write_server(relay=False, smart_host=sink.smart_host, text=(
        f"domains: [{{ name: \"*.branch.example\", type: remote, relay: true,"
        f" smart_host: [\"{sink.smart_host}\"] }}]\n"))
    world.start()
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@branch.example>\r\n", "550 5.7.1")
    client.expect(b"RCPT TO:<bob@north.branch.example>\r\n", "250")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    assert sink.wait_for(1)[0].recipients == ["bob@north.branch.example"]


def scenario_the_longest_match_wins(world):
    wide, narrow = world.sink(), world.sink()
    world.write_server(text=(
        "domains:\n"
        f"  - {{ name: \"*.example.net\", type: remote, smart_host: [\"{wide.smart_host}\"] }}\n"
        f"  - {{ name: \"*.b.example.net\", type: remote, smart_host: [\"{narrow.smart_host}\"]"
        " }\n"))
    world.start()
    world.send(["one@a.example.net", "two@x.b.example.net", "three@b.example.net"])
    assert sorted(wide.wait_for(1)[0].recipients) == ["one@a.example.net", "three@b.example.net"]
    assert narrow.wait_for(1)[0].recipients == ["two@x.b.example.net"]


def scenario_the_masquerade_domain_stands_in_mail_from(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, delivery="masquerade_domain: big.example\n")
    world.start()
    world.send("bob@example.org", sender="ann@local.example", subject="ours")
    world.send("bob@example.org", sender="ann@other.example", subject="theirs")
    senders = {message.parsed()["Subject"]: message.sender for message in sink.wait_for(2)}
    assert senders == {"ours": "ann@big.example", "theirs": "ann@other.example"}, senders


def scenario_an_old_host_is_greeted_with_helo(world):
    sink = world.sink("--reply", "EHLO=502:what")
    world.write_server(text=(
        "domains:\n"
        f"  - {{ name: old.example, type: remote, smart_host: [\"{sink.smart_host}\"],"
        " helo: true }\n"))
    world.start()
    world.send("bob@old.example")
    [message] = sink.wait_for(1)
    assert message.mail_parameters == "", message.mail_parameters


def scenario_a_host_that_does_not_know_ehlo_gets_helo(world):
    sink = world.sink("--reply", "EHLO=502:what")
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send("bob@example.org")
    sink.wait_for(1)


def scenario_connections_leave_from_the_bound_address(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host,
                       delivery=f"outbound: {{ bind: [{own_address(3)}] }}\n")
    world.start()
    world.send("bob@example.org")
    [message] = sink.wait_for(1)
    assert message.client.startswith(own_address(3) + ":"), message.client


def scenario_direct_delivery_comes_first_where_it_is_asked_for(world):
    direct, smart = world.sink(), world.sink()
    world.write_service(f"dns:\n  hosts:\n    near.example: [{direct.address}]\n"
                        "    far.example: nxdomain\n    dead.example: servfail\n")
    world.write_server(smart_host=smart.smart_host, delivery=(
        f"attempt_direct_delivery_first: true\noutbound: {{ port: {direct.port} }}\n"))
    world.start()
    world.send("bob@near.example")
    direct.wait_for(1)
    world.send("bob@far.example")
    world.send("bob@dead.example")
    recipients = sorted(message.recipients[0] for message in smart.wait_for(2))
    assert recipients == ["bob@dead.example", "bob@far.example"], recipients


def scenario_connections_to_one_destination_are_limited(world):
    sink = world.sink("--delay-ms", "END=50")
    world.write_server(smart_host=sink.smart_host, delivery="outbound: { per_domain: 3 }\n")
    world.start()
    with world.client() as smtp:
        for number in range(60):
            smtp.sendmail("ann@sender.example", [f"user{number}@example.org"], b"a: b\r\n\r\n")
    most = 0
    while sink.count() < 60:
        most = max(most, world.server()["outbound"]["connections_open"])
    assert 1 <= most <= 3, most


def scenario_a_connection_is_left_after_its_share_of_messages(world):
    """messages.per_connection_limit: a further connection is opened after this many."""
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host,
                       text="messages: { per_connection_limit: 5 }\n")
    world.start()
    with world.client() as smtp:
        for number in range(40):
            smtp.sendmail("ann@sender.example", [f"user{number}@example.org"], b"a: b\r\n\r\n")
    messages = sink.wait_for(40)
    assert len({message.client for message in messages}) >= 2
