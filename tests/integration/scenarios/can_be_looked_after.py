"""What mailroot-operations(7) tells an administrator to do, done: backup, restore, move, leave."""

import shutil
import subprocess
import threading

from waiting import until

MESSAGES = 40


def tar(*arguments, cwd):
    # 1: a file changed or went while it was read, which is what a queue's files do.
    done = subprocess.run(["tar", *map(str, arguments)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode in (0, 1), done
    return done


def send_numbered(world, numbers):
    for number in numbers:
        world.send("bob@example.org", body=f"Number {number}.")


def numbers_in(text):
    return {int(word.split(".")[0]) for word in text.split("Number ")[1:]}


def numbers_at(world, name="default"):
    """Of a virtual server that is stopped: all its mail is in Queue."""
    return set().union(*[numbers_in(path.read_text(errors="replace"))
                         for path in world.mail_files("Queue", name)], set())


def scenario_a_backup_made_under_load_has_all_that_was_accepted_before_it(world):
    world.write_server(smart_host="[127.0.0.1]:1", text="spool: { materialise_after: 1s }\n")
    world.start()
    send_numbered(world, range(MESSAGES))
    ending = threading.Event()

    def load():
        number = 1000
        while not ending.is_set():
            send_numbered(world, [number])
            number += 1
    traffic = threading.Thread(target=load)
    traffic.start()
    try:
        for part, what in (("1.tar", ["Journal"]), ("2.tar", ["--exclude=./Journal", "."])):
            tar("-cf", world.directory / part, *what, cwd=world.home())
    finally:
        ending.set()
        traffic.join()
    world.stop()
    shutil.rmtree(world.home())
    world.home().mkdir()
    for part in ("2.tar", "1.tar"):
        tar("-xf", world.directory / part, cwd=world.home())
    world.start()
    assert world.server()["state"] == "started", world.server()
    world.stop()
    assert set(range(MESSAGES)) <= numbers_at(world), sorted(numbers_at(world))


def scenario_a_home_is_moved_with_its_mail(world):
    world.write_server(smart_host="[127.0.0.1]:1")
    world.start()
    send_numbered(world, range(MESSAGES))
    old, new = world.home(), world.directory / "elsewhere"
    world.ctl("stop", "default")
    subprocess.run(["cp", "-a", old, new], check=True)
    world.ctl("server", "set", "default", "home_directory", str(new))
    world.ctl("start", "default")
    view = world.server()
    assert view["state"] == "started" and view["home_directory"] == str(new), view
    until(lambda: len(world.queue()) == MESSAGES, "all its mail")
    shutil.rmtree(old)
    world.send("bob@example.org")
    until(lambda: len(world.queue()) == MESSAGES + 1, "and new mail")
    world.stop()


def scenario_a_machine_leaves_and_another_sends_its_mail(world):
    world.write_server(smart_host="[127.0.0.1]:1")
    world.start()
    send_numbered(world, range(MESSAGES))
    world.ctl("pause", "default")
    assert world.raw().reply().startswith("421 ")
    world.ctl("stop", "default")
    waiting = world.mail_files("Queue")
    assert numbers_at(world) == set(range(MESSAGES))
    sink = world.sink()
    world.write_server("other", smart_host=sink.smart_host, address=world.address,
                       port=world.port)
    world.server_file().unlink()
    world.ctl("reload")
    for path in waiting:
        path.rename(world.home("other") / "Pickup" / path.name)
    until(lambda: len(sink.messages()) == MESSAGES, "the other sends them")
    arrived = set().union(*[numbers_in(str(message.parsed())) for message in sink.messages()])
    assert arrived == set(range(MESSAGES)), arrived
    world.stop()
