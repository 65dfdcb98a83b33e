"""sendmail(1) to the submission service to Pickup: with the daemon up and down, and clients that
do not speak its language. The scenario is the service manager: one process a connection."""

import os
import socket
import subprocess
import threading

from waiting import WAIT_SECONDS, until

HEAD = b"mailroot-submit 1\nrecipient bob@example.org\n"


class Service:
    def __init__(self, world, *options):
        self.options, self.closed_at_once = options, 0
        self.world, self.path = world, world.directory / "submit"
        self.aliases = world.directory / "aliases"
        self.aliases.write_text("root: carol@example.org\n")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()
        world.clean_ups.append(lambda: self.socket.shutdown(socket.SHUT_RDWR))

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            if self.closed_at_once > 0:
                self.closed_at_once -= 1
                connection.close()
                continue
            with connection, open(self.world.directory / "submit.log", "ab") as log:
                self.world.processes.append(subprocess.Popen(
                    [self.world.build / "src/submit/mailroot-submit", "--config",
                     self.world.directory / "mailroot.yaml", "--aliases", self.aliases,
                     *self.options],
                    stdin=connection, stdout=subprocess.DEVNULL, stderr=log))

    def sendmail(self, *options, text="Subject: x\n\nHello.\n"):
        done = subprocess.run([self.world.build / "src/sendmail/sendmail", *options], input=text,
                              capture_output=True, text=True, timeout=WAIT_SECONDS,
                              env={"MAILROOT_SUBMIT_SOCKET": str(self.path), "PATH": "/nowhere"})
        return done.returncode, done.stderr

    def dialogue(self, text):
        """sendmail -bs: the first line of each reply."""
        done = subprocess.run([self.world.build / "src/sendmail/sendmail", "-bs"], input=text,
                              capture_output=True, text=True, timeout=WAIT_SECONDS,
                              env={"MAILROOT_SUBMIT_SOCKET": str(self.path), "PATH": "/nowhere"})
        return done.returncode, [line for line in done.stdout.split("\n") if line[3:4] == " "]

    def say(self, data, close=False):
        """What a client that says just this is told; it ends its side, unless `close` is all."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT_SECONDS)
            client.connect(str(self.path))
            try:
                client.sendall(data)
                if close:
                    return b""
                client.shutdown(socket.SHUT_WR)
                return client.recv(1000)
            except (BrokenPipeError, ConnectionResetError):
                return b""


def start(world, *options, text=""):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, text=text)
    world.start()
    return sink, Service(world, *options)


def waiting_files(world):
    return sorted((world.home() / "Pickup/new").iterdir())


def scenario_command_lines_of_real_programs_reach_the_next_hop(world):
    sink, service = start(world)
    assert service.sendmail("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "bob@example.org",
                            text="Subject: cron\n\na\n.\nb\n") == (0, "")
    assert service.sendmail("-t", "-i", text="To: Bob <bob@example.org>\nBcc: eve@example.org\n"
                            "Subject: php\nX-Receiver: x@evil.example\n\nHello.\n") == (0, "")
    assert service.sendmail("-oem", "-oi", "-f", "ann@sender.example", "--", "bob@example.org",
                            text="Subject: mutt\n\nHello.\n") == (0, "")
    assert service.sendmail("bob@example.org", text="no header\n.\nnot sent\n") == (0, "")
    messages = {m.parsed()["Subject"]: m for m in sink.wait_for(4)}
    assert set(messages) == {"cron", "php", "mutt", None}, messages
    assert "a\n.\nb" in messages["cron"].parsed().get_payload().replace("\r\n", "\n")
    assert messages["php"].parsed()["Bcc"] is None
    assert "CronDaemon" in messages["cron"].parsed()["From"]
    assert f"uid {os.getuid()}" in str(messages["mutt"].parsed().get_all("Received"))
    payload = messages[None].parsed().get_payload()
    assert "no header" in payload and "not sent" not in payload, payload
    for message in messages.values():
        assert message.parsed()["Date"] and message.parsed()["Message-ID"]
    assert not world.mail_files("Badmail")


def scenario_mail_is_kept_while_the_daemon_is_down(world):
    sink, service = start(world)
    world.stop()
    assert service.sendmail("-i", "root@local.example") == (0, "")
    assert service.sendmail("-i", "dave@local.example", "bob@example.org") == (0, "")
    assert len(waiting_files(world)) == 2
    assert sink.count() == 0
    world.start()
    sink.wait_for(2)
    until(lambda: not waiting_files(world), "Pickup is empty")
    [local] = world.mail_files("Drop")
    assert "dave@local.example" in local.read_text()


def scenario_a_service_without_a_place_is_asked_again(world):
    sink, service = start(world)
    service.closed_at_once = 3
    assert service.sendmail("-i", "bob@example.org") == (0, "")
    assert service.closed_at_once == 0
    assert len(sink.wait_for(1)) == 1
    assert not waiting_files(world)


def scenario_aliases_that_cannot_be_used_lose_nothing(world):
    sink, service = start(world)
    service.aliases.write_text("root: |/bin/sh\nloop: loop2\nloop2: loop\nops: bob@example.org\n")
    for name in ("root", "loop", "ops"):
        assert service.sendmail("-i", f"{name}@local.example") == (0, "")
    sink.wait_for(1)
    until(lambda: len(world.mail_files("Drop")) == 2, "root and loop have theirs")
    log = (world.directory / "submit.log").read_text()
    assert "aliases:1:7: mail is not given to programs" in log, log


def scenario_an_alias_with_refused_targets_goes_to_the_others_and_the_log_says_so(world):
    sink, service = start(world)
    service.aliases.write_text("team: bob@example.org, |/bin/sh, /var/x,\n"
                               "  :include:/etc/team, eve@example.org\n")
    assert service.sendmail("-i", "team@local.example") == (0, "")
    [message] = sink.wait_for(1)
    assert {r.strip("<>") for r in message.recipients} == {"bob@example.org", "eve@example.org"}
    assert not world.mail_files("Drop")
    log = (world.directory / "submit.log").read_text()
    for line in ("aliases:1:24: mail is not given to programs", "aliases:1:34: mail is not written",
                 "aliases:2:3: :include: is not read"):
        assert line in log, (line, log)


def scenario_smtp_on_standard_input_has_its_250_when_the_message_is_kept(world):
    sink, service = start(world)
    world.stop()
    mail = "MAIL FROM:<ann@here.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n{}\r\n.\r\n"
    code, said = service.dialogue("EHLO pine\r\n" + mail.format("Subject: one\r\n\r\n..dot") +
                                  mail.format("Subject: two\r\n\r\nx") + "QUIT\r\n")
    assert code == 0 and [line[:3] for line in said] == [
        "220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"], said
    assert len(waiting_files(world)) == 2
    # Broken off, or without a service: nothing is kept, and no 250 says so.
    code, said = service.dialogue("HELO x\r\n" + mail.format("half").removesuffix(".\r\n"))
    assert code == 0 and said[-1].startswith("354"), said
    service.path.rename(world.directory / "aside")
    code, said = service.dialogue("HELO x\r\n" + mail.format("x") + "QUIT\r\n")
    assert said[-2].startswith("451 4.3.0 ") and said[-1].startswith("221"), said
    assert len(waiting_files(world)) == 2
    world.start()
    assert {m.parsed()["Subject"] for m in sink.wait_for(2)} == {"one", "two"}


def scenario_a_client_that_says_nothing_more_is_let_go(world):
    _, service = start(world, "--idle-seconds", "1")
    for said in (b"", HEAD, HEAD + b"size 10\n\nhalf"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT_SECONDS)
            client.connect(str(service.path))
            client.sendall(said)
            assert client.recv(1000) == b"75 the request took too long\n", said
            assert client.recv(1000) == b"", said
    assert not waiting_files(world)
    assert not list((world.home() / "Pickup/tmp").iterdir())


def scenario_what_is_refused_has_its_exit_code(world):
    sink, service = start(world, text="messages: { size_limit: 1 MiB }\n")
    assert service.sendmail()[0] == os.EX_USAGE
    assert service.sendmail("-Nwrong", "bob@example.org")[0] == os.EX_USAGE
    assert service.sendmail("-t", text="Subject: nobody\n\n")[0] == os.EX_DATAERR
    assert service.sendmail("a@@b")[0] == os.EX_NOUSER
    code, said = service.sendmail("bob@example.org", text="x" * 2_000_000)
    assert code == os.EX_DATAERR and "size_limit" in said, (code, said)
    pickup = world.home() / "Pickup/new"
    pickup.rename(world.directory / "aside")
    code, said = service.sendmail("bob@example.org")
    assert code == os.EX_TEMPFAIL and "Pickup" in said, (code, said)
    (world.directory / "aside").rename(pickup)
    assert not list((world.home() / "Pickup/tmp").iterdir())
    service.path.unlink()
    assert service.sendmail("bob@example.org")[0] == os.EX_TEMPFAIL
    assert sink.count() == 0


def scenario_clients_that_do_not_keep_to_the_form_leave_nothing(world):
    _, service = start(world)
    world.stop()
    garbage = bytes(range(256)) * 64
    for said in (garbage, b"", HEAD, HEAD + b"size 10\n\nhalf", HEAD + b"size 3\n\ntoo much",
                 HEAD + b"size 99999999999\n\n", HEAD + b"size 300000000\n\n",
                 b"mailroot-submit 1\nsender " + b"x" * 2_000_000):
        answer = service.say(said)
        # One that is refused before all is read may find the connection gone.
        assert answer[:2] in (b"76", b"65", b""), (said[:60], answer)
        service.say(said, close=True)
    assert service.say(HEAD + b"size 6\n\nhello\n").startswith(b"0 ")
    until(lambda: len(waiting_files(world)) == 1, "the good one is kept")
    until(lambda: all(p.poll() is not None for p in world.processes
                      if "submit" in str(p.args)), "every process ends")
    assert len(waiting_files(world)) == 1
    assert not list((world.home() / "Pickup/tmp").iterdir())
