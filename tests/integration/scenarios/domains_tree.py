"""The Domains of a virtual server: default, aliases, remote ones with their own way and rules."""

from waiting import own_address, until


def relay_reply(world, recipient):
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")
    return client.ask(f"RCPT TO:<{recipient}>\r\n".encode())[:3]


def scenario_which_names_an_entry_is_for(world):
    """Exact names, stars for all names below, the longest match; case and a last dot aside."""
    names = ["b.example", "*.b.example", "x.b.example", "*.x.b.example", "*.c.example"]
    sinks = {name: world.sink() for name in names}
    world.write_server(relay=False, text="domains:\n" + "".join(
        f"  - {{ name: \"{name}\", type: remote, relay: true,"
        f" smart_host: [\"{sink.smart_host}\"] }}\n" for name, sink in sinks.items()))
    world.start()
    expected = {"b.example": "b.example", "a.b.example": "*.b.example",
                "X.B.Example": "x.b.example", "y.x.b.example": "*.x.b.example",
                "z.y.x.b.example": "*.x.b.example", "z.a.b.example": "*.b.example",
                "a.c.example": "*.c.example"}
    with world.client() as smtp:
        for name in expected:
            smtp.sendmail("x@sender.example", [f"bob@{name}"], b"a: b\r\n\r\n")
    for name, sink in sinks.items():
        wanted = sorted(domain.lower() for domain, entry in expected.items() if entry == name)
        got = sorted(message.recipients[0].split("@")[1] for message in sink.wait_for(len(wanted)))
        assert got == wanted, (name, got, wanted)
    for foreign in ("c.example", "bb.example", "a-b.example", "b.example.net", "xc.example",
                    "[127.0.0.1]"):
        assert relay_reply(world, f"bob@{foreign}") == "550", foreign


def scenario_who_may_send_to_a_remote_domain(world):
    """relay: true is for everybody, without it an entry is only a way; live."""
    sink = world.sink()

    def write(relay):
        world.write_server(relay=False, text=(
            f"domains: [{{ name: far.example, type: remote, relay: {relay},"
            f" smart_host: [\"{sink.smart_host}\"] }}]\n"))

    write("false")
    world.start()
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@far.example>\r\n", "550 5.7.1")
    write("true")
    world.ctl("reload")
    client.expect(b"RSET\r\n", "250")
    client.message(b"Subject: x\r\n\r\nx\r\n", recipient="bob@far.example")
    assert sink.wait_for(1)[0].recipients == ["bob@far.example"]


def scenario_a_domain_has_a_list_of_smart_hosts(world):
    """In order of preference, and instead of the server's."""
    usual, second = world.sink(), world.sink()
    first = world.sink("--reply", "CONNECT=421:busy")
    world.write_server(smart_host=usual.smart_host, text=(
        f"domains: [{{ name: far.example, type: remote,"
        f" smart_host: [\"{first.smart_host}\", \"{second.smart_host}\"] }}]\n"))
    world.start()
    world.send(["a@far.example", "b@near.example"])
    assert second.wait_for(1)[0].recipients == ["a@far.example"]
    assert usual.wait_for(1)[0].recipients == ["b@near.example"]
    assert first.count() == 0


def scenario_a_remote_domain_without_smart_host_goes_by_dns(world):
    usual, direct = world.sink(), world.sink(address=own_address(1))
    world.write_service(f"dns: {{ hosts: {{ far.example: [{direct.address}] }} }}\n")
    world.write_server(smart_host=usual.smart_host,
                       delivery=f"outbound: {{ port: {direct.port} }}\n",
                       text="domains: [{ name: far.example, type: remote }]\n")
    world.start()
    world.send(["a@far.example", "b@near.example"])
    assert direct.wait_for(1)[0].recipients == ["a@far.example"]
    assert usual.wait_for(1)[0].recipients == ["b@near.example"]


def scenario_hello_instead_of_ehlo_for_a_domain(world):
    """The host would offer EHLO; only the mail of this domain goes without."""
    old, new = world.sink(), world.sink()
    world.write_server(smart_host=new.smart_host, text=(
        f"domains: [{{ name: old.example, type: remote, helo: true,"
        f" smart_host: [\"{old.smart_host}\"] }}]\n"))
    world.start()
    world.send("bob@old.example", mail_options=["BODY=8BITMIME"])
    world.send("bob@new.example", mail_options=["BODY=8BITMIME"])
    [message] = old.wait_for(1)
    assert message.mail_parameters == "", "only EHLO gives parameters"
    [message] = new.wait_for(1)
    assert "SIZE=" in message.mail_parameters, message.mail_parameters


def scenario_a_host_that_does_not_know_ehlo(world):
    """With helo it is never asked; without, it is and gets HELO then."""
    old = world.sink("--reply", "EHLO=502:what")
    world.write_server(smart_host=old.smart_host, text=(
        f"domains: [{{ name: old.example, type: remote, helo: true,"
        f" smart_host: [\"{old.smart_host}\"] }}]\n"))
    world.start()
    world.send("bob@old.example")
    world.send("bob@new.example")
    old.wait_for(2)
    assert [event["attempt"] for event in world.wait_for_event("delivered", 2)] == [1, 1]


def scenario_aliases_share_the_drop_under_the_default_domain(world):
    world.write_server(relay=False, text=(
        "domains: [{ name: sales.example, type: alias }, { name: shop.example, type: alias }]\n"))
    world.start()
    client = world.raw()
    client.hello()
    client.begin("ann@sales.example", sender="bob@shop.example")
    for recipient in ("ben@SHOP.example", "cid@local.example", "dot"):
        client.expect(f"RCPT TO:<{recipient}>\r\n".encode(), "250")
    client.expect(b"RCPT TO:<eve@sub.sales.example>\r\n", "550 5.7.1")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    [file] = world.mail_files("Drop")
    lines = [line for line in file.read_text().splitlines() if line.startswith("x-receiver:")]
    assert lines == [f"x-receiver: {name}@local.example" for name in
                     ("ann", "ben", "cid", "dot")], lines
    # An alias that is taken away is a foreign domain at the next recipient.
    world.write_server(relay=False)
    world.ctl("reload")
    assert relay_reply(world, "ann@sales.example") == "550"
