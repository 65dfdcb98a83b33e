"""STARTTLS, required and implicit TLS towards clients; certificates renewed while it runs."""

import shutil
import smtplib
import socket
import ssl
import subprocess

import certificates
from waiting import WAIT_SECONDS, free_port, until
from world import Skipped


def trusting(identity, name="mx.local.example"):
    context = ssl.create_default_context(cafile=str(identity.certificate))
    context.check_hostname = name is not None
    return context


def blind(**versions):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, version in versions.items():
        setattr(context, name, version)
    return context


def start(world, mode="starttls", *, access="", binding="", **more):
    identity = certificates.make(world, "server")
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host, access=identity.access(access),
                       binding=f"tls: {mode}{binding}", **more)
    world.start()
    return identity, sink


def certificate_of(world):
    """What the server shows to a client that asks for nothing in particular."""
    with world.client() as smtp:
        smtp.starttls(context=blind())
        return smtp.sock.getpeercert(binary_form=True)


def scenario_starttls(world):
    identity, sink = start(world)
    with world.client() as smtp:
        smtp.ehlo()
        assert smtp.has_extn("starttls")
        smtp._host = "mx.local.example"
        smtp.starttls(context=trusting(identity))
        smtp.ehlo()
        assert not smtp.has_extn("starttls"), "offered once"
        code, _ = smtp.docmd("STARTTLS")
        assert code == 503, code
        smtp.sendmail("ann@sender.example", ["bob@example.org"],
                      b"Subject: hidden\r\n\r\n" + b"x" * 300_000 + b"\r\n")
    [message] = sink.wait_for(1)
    received = message.parsed()["Received"]
    assert "with ESMTPS id" in received and "tls TLS_" in received, received
    assert "(TLSv1.3)" in received, received
    [line] = world.wait_for_event("connection", tls="TLSv1.3")
    assert line["messages"] == 1 and line["cipher"].startswith("TLS_"), line


def scenario_without_a_certificate_it_is_not_offered(world):
    world.write_server()
    world.start()
    with world.client() as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        code, _ = smtp.docmd("STARTTLS")
        assert code == 502, code


def scenario_implicit(world):
    identity, sink = start(world, "implicit")
    context = trusting(identity)
    plain = socket.create_connection((world.address, world.port), WAIT_SECONDS)
    with context.wrap_socket(plain, server_hostname="mx.local.example") as wrapped:
        smtp = smtplib.SMTP(local_hostname="client.example")
        smtp.sock = wrapped
        assert smtp.getreply()[0] == 220
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        smtp.sendmail("ann@sender.example", ["bob@example.org"], b"Subject: x\r\n\r\nbody\r\n")
        smtp.quit()
    sink.wait_for(1)


def scenario_clear_text_on_the_implicit_port_ends(world):
    start(world, "implicit")
    raw = world.raw()
    raw.send(b"EHLO client.example\r\n")
    assert b"220" not in raw.rest()
    raw.close()
    [line] = world.wait_for_event("connection")
    assert line["reason"].startswith("TLS handshake failed"), line


def scenario_required(world):
    identity, sink = start(world, "required")
    with world.client() as smtp:
        assert smtp.ehlo()[0] == 250
        assert smtp.noop()[0] == 250
        code, text = smtp.docmd("MAIL FROM:<ann@sender.example>")
        assert (code, text[:5]) == (530, b"5.7.0"), (code, text)
        assert smtp.docmd("VRFY", "bob")[0] == 530
        smtp.starttls(context=blind())
        smtp.sendmail("ann@sender.example", ["bob@example.org"], b"Subject: x\r\n\r\nbody\r\n")
    sink.wait_for(1)


def scenario_what_came_in_clear_is_dropped(world):
    """CVE-2011-0411: commands behind STARTTLS in clear text must not be run inside TLS."""
    start(world)
    injected = b"MAIL FROM:<evil@sender.example>\r\n"
    raw = world.raw()
    raw.hello()
    assert raw.ask(b"STARTTLS\r\n" + injected).startswith("220")
    wrapped = blind().wrap_socket(raw.socket, server_hostname="mx.local.example")
    wrapped.sendall(b"EHLO client.example\r\nRCPT TO:<bob@example.org>\r\nQUIT\r\n")
    answer = b""
    while chunk := wrapped.recv(65536):
        answer += chunk
    assert b"503 5.5.1 Need mail command" in answer, answer
    assert b"2.1.0" not in answer, answer
    wrapped.close()
    # A handshake that begins with a command fails.
    raw = world.raw()
    raw.hello()
    raw.expect(b"STARTTLS\r\n", "220")
    raw.send(injected)
    assert b"250" not in raw.rest()
    raw.close()


def scenario_old_versions_only_where_legacy_is_asked_for(world):
    identity = certificates.make(world, "server", rsa=True)
    old_port = free_port(world.address)
    world.write_server(access=identity.access(), relay=False, binding="tls: starttls")
    world.write_server("printers", access=identity.access(), port=old_port,
                       binding="tls: starttls, tls_profile: legacy")
    world.start()
    old = blind(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with world.client() as smtp:
        smtp.ehlo()
        try:
            smtp.starttls(context=old)
            raise AssertionError("TLS 1.0 was accepted")
        except (ssl.SSLError, OSError):
            pass
    with world.client(port=old_port) as smtp:
        smtp.starttls(context=old)
        assert smtp.sock.version() == "TLSv1"
        assert smtp.ehlo()[0] == 250
    world.wait_for_event("connection", tls="TLSv1")


def scenario_the_oldest_version_can_be_raised(world):
    start(world, access=", minimum: TLSv1.3")
    with world.client() as smtp:
        smtp.ehlo()
        try:
            smtp.starttls(context=blind(maximum_version=ssl.TLSVersion.TLSv1_2))
            raise AssertionError("TLS 1.2 was accepted")
        except (ssl.SSLError, OSError):
            pass
    with world.client() as smtp:
        smtp.starttls(context=blind())
        assert smtp.sock.version() == "TLSv1.3"


def scenario_a_session_is_resumed_by_its_ticket(world):
    start(world, "starttls")
    context = blind(maximum_version=ssl.TLSVersion.TLSv1_2)
    with world.client() as smtp:
        smtp.ehlo()
        smtp.docmd("STARTTLS")
        first = context.wrap_socket(smtp.sock, server_hostname="mx.local.example")
        session = first.session
        assert not first.session_reused
        smtp.sock, smtp.file = first, None
        smtp.quit()
    with world.client() as smtp:
        smtp.ehlo()
        smtp.docmd("STARTTLS")
        second = context.wrap_socket(smtp.sock, server_hostname="mx.local.example", session=session)
        assert second.session_reused
        smtp.sock, smtp.file = second, None
        smtp.quit()
    world.wait_for_event("connection", tls_resumed="yes")


def scenario_a_renewed_certificate_is_used_by_itself(world):
    identity, _ = start(world)
    before = certificate_of(world)
    certificates.make(world, "server")
    until(lambda: certificate_of(world) != before, "the renewed certificate is shown")
    world.wait_for_event("certificate", result="renewed")
    # Files that are no good: the old ones stay, and the log says why.
    now = certificate_of(world)
    identity.certificate.write_text("no certificate\n")
    [event] = world.wait_for_event("certificate", result="kept")
    assert "holds no certificate in PEM form" in event["reason"], event
    assert certificate_of(world) == now


def scenario_a_reload_renews_at_once_and_keeps_what_is_good(world):
    identity, _ = start(world)
    before = certificate_of(world)
    with world.client() as open_session:
        open_session.starttls(context=blind())
        certificates.make(world, "server")
        world.reload()
        assert certificate_of(world) != before
        assert open_session.noop()[0] == 250, "an open session goes on"
    now = certificate_of(world)
    identity.key.unlink()
    world.reload()
    assert certificate_of(world) == now
    server = world.server()
    assert server["state"] == "started" and "keeps the certificates it had" in server["reason"]
    assert str(identity.key) in server["reason"], server


def scenario_a_server_without_its_certificate_does_not_start(world):
    identity = certificates.make(world, "server")
    other = certificates.make(world, "other")
    world.write_server(access=f"tls: {{ certificate: {identity.certificate}, key: {other.key} }}")
    world.write_server("fine", port=free_port(world.address))
    checked = subprocess.run([*world.command(), "--check"], capture_output=True, text=True,
                             timeout=WAIT_SECONDS)
    assert checked.returncode == 2, checked
    assert "is not the key of the first certificate" in checked.stderr, checked.stderr
    world.start()
    server = world.server()
    assert server["state"] == "stopped", server
    assert "is not the key of the first certificate" in server["reason"], server
    assert world.server("fine")["state"] == "started"
    shutil.copy(identity.key, other.key)
    world.reload()
    assert world.server()["state"] == "started", world.server()


def scenario_a_running_server_edited_into_tls_without_a_certificate(world):
    """It keeps what it had, which is no certificate: clients are turned away, and nothing falls."""
    world.write_server()
    world.start()
    other = certificates.make(world, "other")
    missing = world.directory / "missing.pem"
    for mode in ("implicit", "required", "starttls"):
        world.write_server(access=f"tls: {{ certificate: {missing}, key: {other.key} }}",
                           binding=f"tls: {mode}")
        world.reload()
        server = world.server()
        assert server["state"] == "started" and "missing.pem" in server["reason"], server
        raw = world.raw()
        if mode == "implicit":
            assert raw.rest() == b""
        else:
            raw.hello()
            code = "530" if mode == "required" else "250"
            raw.expect(b"MAIL FROM:<ann@sender.example>\r\n", code)
        raw.close()
    [line] = world.wait_for_event("connection", messages=0, helo="")
    assert "no certificate that can be used" in line["reason"], line
    world.write_server(access=other.access(), binding="tls: starttls")
    world.reload()
    with world.client() as smtp:
        smtp.ehlo()
        assert smtp.has_extn("starttls")


def scenario_the_name_asked_for_chooses_the_certificate(world):
    first = certificates.make(world, "first")
    second = certificates.make(world, "second", names=["b.example", "*.c.example"])
    world.write_server(access=first.access(
        f", additional: [{{ certificate: {second.certificate}, key: {second.key} }}]"))
    world.start()
    for name, identity in (("mx.local.example", first), ("b.example", second),
                           ("x.c.example", second)):
        with world.client() as smtp:
            smtp._host = name
            smtp.starttls(context=trusting(identity))
            assert smtp.ehlo()[0] == 250


def scenario_a_clients_certificate_is_an_identity(world):
    """Signed by our authority: it may relay. Somebody else's: a client like any other."""
    authority = certificates.make(world, "authority", names=(), authority=True)
    printer = certificates.make(world, "printer", names=["printer.example"], issuer=authority)
    stranger = certificates.make(world, "stranger", names=["printer.example"])
    identity, sink = start(world, relay=False,
                           access=f", client_certificate: ask, client_ca: {authority.certificate}")

    def relay(own):
        context = blind()
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        with world.client() as smtp:
            smtp.starttls(context=context)
            try:
                smtp.sendmail("ann@sender.example", ["bob@example.org"], b"Subject: x\r\n\r\nb\r\n")
                return 250
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients["bob@example.org"][0]

    assert relay(printer) == 250
    sink.wait_for(1)
    assert relay(stranger) == 550
    assert relay(None) == 550
    world.wait_for_event("connection", certificate="printer.example")


def scenario_only_certain_names_are_an_identity(world):
    authority = certificates.make(world, "authority", names=(), authority=True)
    start(world, relay=False, access=f", client_certificate: ask, client_ca: "
          f"{authority.certificate}, client_names: [scanner.example]")
    for name, code in (("scanner", 250), ("printer", 550)):
        own = certificates.make(world, name, names=[f"{name}.example"], issuer=authority)
        context = blind()
        context.load_cert_chain(own.certificate, own.key)
        with world.client() as smtp:
            smtp.starttls(context=context)
            smtp.ehlo()
            smtp.mail("ann@sender.example")
            assert smtp.rcpt("bob@example.org")[0] == code, name


def scenario_a_clients_certificate_is_required(world):
    printer = certificates.make(world, "printer", names=["printer.example"])
    mark = certificates.fingerprint(printer)
    identity, sink = start(
        world, access=f", client_certificate: required, client_fingerprints: [\"{mark}\"]")
    with world.client() as smtp:
        smtp.ehlo()
        assert smtp.docmd("MAIL FROM:<ann@sender.example>")[0] == 530
        smtp.starttls(context=blind())
        smtp.ehlo()
        code, text = smtp.docmd("MAIL FROM:<ann@sender.example>")
        assert code == 530 and b"certificate" in text, (code, text)
    context = blind()
    context.load_cert_chain(printer.certificate, printer.key)
    with world.client() as smtp:
        smtp.starttls(context=context)
        smtp.sendmail("ann@sender.example", ["bob@example.org"], b"Subject: x\r\n\r\nbody\r\n")
    sink.wait_for(1)


def scenario_clients_people_use(world):
    identity, sink = start(world)
    message = world.directory / "mail.txt"
    message.write_bytes(b"From: ann@sender.example\r\nSubject: tls\r\n\r\nbody\r\n")
    server = f"{world.address}:{world.port}"
    commands = {
        "swaks": ["swaks", "--server", server, "--tls", "--from", "ann@sender.example", "--to",
                  "bob@example.org"],
        "curl": ["curl", "--silent", "--show-error", "--ssl-reqd", "--insecure",
                 f"smtp://{server}/client.example", "--mail-from", "ann@sender.example",
                 "--mail-rcpt", "bob@example.org", "--upload-file", message],
    }
    for number, (program, command) in enumerate(commands.items(), 1):
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not installed")
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS)
        assert done.returncode == 0, (program, done.stdout, done.stderr)
        sink.wait_for(number)
    done = subprocess.run(
        ["gnutls-cli", "--starttls-proto=smtp", f"--x509cafile={identity.certificate}",
         "--verify-hostname=mx.local.example", "--port", str(world.port), world.address],
        input="QUIT\r\n", capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert "Handshake was completed" in done.stdout, done.stdout + done.stderr


def scenario_a_client_that_stalls_in_the_handshake_is_timed_out(world):
    start(world, text="connections: { timeout: 2s }\n")
    raw = world.raw()
    raw.hello()
    raw.expect(b"STARTTLS\r\n", "220")
    raw.send(b"\x16\x03\x01")
    raw.rest()
    raw.close()
    [line] = world.wait_for_event("connection")
    assert line["reason"].startswith("TLS handshake failed"), line


def scenario_a_stop_ends_sessions_in_tls(world):
    start(world)
    with world.client() as smtp:
        smtp.starttls(context=blind())
        smtp.ehlo()
        world.stop()
        code, text = smtp.getreply()
        assert code == 421, (code, text)
