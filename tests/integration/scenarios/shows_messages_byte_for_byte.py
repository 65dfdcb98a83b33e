"""mailrootctl queue cat: a message as its Queue file has it, from the journal and from the file."""

import subprocess

from terminal import Terminal
from waiting import WAIT_SECONDS, until


def cat(world, *arguments, code=0):
    done = subprocess.run(
        [world.build / "src/mailrootctl/mailrootctl", "--socket", world.directory / "control.sock",
         "queue", "cat", *arguments], capture_output=True, timeout=WAIT_SECONDS)
    assert done.returncode == code, (done.returncode, done.stdout[:500], done.stderr)
    return done.stdout if code == 0 else done.stderr.decode()


def start(world, text=""):
    sink = world.sink("--stall", "EHLO")
    world.write_server(smart_host=sink.smart_host, text=text)
    world.start()
    return sink


def scenario_what_is_not_there_is_told(world):
    start(world)
    assert "no message" in cat(world, "00000001000000000001", code=1)
    assert "queue id" in cat(world, "junk", code=1)
    assert "no message" in cat(world, "00000001000000000001", "--server", "nobody", code=1)
    assert world.ctl("queue", "cat", check=False).returncode != 0
    world.stop()
    cat(world, "00000001000000000001", code=2)


def scenario_hot_and_placed_messages_are_the_same(world):
    sink = start(world, "spool: { materialise_after: 1h }\n")
    body = "x\x1b[2J line\r\n" * 250_000  # more than one piece
    world.send(["bob@example.org", "eve@example.org"], body=body)
    world.send("small@example.org")
    until(lambda: len(world.queue()) == 2, "both are queued")
    for entry in world.queue():
        hot = cat(world, entry["id"])
        assert hot.startswith(b"X-Queue-Id: " + entry["id"].encode() + b"\r\n"), hot[:200]
        pieces = world.ctl_json("queue", "cat", entry["id"])
        joined = "".join(piece["bytes"] for piece in pieces).encode("latin-1")
        assert joined == hot and pieces[0]["size"] == len(hot)
        block, content = hot.split(b"X-Queue-End: " + entry["id"].encode() + b"\r\n", 1)
        assert f"X-Queue-Content: size={len(content):020d}".encode() in block, block
        assert content.startswith(b"Received: ") and b"X-Receiver: <" in block
    assert len(pieces) >= 1 and len(world.mail_files("Queue")) <= 1, "the small one is hot"
    before = {entry["id"]: cat(world, entry["id"]) for entry in world.queue()}
    sink.stop()
    world.stop()
    for path in world.mail_files("Queue"):
        text = path.read_bytes()
        [one] = [hot for hot in before.values() if text.split(b"\r\n")[0] in hot]
        content = one.split(b"X-Queue-End: ", 1)[1]
        assert text.split(b"X-Queue-End: ", 1)[1] == content
        [line] = [line for line in one.split(b"\r\n") if line.startswith(b"X-Queue-Content")]
        assert line in text.split(b"\r\n"), "size, checksum and traits"


def scenario_bytes_of_every_value(world):
    start(world, "messages: { size_limit: 64 MiB }\nspool: { materialise_after: 1h }\n")
    every = bytes(byte for byte in range(256) if byte not in b"\r\n")
    lines = [b"Subject: all\r\n\r\n"] + [every[:200] + b"\r\n", every[200:] + b"\r\n"] * 3
    small = b"".join(lines)
    big = small + (b"\xff" * 500 + b"\x00" * 400 + b"\r\n") * 10_000  # 9 MB
    for content in (small, big):
        with world.client() as client:
            client.ehlo()
            client.mail("ann@sender.example", ["BODY=BINARYMIME"])
            client.rcpt("bob@example.org")
            client.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
            code, text = client.getreply()
            assert code == 250, (code, text)
    until(lambda: len(world.queue()) == 2, "both are queued")
    before = world.memory_bytes("VmRSS")
    for entry in world.queue():
        whole = cat(world, entry["id"])
        content = small if entry["bytes"] < 100_000 else big
        assert whole.endswith(content), (len(whole), len(content))
        assert entry["bytes"] < 100_000 or len(world.ctl_json("queue", "cat", entry["id"])) > 100
    world.expect_memory_growth_below(24 * 1024 * 1024, before)
    # Another one read in between only makes it slower.
    ids = [entry["id"] for entry in world.queue() if entry["bytes"] > 100_000]
    assert cat(world, ids[0]) == cat(world, ids[0])


def scenario_a_terminal_is_not_commanded(world):
    start(world)
    world.send(body="evil \x1b]0;title\x07 \x1b[2J end", subject="esc")
    [entry] = until(world.queue, "it is queued")
    assert b"\x1b[2J end\r\n" in cat(world, entry["id"]), "a pipe gets the bytes"
    terminal = Terminal(world.ctl_command("queue", "cat", entry["id"]))
    terminal.expect("end")
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.seen and "\\x1b[2J" in terminal.seen, terminal.seen
