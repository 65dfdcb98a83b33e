"""Several virtual servers in one process: each with its bindings, policy, home and state."""

import socket

from waiting import free_port, own_address, until


def scenario_same_port_on_different_addresses(world):
    sinks = [world.sink() for _ in range(3)]
    addresses = [own_address(number) for number in range(3)]
    for number, (sink, address) in enumerate(zip(sinks, addresses)):
        world.write_server(f"server{number}", address=address, smart_host=sink.smart_host)
    world.start()
    for number, address in enumerate(addresses):
        world.send(f"user{number}@example.org", address=address)
    for number, sink in enumerate(sinks):
        [message] = sink.wait_for(1)
        assert message.recipients == [f"user{number}@example.org"], message.recipients
    views = world.ctl_json("servers")
    assert [view["id"] for view in views] == ["server0", "server1", "server2"]
    assert [view["listening"] for view in views] == [
        [f"{address}:{world.port}"] for address in addresses]
    assert [view["outbound"]["delivered"] for view in views] == [1, 1, 1]


def scenario_policies_and_homes_are_apart(world):
    world.write_server("open", text="banner: open to all\n")
    world.write_server("shut", address=own_address(1), relay=False)
    world.start()
    client = world.raw(address=own_address(1))
    client.hello()
    client.expect(b"MAIL FROM:<ann@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")
    client.expect(b"RCPT TO:<ann@local.example>\r\n", "250")
    client.expect(b"DATA\r\n", "354")
    client.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    until(lambda: world.mail_files("Drop", "shut"), "a file in the Drop of this server")
    assert world.mail_files("Drop", "open") == []
    banner = world.raw().reply()
    assert banner.startswith("220 ") and "open to all" in banner, banner


def scenario_one_server_has_several_bindings(world):
    ports = [free_port(), free_port()]
    world.write_server()
    text = world.server_file().read_text().splitlines()
    text[1] = (f"bindings: [{{ address: \"{world.address}\", port: {ports[0]} }}, "
               f"{{ address: \"{world.address}\", port: {ports[1]} }}]")
    world.server_file().write_text("\n".join(text) + "\n")
    world.start()
    for port in ports:
        world.send("ann@local.example", port=port)
    world.wait_for_event("accepted", 2)


def scenario_a_clash_stops_one_and_the_others_run(world):
    world.write_server("a-first")
    world.write_server("b-second")
    world.write_server("c-third", address=own_address(2))
    world.start()
    states = {view["id"]: view for view in world.ctl_json("servers")}
    assert states["a-first"]["state"] == "started", states
    assert states["b-second"]["state"] == "stopped", states
    assert states["c-third"]["state"] == "started", states
    reason = states["b-second"]["reason"]
    assert "a-first" in reason and f"{world.address}:{world.port}" in reason, reason
    assert reason in world.ctl("servers").stdout
    [event] = world.events("server", server="b-second")
    assert event["state"] == "stopped" and event["reason"] == reason, event
    world.send("ann@local.example")
    world.send("ann@local.example", address=own_address(2))
    world.wait_for_event("accepted", server="a-first")
    world.wait_for_event("accepted", server="c-third")
    refused = world.ctl("start", "b-second", check=False)
    assert refused.returncode == 1 and "a-first" in refused.stderr, refused


def scenario_when_the_first_goes_the_second_can_start(world):
    world.write_server("a-first")
    world.write_server("b-second")
    world.start()
    world.ctl("stop", "a-first")
    world.ctl("start", "b-second")
    world.send("ann@local.example")
    world.wait_for_event("accepted", server="b-second")
    refused = world.ctl("start", "a-first", check=False)
    assert refused.returncode == 1 and "b-second" in refused.stderr, refused


def scenario_a_busy_port_stops_one_and_says_who_has_it(world):
    with socket.socket() as foreign:
        foreign.bind((own_address(1), 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        world.write_server("good")
        world.write_server("late", address=own_address(1), port=port)
        world.start()
        view = world.server("late")
        assert view["state"] == "stopped", view
        assert str(port) in view["reason"] and "in use" in view["reason"], view
        world.send("ann@local.example")
    world.ctl("start", "late")
    world.send("ann@local.example", port=port, address=own_address(1))


def scenario_an_address_that_is_not_here_stops_one(world):
    world.write_server("good")
    world.write_server("lost", address="192.0.2.77")
    world.start()
    view = world.server("lost")
    assert view["state"] == "stopped" and "192.0.2.77" in view["reason"], view
    assert "not on this machine" in view["reason"], view
    world.send("ann@local.example")


def scenario_all_unassigned_beside_a_specific_address(world):
    port = free_port("0.0.0.0")
    world.write_server("every", address="all-unassigned", port=port)
    world.write_server("one", port=port)
    world.start()
    for number in range(20):
        world.send("ann@local.example", port=port)
        world.send("ann@local.example", port=port, address=own_address(1))
    world.wait_for_event("accepted", 20, server="one")
    world.wait_for_event("accepted", 20, server="every")
    assert len(world.events("accepted")) == 40
    # Clients of the stopped server must not meet the wildcard's policy.
    world.ctl("stop", "one")
    client = world.raw(port=port)
    assert client.reply().startswith("421 4.3.2")
    world.send("ann@local.example", port=port, address=own_address(1))


def scenario_two_servers_cannot_both_have_all_unassigned(world):
    """In one reload and across reloads; another spelling of it is refused before."""
    port = free_port("0.0.0.0")
    world.write_server("a", address="all-unassigned", port=port)
    world.write_server("b", address="all-unassigned", port=port)
    world.start()
    assert world.server("a")["state"] == "started"
    view = world.server("b")
    assert view["state"] == "stopped" and f"all-unassigned:{port}" in view["reason"], view
    assert "a.yaml" in view["reason"] and "b.yaml" in view["reason"], view
    world.write_server("0", address="all-unassigned", port=port)
    world.ctl("reload")
    assert world.server("a")["state"] == "started"
    assert "a.yaml" in world.server("0")["reason"], world.server("0")
    for spelling in ("0.0.0.0", "::", "[::]", "*", "[::]:25"):
        world.write_server("b", address=spelling, port=port)
        refused = world.ctl("reload", check=False)
        assert refused.returncode == 1 and "b.yaml:2:" in refused.stdout, (spelling, refused)
        assert "all-unassigned" in refused.stdout, (spelling, refused)
    world.send("ann@local.example", port=port)
    world.wait_for_event("accepted", server="a")


def scenario_all_unassigned_takes_ipv6_too(world):
    port = free_port("::")
    world.write_server(address="all-unassigned", port=port)
    world.start()
    world.send("ann@local.example", port=port, address="::1")
    [event] = world.wait_for_event("accepted")
    assert "::1" in event["peer"], event


def scenario_a_server_is_stopped_and_started(world):
    world.write_server("a", text="connections: { timeout: 60s }\n")
    world.write_server("b", address=own_address(1))
    world.start()
    session = world.raw()
    session.hello()
    world.ctl("stop", "a")
    assert session.reply().startswith("421 4.3.2")
    assert session.is_closed()
    assert world.server("a")["state"] == "stopped"
    with socket.socket() as client:
        assert client.connect_ex((world.address, world.port)) != 0, "a stopped server listens"
    world.send("ann@local.example", address=own_address(1))
    world.ctl("stop", "a")  # again: nothing to do
    world.ctl("start", "a")
    world.send("ann@local.example")
    unknown = world.ctl("stop", "zebra", check=False)
    assert unknown.returncode == 1 and "zebra" in unknown.stderr, unknown


def scenario_a_pause_refuses_new_clients_and_keeps_the_rest(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    session = world.raw()
    session.hello()
    world.ctl("pause", "default")
    assert world.server()["state"] == "paused"
    newcomer = world.raw()
    assert newcomer.reply().startswith("421 4.3.2")
    session.message(b"Subject: x\r\n\r\nx\r\n")
    sink.wait_for(1)
    assert world.ctl("pause", "default", check=False).returncode == 1
    world.ctl("continue", "default")
    assert world.server()["state"] == "started"
    world.send("bob@example.org")
    sink.wait_for(2)


def scenario_autostart_off_waits_for_its_start(world):
    world.write_server(text="autostart: false\n")
    world.start()
    assert world.server()["state"] == "stopped"
    world.ctl("start", "default")
    world.send("ann@local.example")


def scenario_a_stop_of_the_service_ends_a_message_in_hand_well(world):
    world.write_server()
    world.start()
    client = world.raw()
    client.hello()
    client.begin("ann@local.example")
    client.expect(b"DATA\r\n", "354")
    client.send(b"Subject: last\r\n\r\ntext\r\n")
    daemon, world.daemon = world.daemon, None
    daemon.terminate()
    client.send(b".\r\n")
    replies = client.rest()
    assert daemon.wait(60) == 0, world.stderr()
    if replies.startswith(b"250"):
        assert len(world.events("accepted")) == 1
    else:
        assert replies.startswith(b"421"), replies
        assert world.events("accepted") == []
