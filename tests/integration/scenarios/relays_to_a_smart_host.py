"""Mail in by SMTP, out by SMTP: the whole way, with a client of Python's library."""


def scenario_one_message_arrives_unchanged(world):
    sink = world.sink()
    world.write_server(smart_host=f"[127.0.0.1]:{sink.port}")
    world.start()
    world.send("bob@example.org", body="line one\r\n.dot first\r\n..two dots\r\nlast line")
    [message] = sink.wait_for(1)
    assert b"\r\n\r\nline one\r\n.dot first\r\n..two dots\r\nlast line\r\n" in message, message
    assert b"Received: from client.example" in message, message
    assert b"by mx.local.example" in message, message


def scenario_many_messages_on_one_connection(world):
    sink = world.sink()
    world.write_server(smart_host=f"[127.0.0.1]:{sink.port}")
    world.start()
    with world.client() as smtp:
        for number in range(50):
            smtp.sendmail("ann@sender.example", [f"bob{number}@example.org"],
                          f"Subject: {number}\r\n\r\nbody {number}\r\n".encode())
    messages = b"".join(sink.wait_for(50))
    for number in range(50):
        assert f"\r\nbody {number}\r\n".encode() in messages, number


def scenario_recipients_of_one_message_share_a_transaction(world):
    sink = world.sink()
    world.write_server(smart_host=f"[127.0.0.1]:{sink.port}")
    world.start()
    world.send(["bob@example.org", "carol@example.org", "dave@example.net"])
    messages = sink.wait_for(1)
    assert len(messages) == 1, len(messages)


def scenario_local_domain_goes_to_drop(world):
    world.write_server()
    world.start()
    world.send(["postmaster@local.example", "Ann.Smith@LOCAL.example"])
    import world as worlds
    worlds.until(lambda: world.mail_files("Drop"), "a file in Drop")
    text = world.mail_files("Drop")[0].read_text()
    assert "X-Sender: ann@sender.example" in text or "X-Sender: <ann@sender.example>" in text, text
    assert "Ann.Smith@local.example" in text, text
    assert "Return-Path: <ann@sender.example>" in text, text
