"""Listening sockets that systemd's store of file descriptors keeps (sd_notify(3), FDSTORE), with a
socket in systemd's place: who connects while no mailrootd runs waits, and is served by the next."""

import array
import os
import shlex
import socket

from waiting import WAIT_SECONDS, free_port, until


class Store:
    """What systemd does with FDSTORE and FDSTOREREMOVE, and with the descriptors at a start."""

    def __init__(self, world):
        self.world = world
        self.path = str(world.directory / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.kept = []  # (name, descriptor)
        self.said = []
        world.clean_ups.append(self.close)

    def close(self):
        self.socket.close()
        for _, descriptor in self.kept:
            os.close(descriptor)

    def hear(self):
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
            except BlockingIOError:
                return
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            self.said.append(message)
            descriptors = array.array("i")
            for _, _, payload in ancillary:
                descriptors.frombytes(payload[:len(payload) - len(payload) % 4])
            if message.get("FDSTORE") == "1":
                for descriptor in descriptors:
                    self.keep(message["FDNAME"], descriptor)
            elif message.get("FDSTOREREMOVE") == "1":
                for name, descriptor in self.kept:
                    if name == message["FDNAME"]:
                        os.close(descriptor)
                self.kept = [one for one in self.kept if one[0] != message["FDNAME"]]

    def keep(self, name, descriptor):
        assert ":" not in name, name  # systemd would refuse it
        inodes = {os.fstat(kept).st_ino for _, kept in self.kept}
        if os.fstat(descriptor).st_ino in inodes:
            os.close(descriptor)
        else:
            self.kept.append((name, descriptor))

    def names(self):
        self.hear()
        return [name for name, _ in self.kept]

    def start(self):
        """As systemd starts a service: descriptors from 3 on, LISTEN_PID is the service itself."""
        environment = f"export NOTIFY_SOCKET={shlex.quote(self.path)}; "
        duplicates = []
        if self.kept:
            first = 200  # out of the way of those that the shell is given
            for number, (_, descriptor) in enumerate(self.kept):
                os.dup2(descriptor, first + number, inheritable=True)
                duplicates.append(first + number)
            moves = " ".join(f"{3 + number}<&{given} {given}<&-"
                             for number, given in enumerate(duplicates))
            names = ":".join(name for name, _ in self.kept)
            environment += (f"export LISTEN_PID=$$ LISTEN_FDS={len(self.kept)} "
                            f"LISTEN_FDNAMES={shlex.quote(names)}; exec {moves}; ")
        try:
            self.world.start(wrapper=["bash", "-c", environment + 'exec "$@"', "mailrootd"],
                             pass_descriptors=duplicates)
        finally:
            for duplicate in duplicates:
                os.close(duplicate)
        self.hear()


def connect(world):
    client = socket.create_connection((world.address, world.port), timeout=WAIT_SECONDS)
    client.settimeout(WAIT_SECONDS)
    return client


def greeting(client):
    received = b""
    while not received.endswith(b"\n"):
        piece = client.recv(4096)
        assert piece, received
        received += piece
    return received


def scenario_who_connects_while_nobody_runs_is_served_by_the_next(world):
    world.write_server()
    store = Store(world)
    store.start()
    kept = store.names()
    assert kept, store.said
    assert len(set(kept)) == 1 and str(world.port) in kept[0], kept
    world.stop()
    assert store.names() == kept
    waiting = [connect(world) for _ in range(50)]
    store.start()
    for client in waiting:
        assert greeting(client).startswith(b"220 "), "greeted"
        client.close()
    assert store.names() == kept  # each is kept once
    world.send()
    world.stop()


def scenario_nobody_is_refused_while_it_restarts(world):
    world.write_server()
    store = Store(world)
    store.start()
    for _ in range(3):
        clients = [connect(world) for _ in range(20)]
        world.stop()
        clients += [connect(world) for _ in range(20)]
        store.start()
        for client in clients:
            reply = greeting(client)
            assert reply.startswith((b"220 ", b"421 ")), reply
            client.close()


def scenario_who_waited_when_it_was_killed_is_served_by_the_next(world):
    world.write_server()
    store = Store(world)
    store.start()
    kept = store.names()
    world.kill()
    waiting = [connect(world) for _ in range(20)]
    store.start()
    until(lambda: world.server()["state"] == "started", "the server is started")
    for client in waiting:
        assert greeting(client).startswith(b"220 ")
        client.close()
    assert store.names() == kept
    world.stop()


def scenario_a_binding_that_went_away_meanwhile_answers_421(world):
    world.write_server()
    store = Store(world)
    store.start()
    world.stop()
    waiting = [connect(world) for _ in range(5)]
    old_port = world.port
    world.write_server(port=free_port())
    store.start()
    for client in waiting:
        assert greeting(client).startswith(b"421 4.3.2 "), "told to come back"
        client.close()
    assert not any(str(old_port) in name for name in store.names()), store.names()
    try:
        socket.create_connection((world.address, old_port), timeout=WAIT_SECONDS).close()
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("the old port still listens")
    world.stop()


def scenario_a_binding_that_a_reload_removes_is_no_longer_kept(world):
    world.write_server()
    world.write_server("second", port=free_port())
    store = Store(world)
    store.start()
    before = set(store.names())
    assert len(before) == 2, before
    world.server_file("second").unlink()
    assert world.reload()["result"] == "applied"
    until(lambda: len(set(store.names())) == 1, "its sockets were let go")
    world.stop()


def scenario_what_is_handed_over_and_is_no_listening_socket_does_no_harm(world):
    world.write_server()
    store = Store(world)
    store.kept = [("file", os.open("/dev/null", os.O_RDONLY)),
                  ("idle", socket.socket().detach())]
    store.start()
    world.send()
    world.stop()
