"""Mail in by SMTP, out by SMTP: the whole way, with a client of Python's library."""

from waiting import until


def scenario_one_message_arrives_unchanged(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send("bob@example.org", body="line one\r\n.dot first\r\n..two dots\r\nlast line")
    [message] = sink.wait_for(1)
    content = message.content
    assert b"\r\n\r\nline one\r\n.dot first\r\n..two dots\r\nlast line\r\n" in content, content
    assert content.startswith(b"Received: from client.example"), content
    assert b"by mx.local.example" in content, content
    assert message.sender == "ann@sender.example" and message.recipients == ["bob@example.org"]
    assert message.hello == "mx.local.example", message.hello
    world.wait_for_event("delivered", to="<bob@example.org>")
    world.wait_for_empty_queue()
    assert world.mail_files("Queue") == []


def scenario_many_messages_on_one_connection(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    with world.client() as smtp:
        for number in range(50):
            smtp.sendmail("ann@sender.example", [f"bob{number}@example.org"],
                          f"Subject: {number}\r\n\r\nbody {number}\r\n".encode())
    bodies = sorted(message.body() for message in sink.wait_for(50))
    assert bodies == sorted(f"body {number}\r\n".encode() for number in range(50)), bodies
    world.wait_for_empty_queue()


def scenario_recipients_of_one_message_share_a_transaction(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    recipients = ["bob@example.org", "carol@example.org", "dave@example.net"]
    world.send(recipients)
    [message] = sink.wait_for(1)
    assert message.recipients == recipients, message.recipients


def scenario_local_domain_goes_to_drop(world):
    world.write_server()
    world.start()
    world.send(["postmaster@local.example", "Ann.Smith@LOCAL.example"])
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    text = world.mail_files("Drop")[0].read_text()
    assert "x-sender: ann@sender.example\n" in text, text
    assert "Ann.Smith@local.example" in text, text
    assert "Return-Path: <ann@sender.example>" in text, text
    assert "Hello." in text, text
    world.wait_for_empty_queue()


def scenario_mail_for_local_and_foreign_domains_is_divided(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    world.send(["ann@local.example", "bob@example.org"])
    [message] = sink.wait_for(1)
    assert message.recipients == ["bob@example.org"], message.recipients
    until(lambda: world.mail_files("Drop"), "a file in Drop")
    assert "X-Receiver: bob@" not in world.mail_files("Drop")[0].read_text()
    world.wait_for_empty_queue()


def scenario_a_domain_may_have_its_own_smart_host(world):
    usual, special = world.sink(), world.sink()
    world.write_server(smart_host=usual.smart_host, text=(
        "domains:\n"
        f"  - {{ name: \"*.partner.example\", type: remote, smart_host: [\"{special.smart_host}\"]"
        " }\n"))
    world.start()
    world.send(["bob@example.org", "carol@a.partner.example"])
    assert usual.wait_for(1)[0].recipients == ["bob@example.org"]
    assert special.wait_for(1)[0].recipients == ["carol@a.partner.example"]


def scenario_submitted_mail_is_completed_and_that_of_strangers_is_not(world):
    """stamp_headers: auto. Relay clients may forget Date and Message-ID; they are put on top."""
    sink = world.sink()
    text = (
        "domains:\n"
        f"  - {{ name: open.example, type: remote, relay: true, smart_host: [\"{sink.smart_host}\"]"
        " }\n")
    content = b"Subject: bare\r\n\r\nx\r\n"
    world.write_server(text=text)
    world.start()
    client = world.raw()
    client.hello()
    client.message(content, recipient="bob@open.example")
    [message] = sink.wait_for(1)
    assert message.parsed()["Date"] and message.parsed()["Message-ID"], message.content
    assert message.content.endswith(content), message.content
    world.write_server(text=text, relay=False)
    world.ctl("reload")
    client = world.raw()
    client.hello()
    client.message(content, recipient="carol@open.example")
    [_, message] = sink.wait_for(2)
    assert message.parsed()["Date"] is None and message.parsed()["Message-ID"] is None
    received = message.content[:-len(content)]
    assert received.startswith(b"Received: ") and received.count(b"\r\n") <= 4, received


def scenario_a_loop_is_ended(world):
    """Our own address as smart host is the administrator's mistake; a header with too many
    Received fields is a loop somewhere."""
    world.write_server(smart_host=f"[{world.address}]:{world.port}")
    world.start()
    client = world.raw()
    client.hello()
    client.begin()
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Received: from a by b\r\n" * 40 + b"\r\nx\r\n.\r\n", "554 5.4.6")
    client.message(b"Subject: x\r\n\r\nx\r\n")
    [event] = world.wait_for_event("deferred")
    assert "loop" in event["reply"], event
