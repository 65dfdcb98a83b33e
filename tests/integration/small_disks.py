"""Small file systems of a scenario's own, and filling them."""

import os
import subprocess

from world import Skipped


def need_root():
    if os.geteuid() != 0:
        raise Skipped("mounting needs root")


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True,
                          text=True).stdout.strip()


def mount_ext4(world, name, size, *options):
    """A small ext4 in a file, mounted below the test's directory."""
    need_root()
    image, place = world.directory / f"{name}.img", world.directory / name
    with open(image, "wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", "-m", "0", *options, image)
    place.mkdir()
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped(f"no loop device can be mounted: {done.stderr.strip()}")
    world.clean_ups.append(lambda: subprocess.run(["umount", "--lazy", place], check=False))
    return place


def mount_tmpfs(world, name, size):
    need_root()
    place = world.directory / name
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place)
    world.clean_ups.append(lambda: subprocess.run(["umount", "--lazy", place], check=False))
    return place


def free_blocks(place):
    return os.statvfs(place).f_bavail


def fill_blocks(place):
    """Takes every block that is left; with what was taken before it is given back by unfill."""
    taken = len(list(place.glob("filler-*")))
    subprocess.run(["dd", "if=/dev/zero", f"of={place}/filler-{taken}", "bs=4k", "conv=fsync"],
                   check=False, capture_output=True)
    # A file may need a block for its map as well; a directory takes exactly one.
    for number in range(100):
        if free_blocks(place) == 0:
            return
        try:
            (place / f"filler-{taken}-{number}").mkdir()
        except OSError:
            break
    assert free_blocks(place) == 0, f"{free_blocks(place)} blocks are left in {place}"


def fill_inodes(place):
    try:
        for number in range(100_000):
            (place / f"filler-i{number}").touch()
    except OSError:
        return
    raise AssertionError("the inodes do not end")


def unfill(place):
    for filler in place.glob("filler-*"):
        if filler.is_dir():
            filler.rmdir()
        else:
            filler.unlink()


def try_to_send(world, size_bytes=1000, recipient="bob@example.org"):
    """The first reply that is no go-ahead, or the 250 to the message; "" when there is none, which
    is what a client gets when nobody can know any more whether its message is stored."""
    client = world.raw()
    client.hello()
    body = (b"x" * 98 + b"\r\n") * (size_bytes // 100)
    for command in (b"MAIL FROM:<ann@sender.example>\r\n",
                    b"RCPT TO:<%s>\r\n" % recipient.encode(), b"DATA\r\n",
                    b"Subject: filler\r\n\r\n" + body + b".\r\n"):
        try:
            reply = client.ask(command)
        except (EOFError, ConnectionError):
            return ""
        if reply[0] not in "23":
            break
    client.close()
    return reply
