"""Closed by default: who may not relay is told so at RCPT, and nothing is stored."""


def scenario_strangers_may_only_send_to_local_domains(world):
    world.write_server(relay=False)
    world.start()
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<ann@sender.example>\r\n", "250 2.1.0")
    reply = client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")
    assert "Unable to relay for" in reply and "bob@example.org" in reply, reply
    client.expect(b"RCPT TO:<postmaster>\r\n", "250 2.1.5")
    client.expect(b"RCPT TO:<ann@local.example>\r\n", "250 2.1.5")


def scenario_tricks_are_plain_local_parts(world):
    world.write_server(relay=False)
    world.start()
    client = world.raw()
    client.hello()
    client.expect(b"MAIL FROM:<>\r\n", "250")
    for trick in ("u%example.org@foreign.example", "foreign.example!u@foreign.example",
                  "\"u@local.example\"@foreign.example", "@local.example:u@foreign.example",
                  "u@[127.0.0.1]", "u@local.example.foreign.example", "u@xlocal.example"):
        client.expect(f"RCPT TO:<{trick}>\r\n".encode(), "550 5.7.1")
    # Local parts of a local domain, taken as they are and never looked into.
    for local in ("u%example.org@local.example", "\"u@example.org\"@local.example"):
        client.expect(f"RCPT TO:<{local}>\r\n".encode(), "250 2.1.5")
