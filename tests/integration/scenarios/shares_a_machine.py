"""Who listens where: all unassigned beside specific addresses, addresses that come later, other
programs. Each scenario has a network of its own, so port 25 is port 25."""

import signal
import socket

import world as worlds
from network import add_address, ip, own_network, remove_address
from waiting import until

EVERY, ONE, TWO = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def addresses(*wanted):
    own_network()
    for address in wanted:
        add_address(address)


def write_every(world, **more):
    world.write_server("every", address="all-unassigned", port=25, text="banner: I am every\n",
                       **more)


def write_one(world, address=ONE, name="one", **more):
    world.write_server(name, address=address, port=25, text=f"banner: I am {name}\n", **more)


def greeting(world, address):
    client = world.raw(port=25, address=address)
    reply = client.reply()
    client.close()
    return reply


def expect(world, address, words):
    reply = greeting(world, address)
    assert words in reply, (address, words, reply)


def scenario_the_specific_address_wins_and_the_wildcard_has_the_rest(world):
    addresses(EVERY, ONE, "2001:db8::1", "2001:db8::2")
    write_every(world)
    write_one(world)
    write_one(world, "[2001:db8::2]", "six")
    world.start()
    for _ in range(10):
        expect(world, ONE, "I am one")
        expect(world, "2001:db8::2", "I am six")
        for address in (EVERY, "127.0.0.1", "::1", "2001:db8::1"):
            expect(world, address, "I am every")
    add_address(TWO)  # nobody claims it
    expect(world, TWO, "I am every")


def scenario_a_claimed_address_never_meets_another_servers_policy(world):
    """Stopped, paused or failed: its clients get 421, whatever the wildcard's server would say."""
    addresses(EVERY, ONE, TWO)
    write_every(world)
    write_one(world)
    write_one(world, TWO, "two", home="/proc/no/home")  # cannot start
    world.start()
    assert world.server("two")["state"] == "stopped"
    expect(world, TWO, "421 4.3.2")
    world.ctl("pause", "one")
    expect(world, ONE, "421 4.3.2")
    world.ctl("continue", "one")
    expect(world, ONE, "I am one")
    world.ctl("stop", "one")
    expect(world, ONE, "421 4.3.2")
    world.ctl("reload")  # stays stopped, stays claimed
    expect(world, ONE, "421 4.3.2")
    expect(world, EVERY, "I am every")
    world.ctl("start", "one")
    expect(world, ONE, "I am one")
    # The wildcard's server stops: the others go on, the rest is closed.
    world.ctl("stop", "every")
    expect(world, ONE, "I am one")
    assert not can_connect(EVERY)


def can_connect(address, port=25):
    try:
        socket.create_connection((address, port), timeout=5).close()
        return True
    except OSError:
        return False


def scenario_a_reload_that_claims_and_frees_an_address(world):
    addresses(EVERY, ONE)
    write_every(world)
    world.start()
    expect(world, ONE, "I am every")
    session = world.raw(port=25, address=ONE)
    session.hello()
    write_one(world)
    world.ctl("reload")
    expect(world, ONE, "I am one")
    session.expect(b"NOOP\r\n", "250")  # whoever was served goes on being served
    world.server_file("one").unlink()
    [report] = world.ctl_json("reload")
    assert any("adopts 192.0.2.2:25 from one" in change for change in report["changes"]), report
    expect(world, ONE, "I am every")
    assert f"{ONE}:25" in world.server("every")["listening"], world.server("every")
    write_one(world)
    world.ctl("reload")
    expect(world, ONE, "I am one")
    assert world.server("every")["listening"] == ["all-unassigned:25"], world.server("every")


def scenario_connections_that_wait_survive_the_adoption(world):
    """The daemon sleeps while clients queue at its sockets and the binding goes to its heir."""
    addresses(EVERY, ONE)
    write_every(world)
    world.write_server("one", address=ONE, port=25, text="banner: I am one\n")
    text = world.server_file("one").read_text()
    # It keeps a binding, so its sessions do not end with it.
    both = text.replace("bindings: [", "bindings: [{ address: 127.0.0.1, port: 26 }, ")
    world.server_file("one").write_text(both)
    world.start()
    for _ in range(3):
        world.server_file("one").write_text(
            text.replace(f"\"{ONE}\", port: 25", "127.0.0.1, port: 26"))
        before = len(world.events("reload"))
        world.daemon.send_signal(signal.SIGSTOP)
        world.daemon.send_signal(signal.SIGHUP)
        clients = [world.raw(port=25, address=ONE) for _ in range(40)]
        world.daemon.send_signal(signal.SIGCONT)
        for client in clients:
            client.hello()
            client.expect(b"QUIT\r\n", "221")
        until(lambda: len(world.events("reload")) > before, "the reload")
        expect(world, ONE, "I am every")
        world.server_file("one").write_text(both)
        world.ctl("reload")
        expect(world, ONE, "I am one")


def scenario_a_removed_binding_without_heir_says_421_to_who_waits(world):
    addresses(ONE)
    write_one(world)
    world.write_server("other", address="127.0.0.1", port=26)
    world.start()
    text = world.server_file("one").read_text()
    world.server_file("one").write_text(text.replace("port: 25", "port: 27"))
    world.daemon.send_signal(signal.SIGSTOP)
    world.daemon.send_signal(signal.SIGHUP)
    clients = [world.raw(port=25, address=ONE) for _ in range(20)]
    world.daemon.send_signal(signal.SIGCONT)
    for client in clients:
        assert client.reply()[:4] in ("220 ", "421 "), "neither served nor told"
    world.wait_for_event("reload", 2)
    until(lambda: not can_connect(ONE), "port 25 is closed")


def scenario_an_address_that_appears_later_starts_its_server(world):
    addresses(EVERY)
    write_every(world)
    write_one(world)
    write_one(world, "[2001:db8::2]", "six")
    world.start()
    for name in ("one", "six"):
        view = world.server(name)
        assert view["state"] == "stopped" and "not on this machine" in view["reason"], view
    reloads = len(world.events("reload"))
    add_address("192.0.2.9")  # of no interest
    add_address(ONE)
    until(lambda: world.server("one")["state"] == "started", "one starts by itself")
    expect(world, ONE, "I am one")
    add_address("2001:db8::2")
    until(lambda: world.server("six")["state"] == "started", "six starts by itself")
    expect(world, "2001:db8::2", "I am six")
    expect(world, EVERY, "I am every")
    assert len(world.events("reload")) <= reloads + 2, "only what is awaited is acted upon"
    # It goes and comes back, as with keepalived; the socket stays.
    remove_address(ONE)
    assert world.server("one")["state"] == "started"
    add_address(ONE)
    expect(world, ONE, "I am one")


def scenario_an_address_on_an_interface_that_comes_up(world):
    """The kernel first looks whether an IPv6 address is the only one of its kind."""
    addresses()
    try:
        ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
    except Exception as reason:
        raise worlds.Skipped(f"no veth: {reason}") from reason
    write_one(world, "[2001:db8:1::2]", "six")
    write_one(world)
    world.start()
    ip("link", "set", "wire0", "up")
    ip("link", "set", "wire1", "up")
    ip("address", "add", "2001:db8:1::2/64", "dev", "wire0")
    ip("address", "add", f"{ONE}/24", "dev", "wire0")
    for name in ("one", "six"):
        until(lambda name=name: world.server(name)["state"] == "started", f"{name} starts")
    expect(world, ONE, "I am one")
    expect(world, "2001:db8:1::2", "I am six")


def scenario_a_running_server_moves_to_the_address_it_was_promised(world):
    addresses(ONE)
    write_one(world)
    world.start()
    write_one(world, TWO)
    world.ctl("reload")
    view = world.server("one")
    assert view["state"] == "started" and "not on this machine" in view["reason"], view
    expect(world, ONE, "I am one")
    add_address(TWO)
    until(lambda: world.server("one")["listening"] == [f"{TWO}:25"], "it moves")
    until(lambda: world.server("one")["reason"] == "", "nothing is left to say")
    expect(world, TWO, "I am one")


def listener(address, port=25, share=False):
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if share:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind((address, port))
    found.listen()
    return found


def scenario_a_port_of_another_program_is_not_shared(world):
    """Whether that program would let us share it or not; its name is told."""
    addresses(EVERY, ONE)
    write_every(world)
    write_one(world)
    for share in (False, True):
        for address in (ONE, "0.0.0.0"):
            with listener(address, share=share):
                world.start()
                view = world.server("one")
                assert view["state"] == "stopped" and "in use" in view["reason"], view
                assert "python" in view["reason"], view
                view = world.server("every")
                assert view["state"] == "stopped" and "in use" in view["reason"], view
            # By itself, when that program is gone.
            for name in ("one", "every"):
                until(lambda name=name: world.server(name)["state"] == "started", f"{name} starts")
            world.stop()


def second_world(world):
    """Another mailrootd of the same user."""
    other = worlds.World(world.io, world.build)
    world.clean_ups.append(other.close)
    return other


def scenario_a_second_mailrootd_does_not_share_the_port(world):
    addresses(EVERY, ONE)
    write_one(world)
    world.start()
    other = second_world(world)
    write_one(other)
    write_every(other)
    other.start()
    for name in ("one", "every"):
        view = other.server(name)
        assert view["state"] == "stopped" and "in use by mailrootd" in view["reason"], view
    for _ in range(10):
        world.send("ann@local.example", port=25, address=ONE)
    world.wait_for_event("accepted", 10)
    world.stop()
    until(lambda: other.server("one")["state"] == "started", "one starts")
    other.stop()


def scenario_two_mailrootd_that_start_at_one_moment(world):
    addresses(ONE)
    other = second_world(world)
    for each in (world, other):
        write_one(each)
    for _ in range(5):
        world.start(wait=False)
        other.start(wait=False)
        for each in (world, other):
            until(each.is_ready, "ready")
        until(lambda: sorted(state(each) for each in (world, other)) == ["started", "stopped"],
              "one of them has the port")
        [winner] = [each for each in (world, other) if state(each) == "started"]
        before = len(winner.events("accepted"))
        for _ in range(10):
            world.send("ann@local.example", port=25, address=ONE)
        winner.wait_for_event("accepted", before + 10)
        assert state(winner) == "started"
        [loser] = [each for each in (world, other) if each is not winner]
        winner.stop()
        until(lambda loser=loser: state(loser) == "started", "the other has the port")
        loser.stop()


def state(world):
    return world.server("one")["state"]
