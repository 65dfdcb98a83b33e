"""The General tab: who we say we are, the default domain, how many may connect."""

from waiting import own_address, until


def received(client, name):
    """What is stored of a message without any header field, sent by this client."""
    client.begin(recipient="postmaster")
    client.expect(b"DATA\r\n", "354")
    return client.expect(f"Subject: {name}\r\n\r\nx\r\n.\r\n".encode(), "250")


def scenario_the_fqdn_stands_wherever_we_name_ourselves(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, fqdn="gate.local.example",
                       text="banner: \"ready for you {now}\"\n")
    world.start()
    client = world.raw()
    assert client.reply() == "220 gate.local.example ready for you {now}\r\n"
    hello = client.expect(b"EHLO client.example\r\n", "250")
    assert hello.startswith("250-gate.local.example Hello [127.0.0.1]\r\n"), hello
    client.message(b"Subject: x\r\n\r\nx\r\n")
    [message] = sink.wait_for(1)
    assert message.hello == "gate.local.example", message.hello
    assert "by gate.local.example" in message.parsed()["Received"], message.content
    assert message.parsed()["Message-ID"].endswith("@gate.local.example>"), message.content
    # New sessions have the new name; this one keeps what it began with.
    world.write_server(smart_host=sink.smart_host, fqdn="door.local.example")
    world.ctl("reload")
    assert world.raw().reply().startswith("220 door.local.example")
    client.expect(b"QUIT\r\n", "221 2.0.0 gate.local.example")


def scenario_reports_name_the_server(world):
    sink = world.sink("--reply", "RCPT/nobody@=550:no such user")
    world.write_server(smart_host=sink.smart_host, fqdn="gate.local.example",
                       default_domain="firm.example")
    world.start()
    world.send("nobody@example.org")
    [report] = sink.wait_for(1)
    assert report.parsed()["From"] == "postmaster@firm.example", report.parsed()["From"]
    assert b"Reporting-MTA: dns; gate.local.example" in report.content, report.content


def scenario_the_default_domain_completes_the_envelope(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, default_domain="firm.example")
    world.start()
    client = world.raw()
    client.hello()
    reply = client.expect(b"MAIL FROM:<ann>\r\n", "250 2.1.0")
    assert "<ann@firm.example>" in reply, reply
    reply = client.expect(b"RCPT TO:<bob>\r\n", "250 2.1.5")
    assert "<bob@firm.example>" in reply, reply
    client.expect(b"RCPT TO:<carl@example.org>\r\n", "250 2.1.5")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    assert sink.wait_for(1)[0].sender == "ann@firm.example"
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    text = world.mail_files("Drop")[0].read_text()
    assert "x-sender: ann@firm.example\n" in text, text
    assert "x-receiver: bob@firm.example\n" in text, text


def scenario_the_default_domain_completes_what_relay_clients_left_bare(world):
    """From, To, Cc, Reply-To and Sender, of those clients whose headers may be stamped; everyone
    else's content passes byte for byte."""
    sink = world.sink()
    open_domain = (f"domains: [{{ name: open.example, type: remote, relay: true,"
                   f" smart_host: [\"{sink.smart_host}\"] }}]\n")
    world.write_server(text=open_domain, default_domain="firm.example")
    world.start()
    content = (b"Date: Thu, 5 Mar 2026 09:30:00 +0100\r\nMessage-ID: <1@client.example>\r\n"
               b"From: Ann Lee <ann>\r\nTo: bob, Carl <carl@open.example>,\r\n dora (Dora)\r\n"
               b"cc: us: eve;\r\nReply-To: ann\r\nSender: <fred>\r\nBcc: gus\r\nSubject: ann\r\n"
               b"\r\nTo: hal\r\n")
    completed = (content.replace(b"<ann>", b"<ann@firm.example>")
                 .replace(b"To: bob,", b"To: bob@firm.example,")
                 .replace(b" dora (", b" dora@firm.example (")
                 .replace(b"eve;", b"eve@firm.example;")
                 .replace(b"Reply-To: ann", b"Reply-To: ann@firm.example")
                 .replace(b"<fred>", b"<fred@firm.example>"))
    client = world.raw()
    client.hello()
    client.message(content, recipient="x@open.example")
    assert sink.wait_for(1)[0].content.endswith(b"\r\n" + completed)
    for text, relay in ((open_domain, False), (open_domain + "stamp_headers: never\n", True)):
        world.write_server(text=text, relay=relay, default_domain="firm.example")
        world.ctl("reload")
        before = sink.count()
        client = world.raw()
        client.hello()
        client.message(content, recipient="x@open.example")
        assert sink.wait_for(before + 1)[-1].content.endswith(b"\r\n" + content), relay
    world.write_server(text=open_domain + "stamp_headers: always\n", relay=False,
                       default_domain="firm.example")
    world.ctl("reload")
    client = world.raw()
    client.hello()
    client.message(content, recipient="x@open.example")
    assert sink.wait_for(4)[-1].content.endswith(b"\r\n" + completed)


def scenario_another_default_domain_is_live(world):
    world.write_server(default_domain="old.example", relay=False)
    world.start()
    client = world.raw()
    client.hello()
    client.begin("ann@old.example")
    client.expect(b"RSET\r\n", "250")
    world.write_server(default_domain="new.example", relay=False,
                       text="domains: [{ name: old.example, type: alias }]\n")
    world.ctl("reload")
    client = world.raw()
    client.hello()
    client.begin("ann@old.example")
    client.expect(b"RCPT TO:<bob>\r\n", "250 2.1.5")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    text = world.mail_files("Drop")[0].read_text()
    assert "x-receiver: ann@new.example\nx-receiver: bob@new.example\n" in text, text


def scenario_limits_of_connections_are_live_and_count_all_shards(world):
    world.write_server(text="connections: { limit: unlimited, per_client_limit: unlimited }\n")
    world.start()
    clients = [world.raw() for _ in range(30)]
    for client in clients:
        client.hello()
    world.write_server(text="connections: { limit: 31, per_client_limit: 30 }\n")
    world.ctl("reload")
    reply = world.raw().reply()
    assert reply == "421 4.7.0 Too many connections from your address, try again later\r\n", reply
    other = world.raw(source="127.0.0.9")
    assert other.reply().startswith("220")
    reply = world.raw(source="127.0.0.10").reply()
    assert reply == "421 4.7.0 Too many connections to this server, try again later\r\n", reply
    for client in clients:  # those who are here stay
        client.expect(b"NOOP\r\n", "250")
    view = world.server()["inbound"]
    assert view["connections_open"] == 31 and view["connections_refused"] == 2, view
    for client in clients[:2]:
        client.expect(b"QUIT\r\n", "221")
    until(lambda: world.server()["inbound"]["connections_open"] == 29, "two have left")
    assert world.raw().reply().startswith("220")


def scenario_the_idle_time_is_each_servers_own(world):
    world.write_server("hasty", text="connections: { timeout: 1s }\n")
    world.write_server("patient", address=own_address(1))
    world.start()
    patient = world.raw(address=own_address(1))
    patient.hello()
    hasty = world.raw()
    hasty.hello()
    assert hasty.reply().startswith("421 4.4.2")
    assert hasty.is_closed()
    patient.expect(b"NOOP\r\n", "250")


def scenario_extensions_can_be_withheld(world):
    """Each one alone is not offered, and its parameters and verbs are refused."""
    known = ["8BITMIME", "BINARYMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "HELP", "LIMITS",
             "PIPELINING", "SIZE", "SMTPUTF8"]
    refused = {"8BITMIME": b"MAIL FROM:<ann@x.example> BODY=8BITMIME\r\n",
               "BINARYMIME": b"MAIL FROM:<ann@x.example> BODY=BINARYMIME\r\n",
               "CHUNKING": b"BDAT 0 LAST\r\n", "DSN": b"MAIL FROM:<ann@x.example> RET=HDRS\r\n",
               "SIZE": b"MAIL FROM:<ann@x.example> SIZE=1000\r\n",
               "SMTPUTF8": b"MAIL FROM:<ann@x.example> SMTPUTF8\r\n"}
    world.write_server()
    world.start()
    for word in known:
        world.write_server(text=f"extensions: {{ disable: [{word.lower()}] }}\n")
        world.ctl("reload")
        client = world.raw()
        offered = client.hello()
        words = {line[4:].split()[0] for line in offered.splitlines()[1:]}
        follows = {"8BITMIME": {"BINARYMIME", "SMTPUTF8"}, "CHUNKING": {"BINARYMIME"}}
        absent = {word} | follows.get(word, set())
        assert words.isdisjoint(absent) and words >= set(known) - absent, (word, offered)
        if word in refused:
            client.expect(refused[word], "5")
