"""The Access tab: who may connect and who may relay, live at every reload."""

from waiting import own_address

CONNECT = "  connect: {{ allow: [{}], deny: [{}] }}\n"


def write(world, connect="", relay_allow="127.0.0.0/8", relay_deny="", text=""):
    world.write_server(relay=False, text=(
        "access:\n" + connect +
        f"  relay: {{ allow: [{relay_allow}], deny: [{relay_deny}] }}\n" + text))


def greeting(world, source):
    client = world.raw(source=source)
    reply = client.reply()
    if not reply.startswith("220"):
        assert client.is_closed()
    return reply


def scenario_who_may_connect(world):
    write(world, CONNECT.format("127.0.0.1, 127.0.1.0/24", "127.0.1.7"))
    world.start()
    assert greeting(world, "127.0.0.1").startswith("220")
    assert greeting(world, "127.0.1.6").startswith("220")
    assert greeting(world, "127.0.1.7") == "554 5.7.1 Access denied\r\n"
    assert greeting(world, "127.0.2.1") == "554 5.7.1 Access denied\r\n"
    peers = {event["peer"].split(":")[0] for event in world.wait_for_event("refused", 2)}
    assert peers == {"127.0.1.7", "127.0.2.1"}, peers
    write(world, CONNECT.format("", "127.0.1.7"))  # an empty list is everybody
    world.ctl("reload")
    assert greeting(world, "127.0.2.1").startswith("220")
    assert greeting(world, "127.0.1.7").startswith("554")
    write(world, CONNECT.format("127.0.1.7", "0.0.0.0/0"))
    world.ctl("reload")
    assert greeting(world, "127.0.1.7").startswith("554"), "deny beats allow"


def scenario_ipv6_clients_have_networks_of_their_own(world):
    write(world, CONNECT.format("\"2001:db8::/32\"", ""))
    text = world.server_file().read_text()
    world.server_file().write_text(text.replace(f"\"{world.address}\"", "\"[::1]\""))
    world.start()
    client = world.raw(address="::1")
    assert client.reply().startswith("554 5.7.1")
    world.server_file().write_text(
        world.server_file().read_text().replace("2001:db8::/32", "::1"))
    world.ctl("reload")
    client = world.raw(address="::1")
    client.hello()
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")  # IPv4 relays here


def scenario_a_right_that_is_revoked_ends_with_the_transaction(world):
    write(world)
    world.start()
    client = world.raw(source="127.0.1.7")
    client.hello()
    client.begin("ann@local.example")
    write(world, CONNECT.format("", "127.0.1.7"))
    world.ctl("reload")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "550 5.7.1 Access denied")
    write(world)
    world.ctl("reload")
    client.begin("ann@local.example")


def scenario_who_may_relay(world):
    sink = world.sink()
    smart = f"delivery: {{ smart_host: [\"{sink.smart_host}\"] }}\n"
    write(world, relay_allow="127.0.1.0/24, 127.0.3.3", relay_deny="127.0.1.7", text=smart)
    world.start()
    for source, code in (("127.0.1.6", "250"), ("127.0.3.3", "250"), ("127.0.1.7", "550 5.7.1"),
                         ("127.0.3.4", "550 5.7.1"), ("127.0.0.1", "550 5.7.1")):
        client = world.raw(source=source)
        client.hello()
        client.expect(b"MAIL FROM:<>\r\n", "250")  # the null path has no privilege
        client.expect(b"RCPT TO:<bob@example.org>\r\n", code)
        client.expect(b"RCPT TO:<ann@local.example>\r\n", "250")
        client.expect(b"RSET\r\n", "250")
    write(world, relay_allow="127.0.0.1", text=smart)
    world.ctl("reload")
    client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")  # 127.0.0.1, the last of them
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "250")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    assert sink.wait_for(1)[0].recipients == ["bob@example.org"]


def scenario_an_absent_relay_list_is_empty(world):
    world.write_server("none", relay=False)
    world.write_server("empty", address=own_address(1), relay=False,
                       text="access: { relay: { allow: [] } }\n")
    world.start()
    for address in (world.address, own_address(1)):
        client = world.raw(address=address)
        client.hello()
        client.expect(b"MAIL FROM:<x@sender.example>\r\n", "250")
        client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")
