"""AUTH: who logs in may relay, as the senders of that user; who guesses is slowed and banned."""

import base64
import os
import smtplib
import ssl
import subprocess
import time

import certificates
import users
from raw_client import Raw
from waiting import until
from world import Skipped


def connect(world, source=None):
    client = world.raw(source=source)
    client.hello()
    return client


def log_in(world, name="printer", password=users.PASSWORD, source=None):
    client = connect(world, source)
    client.expect(users.plain(name, password), "235 2.7.0")
    return client


def scenario_who_logs_in_may_relay(world):
    sink = world.sink()
    users.write_server(world, users.line("printer"), smart_host=sink.smart_host)
    world.start()
    client = world.raw()
    client.reply()
    assert "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n" in client.expect(b"EHLO c\r\n", "250")
    client.expect(b"MAIL FROM:<a@sender.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")
    client.expect(b"RSET\r\n", "250")
    client.expect(users.plain("printer"), "235 2.7.0")
    client.message(b"Subject: x\r\n\r\nHello.\r\n")
    message, = sink.wait_for(1)
    received = message.parsed()["Received"]
    assert " with ESMTPA " in received.replace("\n", " "), received
    assert message.parsed()["Message-ID"], "who logs in submits: missing fields are added"
    connection, = world.ctl_json("connections", "list", "--direction", "in")
    assert connection["user"] == "printer", connection
    client.expect(b"QUIT\r\n", "221")
    event = world.wait_for_event("authenticated")[0]
    assert (event["user"], event["mechanism"]) == ("printer", "PLAIN"), event
    assert world.wait_for_event("accepted")[0]["user"] == "printer"
    assert world.wait_for_event("connection", user="printer")
    assert users.b64("\0printer\0" + users.PASSWORD) not in world.log()
    assert users.PASSWORD not in world.log()


def scenario_every_mechanism(world):
    users.write_server(world, users.line("printer") + users.line("hash", scram=False))
    world.start()
    client = connect(world)
    client.expect(b"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6")
    client.expect(b"cHJpbnRlcg==\r\n", "334 UGFzc3dvcmQ6")
    client.expect(users.b64(users.PASSWORD).encode() + b"\r\n", "235")
    client = connect(world)
    scram = users.Scram("printer")
    challenge = client.expect(f"AUTH SCRAM-SHA-256 {scram.first()}\r\n".encode(), "334 ")
    final = client.expect(scram.final(challenge[4:]).encode() + b"\r\n", "334 ")
    assert base64.b64decode(final[4:]).decode() == scram.server_final
    client.expect(b"\r\n", "235 2.7.0")
    for name, password in (("printer", "wrong"), ("hash", users.PASSWORD), ("nobody", "x")):
        client = connect(world)
        scram = users.Scram(name, password)
        challenge = client.expect(f"AUTH SCRAM-SHA-256 {scram.first()}\r\n".encode(), "334 ")
        client.expect(scram.final(challenge[4:]).encode() + b"\r\n", "535 5.7.8")
    reasons = [event["reason"] for event in world.wait_for_event("auth_failed", 3)]
    assert reasons == ["wrong password", "the user has no SCRAM keys", "no such user"], reasons


def scenario_real_clients(world):
    sink = world.sink()
    users.write_server(world, users.line("printer"), smart_host=sink.smart_host)
    world.start()
    where = f"{world.address}:{world.port}"
    common = ["--server", where, "--from", "a@b.example", "--to", "bob@example.org", "--auth-user",
              "printer", "--auth-password", users.PASSWORD, "--silent", "2"]
    for mechanism in ("PLAIN", "LOGIN"):
        subprocess.run(["swaks", *common, "--auth", mechanism], check=True)
    sent = 2
    mail = world.directory / "mail.txt"
    mail.write_text("Subject: x\r\n\r\nHello.\r\n")
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        done = subprocess.run(
            ["curl", "-sS", f"smtp://{where}", "--mail-from", "a@b.example", "--mail-rcpt",
             "bob@example.org", "--upload-file", mail, "--user", f"printer:{users.PASSWORD}",
             "--login-options", f"AUTH={mechanism}"], capture_output=True, text=True)
        known = mechanism != "SCRAM-SHA-256"  # a curl without libgsasl has no SCRAM
        assert done.returncode == 0 or not known, done.stderr
        sent += done.returncode == 0
    for mechanism in ("plain", "login", "scram-sha-256"):
        done = subprocess.run(
            ["msmtp", f"--host={world.address}", f"--port={world.port}", f"--auth={mechanism}",
             "--user=printer", f"--passwordeval=echo '{users.PASSWORD}'", "--from=a@b.example",
             "--tls=off", "bob@example.org"], input="Subject: x\n\nHello.\n", text=True,
            capture_output=True)
        assert done.returncode == 0, (mechanism, done.stderr)
        sent += 1
    with smtplib.SMTP(world.address, world.port) as client:
        client.login("printer", users.PASSWORD)
        client.sendmail("a@b.example", ["bob@example.org"], "Subject: x\r\n\r\nHello.\r\n")
    sink.wait_for(sent + 1)
    mechanisms = {event["mechanism"] for event in world.events("authenticated")}
    assert mechanisms == {"PLAIN", "LOGIN", "SCRAM-SHA-256"}, mechanisms


def scenario_the_senders_of_a_user(world):
    users.write_server(world, users.line(
        "erp", options="senders=erp@example.com,@billing.example"))
    world.start()
    client = log_in(world, "erp")
    for sender, code in (("<erp@example.com>", "250"), ("<ERP@Example.com>", "250"),
                         ("<any@billing.example>", "250"), ("<>", "250"),
                         ("<ceo@example.com>", "553 5.7.1 You may not send as <ceo@example.com>"),
                         ("<any@sub.billing.example>", "553 5.7.1")):
        client.expect(f"MAIL FROM:{sender}\r\n".encode(), code)
        client.expect(b"RSET\r\n", "250")
    connect(world).expect(b"MAIL FROM:<ceo@example.com>\r\n", "250")  # relays nowhere


def scenario_only_who_logs_in(world):
    users.write_server(world, users.line("printer"),
                       keys="require_tls: false, anonymous: false",
                       access="  relay: { allow: [127.0.0.0/8], authenticated: false }\n")
    world.start()
    client = connect(world)
    client.expect(b"MAIL FROM:<a@b.example>\r\n", "530 5.7.0 Authentication required")
    client.expect(users.plain("printer"), "235")
    client.begin("ann@local.example", sender="a@b.example")


def scenario_logged_in_and_yet_no_relay(world):
    users.write_server(world, users.line("printer"),
                       access="  relay: { authenticated: false }\n")
    world.start()
    client = log_in(world)
    client.expect(b"MAIL FROM:<a@b.example>\r\n", "250")
    client.expect(b"RCPT TO:<bob@example.org>\r\n", "550 5.7.1")


def scenario_what_a_binding_offers(world):
    for authentication, keys, offered in (
            ("tls", "require_tls: false", False), ("clear", "require_tls: true", False),
            ("off", "require_tls: false", False), ("clear", "require_tls: false", True),
            ("clear", "require_tls: false, mechanisms: []", False)):
        users.write_server(world, users.line("printer"), authentication=authentication, keys=keys)
        if world.daemon is None:
            world.start()
        else:
            world.ctl("reload")
        client = world.raw()
        client.reply()
        assert ("AUTH" in client.expect(b"EHLO c\r\n", "250")) == offered, (authentication, keys)
        reply = client.ask(users.plain("printer"))
        expected = "235" if offered else "502" if authentication == "off" or "[]" in keys else "538"
        assert reply.startswith(expected), (authentication, keys, reply)


def scenario_who_guesses_is_slowed_and_banned(world):
    users.write_server(world, users.line("printer"))
    world.start()
    began = time.monotonic()
    for _ in range(3):
        client = connect(world, "127.0.1.7")
        client.expect(users.plain("printer", "wrong"), "535 5.7.8")
        client.expect(users.plain("nobody", "wrong"), "535 5.7.8")
        client.expect(users.plain("admin", "wrong"), "421 4.7.0 Too many failed logins")
        assert client.is_closed()
    assert time.monotonic() - began > 8, "each reply later than the one before"
    client = connect(world, "127.0.1.7")
    client.expect(users.plain("printer", "wrong"), "535")
    reply = client.expect(users.plain("printer"),
                          "421 4.7.0 Too many failed logins, try again after")
    assert client.is_closed(), reply
    log_in(world, source="127.0.1.8")
    ban, = world.ctl_json("user", "bans")
    assert (ban["kind"], ban["who"], ban["failures"]) == ("address", "127.0.1.7", 10), ban
    assert world.ctl("user", "unban", "127.0.1.9", check=False).returncode == 1
    world.ctl("user", "unban", "127.0.1.7")
    assert world.ctl_json("user", "bans") == []
    log_in(world, source="127.0.1.7")
    event = world.wait_for_event("auth_failed", 10)[-1]
    assert event["address_banned_until"], event
    assert "wrong" not in world.log().replace("wrong password", "")


def scenario_a_bad_line_changes_nothing(world):
    users.write_server(world, users.line("printer"))
    world.start()
    path = users.write(world, users.line("printer") + "guest:letmein\n")
    done = world.ctl("reload", check=False)
    assert done.returncode == 1, done
    assert f"{path}:2:7: not a hash of crypt(3)" in done.stdout + done.stderr, done
    assert "letmein" not in done.stdout + done.stderr + world.log()
    log_in(world)


def scenario_a_file_that_cannot_be_read_stops_the_server(world):
    users.write_server(world, users.line("printer"))
    world.write_server("other", port=world.port, address="127.9.9.9")
    world.start()
    path = world.directory / "users"
    path.rename(world.directory / "away")
    world.ctl("reload", check=False)
    until(lambda: world.server()["state"] == "stopped", "the virtual server has stopped")
    assert "there is no such file" in world.server()["reason"], world.server()
    assert world.server("other")["state"] == "started"
    (world.directory / "away").rename(path)
    world.ctl("reload")
    until(lambda: world.server()["state"] == "started", "the virtual server runs again")
    log_in(world)


def scenario_a_reload_revokes_a_user(world):
    users.write_server(world, users.line("printer") + users.line("scanner"))
    world.start()
    printer, scanner = log_in(world), log_in(world, "scanner")
    printer.begin("bob@example.org")
    users.write(world, users.line("scanner"))
    world.ctl("reload")
    printer.expect(b"DATA\r\n", "354")
    printer.expect(b"Subject: x\r\n\r\nx\r\n.\r\n", "250")
    printer.expect(b"MAIL FROM:<a@b.example>\r\n", "421 4.7.0 Your login is no longer valid")
    assert printer.is_closed()
    # Salts of SCRAM are new: as if the password had been changed.
    scanner.expect(b"MAIL FROM:<a@b.example>\r\n", "421 4.7.0 Your login is no longer valid")
    connect(world).expect(users.plain("printer"), "535 5.7.8")
    users.write(world, users.line("scanner", options="disabled"))
    world.ctl("reload")
    connect(world).expect(users.plain("scanner"), "535 5.7.8")


def scenario_many_logins_stall_nobody(world):
    names = [f"user{number}" for number in range(40)]
    hashed = users.yescrypt(users.PASSWORD)
    users.write_server(world, "".join(f"{name}:{hashed}\n" for name in names))
    world.start()
    clients = [connect(world) for _ in names]
    for name, client in zip(names, clients):
        client.send(users.plain(name))
    bystander = world.raw()
    began = time.monotonic()
    bystander.hello()
    bystander.begin("ann@local.example")
    waited = time.monotonic() - began
    replies = [client.reply() for client in clients]
    assert all(reply.startswith("235") for reply in replies), replies
    until(lambda: len(world.events("authenticated")) == 40, "all have logged in")
    taken = time.monotonic() - began
    assert waited < taken, f"a bystander waited {waited} s of {taken} s"


class Encrypted(Raw):
    """A client inside TLS."""

    def __init__(self, world, client_identity=None):
        super().__init__(world.port, world.address)
        self.hello()
        self.expect(b"STARTTLS\r\n", "220")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if client_identity:
            context.load_cert_chain(client_identity.certificate, client_identity.key)
        self.socket = context.wrap_socket(self.socket)

    def hello_again(self):
        return self.expect(b"EHLO client.example\r\n", "250")


def scenario_inside_tls(world):
    sink = world.sink()
    own = certificates.make(world, "own")
    users.write_server(world, users.line("printer"), authentication="tls", keys="",
                       access=f"  {own.access()}\n", smart_host=sink.smart_host)
    world.start()
    client = world.raw()
    client.reply()
    offers = client.expect(b"EHLO c\r\n", "250")
    assert "STARTTLS" in offers and "AUTH" not in offers, offers
    client.expect(users.plain("printer"), "538 5.7.11")
    client = Encrypted(world)
    offers = client.hello_again()
    assert "AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n" in offers, offers
    client.expect(users.plain("printer"), "235")
    client.message(b"Subject: x\r\n\r\nHello.\r\n")
    message, = sink.wait_for(1)
    assert " with ESMTPSA" in message.parsed()["Received"], message.parsed()["Received"]
    for mechanism in ("plain", "login", "scram-sha-256"):
        done = subprocess.run(
            ["msmtp", f"--host={world.address}", f"--port={world.port}", f"--auth={mechanism}",
             "--user=printer", f"--passwordeval=echo '{users.PASSWORD}'", "--from=a@b.example",
             "--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "bob@example.org"],
            input="Subject: x\n\nHello.\n", text=True, capture_output=True)
        assert done.returncode == 0, (mechanism, done.stderr)
    subprocess.run(["swaks", "--server", f"{world.address}:{world.port}", "--from", "a@b.example",
                    "--to", "bob@example.org", "--tls", "--auth", "LOGIN", "--auth-user", "printer",
                    "--auth-password", users.PASSWORD, "--silent", "2"], check=True)
    sink.wait_for(5)


def scenario_the_clients_certificate_logs_in(world):
    authority = certificates.make(world, "ca", names=(), authority=True)
    own = certificates.make(world, "own")
    printer = certificates.make(world, "printer", names=("printer.example",), issuer=authority)
    more = f", client_certificate: ask, client_ca: {authority.certificate}"
    users.write_server(
        world, users.line("printer.example", options="senders=printer@example.com"),
        authentication="tls", keys="anonymous: false, mechanisms: [EXTERNAL]",
        access=f"  {own.access(more)}\n")
    world.start()
    stranger = Encrypted(world)
    assert "AUTH" not in stranger.hello_again()
    stranger.expect(b"MAIL FROM:<a@b.example>\r\n", "530 5.7.0 Authentication required")
    client = Encrypted(world, printer)
    assert "AUTH EXTERNAL\r\n" in client.hello_again()
    client.expect(b"AUTH EXTERNAL YWRtaW4=\r\n", "535 5.7.8")
    client.expect(b"AUTH EXTERNAL =\r\n", "235")
    client.expect(b"MAIL FROM:<a@b.example>\r\n", "553 5.7.1")
    client.begin("ann@local.example", sender="printer@example.com")
    assert world.wait_for_event("authenticated")[0]["user"] == "printer.example"


DOVECOT = """protocols =
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log.txt
ssl = no
passdb {{
  driver = passwd-file
  args = {base}/passwd
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/tmp
}}
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
"""


def start_dovecot(world):
    base = world.directory / "dovecot"
    base.mkdir(mode=0o755)
    (base / "passwd").write_text("ann:{PLAIN}of dovecot\n")
    (base / "passwd").chmod(0o644)
    (base / "dovecot.conf").write_text(DOVECOT.format(base=base))
    world.directory.chmod(0o755)
    daemon = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", base / "dovecot.conf"])
    world.processes.append(daemon)
    until((base / "run/auth-client").exists, "Dovecot listens")
    return daemon, base / "run/auth-client"


def scenario_dovecot_knows_the_others(world):
    if not os.path.exists("/usr/sbin/dovecot") or os.geteuid() != 0:
        raise Skipped("no Dovecot, or not root")
    daemon, socket = start_dovecot(world)
    users.write_server(world, users.line("printer"),
                       keys=f"require_tls: false, dovecot: {socket}")
    world.start()
    client = world.raw()
    client.reply()
    assert "250-AUTH PLAIN LOGIN\r\n" in client.expect(b"EHLO c\r\n", "250")
    client.expect(users.plain("ann", "of dovecot"), "235")
    client.begin()
    log_in(world)
    connect(world).expect(users.plain("ann", "wrong"), "535 5.7.8")
    connect(world).expect(users.plain("bob", "of dovecot"), "535 5.7.8")
    connect(world).expect(users.plain("printer", "of dovecot"), "535 5.7.8")
    reasons = [event["reason"] for event in world.wait_for_event("auth_failed", 3)]
    assert reasons == ["refused by Dovecot", "refused by Dovecot", "wrong password"], reasons
    daemon.terminate()
    daemon.wait()
    connect(world).expect(users.plain("ann", "of dovecot"), "454 4.7.0")
    assert world.wait_for_event("auth_unavailable")[0]["backend"] == str(socket)
    log_in(world)
