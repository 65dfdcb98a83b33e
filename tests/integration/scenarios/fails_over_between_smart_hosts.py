"""The second smart host takes what the first does not, and everything that can be wrong with a next
hop ends in a deferral, a failover or a bounce: never in a lost, cut or doubled message."""

from waiting import free_port, until

SHORT = "outbound: { timeout: 1s, connect_timeout: 1s }\nretry_intervals: [1s]\n" \
        "quick_retries: { count: 0 }\n"
LARGE = "".join(f"line {number} of a body of some size\r\n" for number in range(5000))


def two_hosts(world, *faults):
    """A first host with faults and a good second one; one message."""
    first, second = world.sink(*faults), world.sink()
    world.write_server(smart_host=[first.smart_host, second.smart_host], delivery=SHORT)
    world.start()
    world.send("bob@example.org", body=LARGE)
    return first, second


def expect_at_second(world, first, second):
    [message] = second.wait_for(1)
    assert message.body().replace(b"\r\n\r\n", b"\r\n") == LARGE.encode(), message.content[:500]
    world.wait_for_event("delivered", to="<bob@example.org>")
    assert first.count() == 0
    world.wait_for_empty_queue()
    assert second.count() == 1


def scenario_nobody_listens_at_the_first(world):
    second = world.sink()
    world.write_server(smart_host=[f"[{world.address}]:{free_port()}", second.smart_host],
                       delivery=SHORT)
    world.start()
    world.send("bob@example.org", body=LARGE)
    assert len(second.wait_for(1)) == 1
    [event] = world.wait_for_event("delivered", to="<bob@example.org>")
    assert event["attempt"] == 1, event


def scenario_the_first_refuses_at_the_greeting(world):
    expect_at_second(world, *two_hosts(world, "--reply", "CONNECT=554:go away"))


def scenario_the_first_is_busy_at_the_greeting(world):
    expect_at_second(world, *two_hosts(world, "--reply", "CONNECT=421:busy"))


def scenario_the_first_says_nothing(world):
    expect_at_second(world, *two_hosts(world, "--stall", "CONNECT"))


def scenario_the_first_closes_at_once(world):
    expect_at_second(world, *two_hosts(world, "--close", "CONNECT"))


def scenario_the_first_knows_no_hello(world):
    expect_at_second(world, *two_hosts(world, "--reply", "EHLO=421:no", "--reply", "HELO=421:no"))


def scenario_the_first_greets_with_garbage(world):
    expect_at_second(world, *two_hosts(world, "--garbage", "CONNECT"))


def scenario_the_first_answers_hello_with_garbage(world):
    expect_at_second(world, *two_hosts(world, "--garbage", "EHLO"))


def arrives_later(world, *faults, attempts=2):
    """The fault happens once; the message arrives whole, and once, with a retry or at the other
    host."""
    first, second = two_hosts(world, *faults)
    until(lambda: first.count() + second.count() == 1, "the message at a next hop")
    [message] = first.messages() + second.messages()
    assert message.body().replace(b"\r\n\r\n", b"\r\n") == LARGE.encode(), message.content[:500]
    world.wait_for_event("delivered", to="<bob@example.org>")
    world.wait_for_empty_queue()
    assert first.count() + second.count() == 1
    assert len(world.events("deferred")) <= attempts, world.events("deferred")


def scenario_a_host_stalls_at_mail(world):
    arrives_later(world, "--stall", "MAIL#1")


def scenario_a_host_stalls_at_data(world):
    arrives_later(world, "--disable", "CHUNKING", "--stall", "DATA#1")


def scenario_a_host_dies_amid_the_content(world):
    arrives_later(world, "--close", "BODY#1")


def scenario_a_host_resets_amid_the_content(world):
    arrives_later(world, "--reset", "BODY#1")


def scenario_a_host_stops_reading_the_content(world):
    arrives_later(world, "--stall", "BODY#1")


def scenario_a_host_dies_before_its_last_reply(world):
    arrives_later(world, "--close", "END#1")


def scenario_a_host_answers_mail_with_garbage(world):
    arrives_later(world, "--garbage", "MAIL#1")


def scenario_a_host_answers_the_end_of_data_with_garbage(world):
    arrives_later(world, "--garbage", "END#1")


def scenario_a_host_wants_to_be_asked_again(world):
    arrives_later(world, "--reply", "RCPT=451:greylisted#1")


def scenario_a_host_is_full_at_the_end_of_data(world):
    arrives_later(world, "--reply", "END=452:full#1")


def single_host(world, *options):
    sink = world.sink(*options)
    world.write_server(smart_host=sink.smart_host, delivery=SHORT)
    world.start()
    return sink


def scenario_replies_come_one_byte_at_a_time(world):
    sink = single_host(world, "--slow-bytes", "1")
    world.send("bob@example.org")
    [message] = sink.wait_for(1)
    assert b"Hello." in message.content
    [event] = world.wait_for_event("delivered")
    assert event["attempt"] == 1, event


def scenario_a_reply_of_20000_lines_is_read_or_refused(world):
    """About a megabyte. The memory stays bounded; the message is not lost."""
    sink = single_host(world, "--multiline", "EHLO=20000")
    before = world.memory_bytes("VmRSS")
    world.send("bob@example.org")
    until(lambda: world.events("delivered") or world.events("deferred"), "an outcome")
    world.expect_memory_growth_below(16 * 1024 * 1024, before)
    assert sink.count() == 1 or len(world.queue()) == 1


def scenario_a_reply_to_every_command_of_many_lines(world):
    sink = single_host(world, "--multiline", "20")
    world.send("bob@example.org")
    sink.wait_for(1)
    [event] = world.wait_for_event("delivered")
    assert event["attempt"] == 1, event


def scenario_half_of_everything_fails_and_all_arrives_once(world):
    sink = single_host(world, "--seed", "7", "--reply", "RCPT=451:busy%30", "--reply",
                       "END=452:full%20", "--close", "MAIL%10", "--garbage", "RCPT%10",
                       "--reply", "MAIL=421:later%10")
    with world.client() as smtp:
        for number in range(60):
            smtp.sendmail("ann@sender.example", [f"user{number}@example.org"],
                          f"Subject: {number}\r\n\r\nbody {number}\r\n".encode())
    until(lambda: sink.count() >= 60, "60 messages at the next hop", seconds=90)
    world.wait_for_empty_queue()
    recipients = sorted(message.recipients[0] for message in sink.messages())
    assert recipients == sorted(f"user{number}@example.org" for number in range(60)), recipients


def scenario_a_dead_host_does_not_hold_up_others(world):
    good = world.sink()
    silent = world.sink("--stall", "CONNECT")
    world.write_server(smart_host=silent.smart_host, text=(
        "domains:\n"
        f"  - {{ name: good.example, type: remote, smart_host: [\"{good.smart_host}\"] }}\n"))
    world.start()
    with world.client() as smtp:
        for number in range(300):
            smtp.sendmail("ann@sender.example", [f"user{number}@silent.example"], b"x: y\r\n\r\n")
        smtp.sendmail("ann@sender.example", ["bob@good.example"], b"x: y\r\n\r\n")
    assert len(good.wait_for(1)) == 1
    assert len(world.queue()) == 300
