"""Content: byte for byte, whatever the next hop can do; what it cannot take is converted, or
returned with a clear reason."""

import hashlib
import random

from dsn import Dsn
from waiting import until

UTF8_BODY = ("Subject: Gr=?\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: 8bit\r\n\r\nSchöne Grüße\r\n").encode()


def start(world, *options, text=""):
    sink = world.sink(*options)
    world.write_server(smart_host=sink.smart_host, text=text)
    world.start()
    return sink


def submit(world, content, *parameters, recipient="bob@example.org",
           sender="ann@sender.example"):
    client = world.raw()
    client.hello()
    client.expect(" ".join([f"MAIL FROM:<{sender}>", *parameters, ""]).rstrip().encode() + b"\r\n",
                  "250")
    client.expect(f"RCPT TO:<{recipient}>\r\n".encode(), "250")
    client.expect(b"BDAT %d LAST\r\n" % len(content) + content, "250 2.6.0")


def lines_of_all_kinds(size_bytes, seed):
    """Text with dots, blanks and long lines at every place."""
    chance = random.Random(seed)
    pieces, size = [b"Subject: all kinds\r\n\r\n"], 0
    while size < size_bytes:
        line = b"." * chance.randrange(3) + bytes(
            chance.choice(b" abcdefgh.=\t") for _ in range(chance.randrange(90))) + b"\r\n"
        pieces.append(line)
        size += len(line)
    return b"".join(pieces)


def scenario_every_way_in_and_every_way_out_is_byte_exact(world):
    content = lines_of_all_kinds(200_000, 1)
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    chunking = world.sink()
    plain = world.sink("--disable", "CHUNKING")
    old = world.sink("--disable", "CHUNKING", "--disable", "PIPELINING", "--disable", "SIZE",
                     "--disable", "8BITMIME", "--disable", "ENHANCEDSTATUSCODES")
    sinks = {"chunking.example": chunking, "plain.example": plain, "old.example": old}
    world.write_server(text="domains:\n" + "".join(
        f"  - {{ name: {name}, type: remote, smart_host: [\"{sink.smart_host}\"] }}\n"
        for name, sink in sinks.items()))
    world.start()
    for name in sinks:
        client = world.raw()
        client.hello()
        client.message(stuffed, recipient=f"bob@{name}")
        client.begin(f"bob@{name}")
        for start_at in range(0, len(content), 60_000):
            piece = content[start_at:start_at + 60_000]
            last = b" LAST" if start_at + 60_000 >= len(content) else b""
            client.expect(b"BDAT %d%s\r\n" % (len(piece), last) + piece, "250")
    for name, sink in sinks.items():
        for message in sink.wait_for(2):
            assert message.content.endswith(content), name
            assert message.violations == 0, name


def scenario_headers_of_every_sort_are_left_alone(world):
    sink = start(world)
    content = (b"Bcc: secret@example.org\r\nReturn-Path: <old@example.org>\r\n"
               b"Content-Length: 5\r\nX-Receiver: eve@example.org\r\nX-Queue-Id: 1\r\n"
               b"x-long: " + b"y" * 5000 + b"\r\nDate: yesterday\r\nMessage-ID: <1@x>\r\n\r\nx\r\n")
    submit(world, content)
    [message] = sink.wait_for(1)
    assert message.content.endswith(content), message.content[:800]
    assert message.recipients == ["bob@example.org"], message.recipients


def scenario_a_message_without_a_header_or_a_body(world):
    sink = start(world)
    for content in (b"", b"\r\n", b"no header at all\r\n", b"Subject: no body\r\n",
                    b"Subject: no end of line"):
        submit(world, content)
    contents = [message.content for message in sink.wait_for(5)]
    assert sum(content.endswith(b"no header at all\r\n") for content in contents) == 1, contents
    assert sum(content.endswith(b"Subject: no body\r\n") for content in contents) == 1, contents


def scenario_50_megabytes_arrive_as_they_were(world):
    sink = start(world, text="messages: { size_limit: 80 MB }\n")
    before = world.memory_bytes("VmRSS")
    content = b"Subject: big\r\n\r\n" + random.Random(5).randbytes(39_000_000).hex().encode()[
        :52_000_000]
    content = b"\r\n".join(content[start_at:start_at + 900]
                           for start_at in range(0, len(content), 900)) + b"\r\n"
    client = world.raw()
    client.hello()
    client.message(content)
    [message] = sink.wait_for(1)
    received = message.content[-len(content):]
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()
    world.expect_memory_growth_below(64 * 1024 * 1024, before)
    world.wait_for_empty_queue()


def scenario_8_bit_text_goes_to_who_takes_it(world):
    sink = start(world)
    submit(world, UTF8_BODY, "BODY=8BITMIME")
    [message] = sink.wait_for(1)
    assert "BODY=8BITMIME" in message.mail_parameters
    assert message.content.endswith(UTF8_BODY)


def scenario_8_bit_text_is_converted_for_who_does_not_take_it(world):
    sink = start(world, "--disable", "8BITMIME", "--disable", "SMTPUTF8")
    submit(world, UTF8_BODY, "BODY=8BITMIME")
    [message] = sink.wait_for(1)
    assert message.violations == 0, message.content
    parsed = message.parsed()
    assert parsed["Content-Transfer-Encoding"] == "quoted-printable", message.content
    assert parsed.get_content().splitlines() == ["Schöne Grüße"], message.content


def scenario_a_signed_part_is_returned_rather_than_broken(world):
    """An 8-bit part inside multipart/signed cannot be converted without breaking the signature."""
    sink = start(world, "--disable", "8BITMIME", "--disable", "SMTPUTF8")
    content = ("MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
               "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
               "Grüße\r\n--b--\r\n").encode()
    submit(world, content, "BODY=8BITMIME", "RET=HDRS")
    dsn = Dsn(sink.wait_for(1)[0])
    assert dsn.recipient("bob@example.org")["Status"].startswith("5.6."), dsn.plain


def scenario_binary_goes_only_by_chunks(world):
    content = b"Content-Transfer-Encoding: binary\r\n\r\n\0\n\r\xff\r\n.\r\n" + bytes(range(256))
    sink = start(world)
    submit(world, content, "BODY=BINARYMIME")
    [message] = sink.wait_for(1)
    assert message.content.endswith(content), message.content
    assert "BODY=BINARYMIME" in message.mail_parameters


def scenario_binary_is_returned_where_nobody_takes_it(world):
    sink = start(world, "--disable", "BINARYMIME")
    submit(world, b"Subject: bin\r\n\r\n\0\n\xff", "BODY=BINARYMIME")
    dsn = Dsn(sink.wait_for(1)[0])
    assert dsn.recipient("bob@example.org")["Status"].startswith("5.6."), dsn.plain


def scenario_international_addresses_go_to_who_takes_them(world):
    sink = start(world)
    submit(world, "Subject: ü\r\n\r\nü\r\n".encode(), "SMTPUTF8", "BODY=8BITMIME",
           recipient="jürgen@example.org")
    [message] = sink.wait_for(1)
    assert message.recipients == ["jürgen@example.org"] and "SMTPUTF8" in message.mail_parameters


def scenario_international_addresses_are_returned_where_they_cannot_go(world):
    sink = start(world, "--disable", "SMTPUTF8")
    submit(world, "Subject: ü\r\n\r\nü\r\n".encode(), "SMTPUTF8", "BODY=8BITMIME",
           recipient="jürgen@example.org")
    until(lambda: sink.count() or world.mail_files("Badmail"), "the report, or Badmail")
    [event] = world.wait_for_event("bounced", 1)
    assert event["enhanced"] == "5.6.7", event


def scenario_too_large_for_the_next_hop_is_returned_without_being_sent(world):
    sink = start(world, "--size-limit", "100K")
    submit(world, lines_of_all_kinds(300_000, 3), "RET=HDRS")
    dsn = Dsn(sink.wait_for(1)[0])
    assert dsn.recipient("bob@example.org")["Status"] in ("5.3.4", "5.2.3"), dsn.plain


def scenario_more_recipients_than_the_next_hop_takes_at_once(world):
    sink = start(world, "--recipients-limit", "30",
                 text="messages: { recipients_limit: 500 }\n")
    recipients = [f"user{number}@example.org" for number in range(250)]
    with world.client() as smtp:
        smtp.sendmail("ann@sender.example", recipients, b"Subject: many\r\n\r\nx\r\n")
    until(lambda: sum(len(message.recipients) for message in sink.messages()) >= 250,
          "every recipient is served")
    world.wait_for_empty_queue()
    served = sorted(name for message in sink.messages() for name in message.recipients)
    assert served == sorted(recipients), len(served)
    assert max(len(message.recipients) for message in sink.messages()) <= 30
