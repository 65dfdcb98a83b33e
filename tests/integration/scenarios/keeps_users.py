"""mailrootctl user: the users file of a virtual server, changed while it runs."""

import os

import users
from admin import ctl_command
from terminal import Terminal

PASSWORD = "correct horse"


def user(world, *arguments, password=None, code=0):
    if password is not None:
        arguments += ("--password-stdin",)
    text = "" if password is None else f"{password}\n"
    done = world.ctl("user", *arguments, check=False, text=text)
    assert done.returncode == code, (arguments, done)
    return done


def write(world):
    world.write_server(relay=False, text=(
        "access:\n  authentication: { require_tls: false }\n"))
    path = world.server_file()
    path.write_text(path.read_text().replace(
        f"port: {world.port} }}", f"port: {world.port}, authentication: clear }}"))


def log_in(world, name, password=PASSWORD, code="235"):
    client = world.raw()
    client.hello()
    client.expect(users.plain(name, password), code)
    return client


def scenario_the_first_user_makes_the_file(world):
    write(world)
    world.start()
    client = world.raw()
    client.reply()
    assert "AUTH" not in client.expect(b"EHLO c\r\n", "250")
    done = user(world, "add", "printer", password=PASSWORD)
    path = world.directory / "default.users"
    assert "is added" in done.stdout and str(path) in done.stdout, done
    assert path.stat().st_mode & 0o777 == 0o640
    assert PASSWORD not in path.read_text() + world.log()
    assert f"users: {path}" in world.server_file().read_text()
    log_in(world, "printer")
    done = user(world, "add", "printer", password=PASSWORD, code=1)
    assert "there is a user printer already" in done.stderr, done


def scenario_a_user_from_beginning_to_end(world):
    write(world)
    world.start()
    user(world, "add", "printer", password=PASSWORD)
    path = world.directory / "default.users"
    path.write_text("# by hand\n" + path.read_text())
    path.chmod(0o600)
    user(world, "add", "erp", "--senders", "erp@example.com,@billing.example", password="other")
    assert path.read_text().startswith("# by hand\n"), "comments stay"
    assert path.stat().st_mode & 0o777 == 0o600, "the mode stays"
    listed = {entry["user"]: entry for entry in world.ctl_json("user", "list")}
    assert listed["erp"]["senders"] == ["erp@example.com", "@billing.example"], listed
    assert listed["printer"]["verifiers"] == "yescrypt, SCRAM-SHA-256", listed
    client = log_in(world, "erp", "other")
    client.expect(b"MAIL FROM:<ceo@example.com>\r\n", "553")
    user(world, "set", "erp", "--senders", "")
    client.expect(b"MAIL FROM:<ceo@example.com>\r\n", "250")
    client.expect(b"RSET\r\n", "250")
    user(world, "passwd", "erp", password="third")
    client.expect(b"MAIL FROM:<ceo@example.com>\r\n", "421 4.7.0 Your login is no longer valid")
    log_in(world, "erp", "other", "535")
    log_in(world, "erp", "third")
    user(world, "set", "erp", "--disable")
    log_in(world, "erp", "third", "535")
    user(world, "set", "erp", "--enable")
    client = log_in(world, "erp", "third")
    done = user(world, "delete", "erp", code=1)
    assert "say --yes" in done.stderr, done
    document, = world.ctl_json("user", "delete", "erp", "--yes")
    assert (document["done"], document["reload"]["outcome"]) == ("deleted", "applied"), document
    client.expect(b"MAIL FROM:<a@b.example>\r\n", "421")
    assert [entry["user"] for entry in world.ctl_json("user", "list")] == ["printer"]


def scenario_what_is_refused(world):
    write(world)
    world.start()
    for words, text, wrong in (
            (("add", "a:b"), "x", "a colon in the user's name"),
            (("add", "ann"), "\t", "a control character in the password"),
            (("add", "ann", "--senders", "nobody"), "x", "addresses and @domains"),
            (("passwd", "nobody"), "x", "there is no user nobody"),
            (("add", "ann", "--server", "nowhere"), "x", "there is no virtual server")):
        done = user(world, *words, password=text, code=1)
        assert wrong in done.stderr, (words, done)
    assert not (world.directory / "default.users").exists()
    done = user(world, "add", "ann", code=1)
    assert "this is no terminal" in done.stderr, done


def scenario_at_a_terminal(world):
    write(world)
    world.start()
    terminal = Terminal(ctl_command(world, "user", "add", "ann"))
    terminal.expect("Password of ann: ")
    terminal.type(PASSWORD)
    terminal.expect("Once more: ")
    terminal.type(PASSWORD)
    assert terminal.wait() == 0, terminal.seen
    assert PASSWORD not in terminal.seen, "it is not shown"
    log_in(world, "ann")
    terminal = Terminal(ctl_command(world, "user", "passwd", "ann"))
    terminal.expect("Password of ann: ")
    terminal.type("one")
    terminal.expect("Once more: ")
    terminal.type("two")
    assert terminal.wait() == 1, terminal.seen
    assert "two different passwords" in terminal.seen
    terminal = Terminal(ctl_command(world, "user", "passwd", "ann"))
    terminal.expect("Password of ann: ")
    terminal.interrupt()
    terminal.type("")
    assert terminal.wait() == 1, terminal.seen
    log_in(world, "ann")
    terminal = Terminal(ctl_command(world, "user", "delete", "ann"))
    terminal.expect("[y/N] ")
    terminal.type("y")
    assert terminal.wait() == 0, terminal.seen
    log_in(world, "ann", code="535")


def scenario_a_link_and_a_daemon_that_is_not_there(world):
    write(world)
    real = world.directory / "elsewhere"
    real.write_text("")
    os.symlink(real, world.directory / "link")
    path = world.server_file()
    path.write_text(path.read_text().replace(
        "require_tls: false", "require_tls: false, users: ../link"))
    done = user(world, "add", "ann", password=PASSWORD)
    assert "counts from its next start on" in done.stdout, done
    assert (world.directory / "link").is_symlink() and real.read_text().startswith("ann:$y$")
    world.start()
    log_in(world, "ann")
