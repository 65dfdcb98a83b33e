"""mailrootctl server, as scenarios call it."""

from waiting import own_address


def ctl_command(world, *arguments):
    return [world.build / "src/mailrootctl/mailrootctl", "--config",
            world.directory / "mailroot.yaml", *arguments]


def server_ctl(world, *arguments, code=0):
    done = world.ctl("server", *arguments, check=False)
    assert done.returncode == code, (arguments, done)
    return done


def new(world, *, code=0, **answers):
    flags = {"name": "Second", "address": own_address(1), "port": world.port,
             "home": world.home("second"), "default_domain": "second.example", **answers}
    words = [str(word) for key, value in flags.items() if value is not None
             for word in ("--" + key.replace("_", "-"), value)]
    return server_ctl(world, "new", *words, "--yes", code=code)


def files(world):
    """Everything in the directory of definitions, hidden files too, with its octets."""
    top = world.directory / "virtual-servers.d"
    return {path.name: path.read_bytes() for path in top.iterdir()}
