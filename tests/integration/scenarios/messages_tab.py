"""The Messages tab: sizes, numbers, copies of reports."""

from waiting import own_address, until


def scenario_the_size_limit(world):
    world.write_server(text="messages: { size_limit: 64 KiB }\n")
    world.start()
    client = world.raw()
    assert "SIZE 65536\r\n" in client.hello()
    refused = client.expect(b"MAIL FROM:<ann@x.example> SIZE=65537\r\n", "552 5.3.4")
    assert "fixed maximum message size" in refused, refused
    client.expect(b"MAIL FROM:<ann@x.example> SIZE=65536\r\n", "250")
    client.expect(b"RSET\r\n", "250")
    line = b"x" * 998 + b"\r\n"
    for lines, code in ((65, "250"), (66, "552 5.3.4")):
        client.begin("ann@local.example")
        client.expect(b"DATA\r\n", "354")
        client.expect(line * lines + b".\r\n", code)
    client.begin("ann@local.example")
    client.expect(b"BDAT 70000 LAST\r\n" + b"y" * 70000, "552 5.3.4")
    assert len(world.wait_for_event("accepted")) == 1
    # A session keeps what it was told; a new one hears the new limit.
    world.write_server(text="messages: { size_limit: unlimited }\n")
    world.ctl("reload")
    client.expect(b"MAIL FROM:<ann@x.example> SIZE=65537\r\n", "552 5.3.4")
    fresh = world.raw()
    assert "SIZE 0\r\n" in fresh.hello()
    fresh.message(line * 200, recipient="ann@local.example")


def scenario_the_session_size_limit(world):
    world.write_server(text="messages: { size_limit: 64 KiB, session_size_limit: 100 KiB }\n")
    world.start()
    body = (b"x" * 998 + b"\r\n") * 60
    client = world.raw()
    client.hello()
    client.message(body, recipient="ann@local.example")
    client.begin("ann@local.example")
    client.expect(b"DATA\r\n", "354")
    client.expect(body + b".\r\n", "421 4.3.4")
    assert client.is_closed()
    [event] = world.wait_for_event("connection")
    assert event["messages"] == 1 and "session size" in event["reason"], event
    fresh = world.raw()
    fresh.hello()
    fresh.message(body, recipient="ann@local.example")
    # What is announced beyond it is refused before it is sent.
    fresh.expect(b"MAIL FROM:<ann@x.example> SIZE=60000\r\n", "4")


def scenario_the_recipients_limit(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, text="messages: { recipients_limit: 3 }\n")
    world.start()
    client = world.raw()
    assert "RCPTMAX=3" in client.hello()
    client.begin("user0@example.org")
    for number in (1, 2):
        client.expect(f"RCPT TO:<user{number}@example.org>\r\n".encode(), "250")
    for _ in range(2):
        client.expect(b"RCPT TO:<user3@example.org>\r\n", "452 4.5.3 Too many recipients")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    assert sink.wait_for(1)[0].recipients == [f"user{number}@example.org" for number in range(3)]


def scenario_the_recipients_limit_divides_what_goes_out(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, text="messages: { recipients_limit: 3 }\n")
    world.start()
    receivers = [f"user{number}@example.org" for number in range(7)]
    pickup = world.home() / "Pickup"
    (pickup / "tmp" / "seven").write_text(
        "X-Sender: ann@local.example\n" + "".join(f"X-Receiver: {r}\n" for r in receivers) +
        "Subject: seven\n\nx\n")
    (pickup / "tmp" / "seven").rename(pickup / "new" / "seven")
    messages = sink.wait_for(3)
    assert [len(message.recipients) for message in messages] == [3, 3, 1], messages
    assert sorted(sum((message.recipients for message in messages), [])) == receivers


def scenario_a_further_connection_after_so_many_messages(world):
    """messages.per_connection_limit is about what goes out."""
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, delivery="outbound: { per_domain: 1 }\n",
                       text="messages: { per_connection_limit: 5 }\n")
    world.start()
    with world.client() as smtp:
        for number in range(12):  # more than five come in on one connection
            smtp.sendmail("ann@sender.example", [f"user{number}@example.org"], b"a: b\r\n\r\n")
    clients = [message.client for message in sink.wait_for(12)]
    counts = [clients.count(client) for client in dict.fromkeys(clients)]
    assert max(counts) <= 5 and sum(counts) == 12, counts


def scenario_bare_line_feeds_are_refused_or_mended(world):
    world.write_server("strict")
    world.write_server("mild", address=own_address(1), text=(
        "messages: { bare_line_feed: normalise }\n"))
    world.start()
    client = world.raw()
    client.hello()
    client.begin("ann@local.example")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\none\ntwo\r\n.\r\n", "550 5.6.11")
    client = world.raw(address=own_address(1))
    client.hello()
    client.message(b"Subject: x\r\n\r\none\ntwo\r\n", recipient="ann@local.example")
    until(lambda: world.mail_files("Drop", "mild"), "a file in Drop")
    assert world.mail_files("Drop", "mild")[0].read_bytes().endswith(b"\r\none\r\ntwo\r\n")
    assert world.mail_files("Drop", "strict") == []


def scenario_a_copy_of_every_non_delivery_report(world):
    """Of failures, by whatever way; not of delays and successes. Live."""
    sink = world.sink("--reply", "RCPT/nobody@=550:no such user", "--disable", "DSN")
    copies = "messages: { ndr_copy_to: admin@watch.example }\n"
    world.write_server(smart_host=sink.smart_host, text=copies)
    world.start()
    world.send("nobody@example.org", subject="first")
    world.send("bob@example.org", subject="second", rcpt_options=["NOTIFY=SUCCESS"])
    messages = sink.wait_for(4)
    reports = {message.recipients[0]: message for message in messages if message.sender == ""
               and b"first" in message.content}
    assert sorted(reports) == ["admin@watch.example", "ann@sender.example"], reports
    assert all("Failure" in report.parsed()["Subject"] for report in reports.values())
    [other] = [message for message in messages if message.sender == ""
               and b"first" not in message.content]
    assert other.recipients == ["ann@sender.example"], "a success has no copy"
    world.write_server(smart_host=sink.smart_host)
    world.ctl("reload")
    world.send("nobody@example.org", subject="third")
    sink.wait_for(5)
    world.wait_for_empty_queue()
    assert sink.count() == 5
