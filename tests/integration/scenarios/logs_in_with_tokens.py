"""AUTH XOAUTH2 towards a stand-in for Microsoft 365: tokens fetched, shared, renewed, refused, and
a token endpoint that misbehaves in each way the real ones are known to. The mail is kept always."""

import json
import ssl
import subprocess
import time

import certificates
from mock_microsoft import SubmissionHost, TokenEndpoint
from waiting import until

SECRET = "s3cret"


def write(world, host, tokens, *, grant="", credentials=None, more="allow_clear: true"):
    secret = world.directory / "client-secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    credentials = credentials or f"client_secret_file: \"{secret}\""
    world.write_server(smart_host=host.smart_host, delivery=(
        "quick_retries: { count: 100, interval: 1s }\n"
        f"security: {{ authentication: oauth2, username: \"{host.username}\", {more},\n"
        f"  oauth: {{ token_url: \"{tokens.url}\", device_url: \"{tokens.device_url}\","
        f" client_id: app, {grant} {credentials} }} }}\n"))
    return secret


def expect_no_secret(world, tokens):
    everything = world.log() + world.stderr()
    assert SECRET not in everything, "the client secret is in the log"
    assert not [token for token in tokens.tokens if token[5:40] in everything], "a token is"


def scenario_mail_reaches_microsoft_with_one_token_for_all(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)
    world.start()
    for number in range(20):
        world.send(f"bob{number}@example.org", subject=str(number))
    until(lambda: len(host.mail) == 20, "all mail")
    world.wait_for_empty_queue()
    assert tokens.count() == 1, f"{tokens.count()} requests"
    [form] = tokens.forms
    assert form == {"grant_type": "client_credentials", "client_id": "app", "client_secret": SECRET,
                    "scope": "https://outlook.office365.com/.default"}, form
    assert {login for login in host.logins} == {("XOAUTH2", "ok")}, host.logins
    expect_no_secret(world, tokens)


def scenario_tokens_that_last_a_few_seconds_are_renewed_in_time(world):
    tokens = TokenEndpoint(world, lifetime=4)
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)
    world.server_file().write_text(
        world.server_file().read_text() + "messages: { per_connection_limit: 1 }\n")
    world.start()
    end = time.monotonic() + 10
    count = 0
    while time.monotonic() < end:
        count += 1
        world.send(f"bob{count}@example.org", subject=str(count))
        until(lambda: len(host.mail) == count, "the mail")
        time.sleep(0.3)
    refused = [login for login in host.logins if login[1] != "ok"]
    assert not refused, refused
    assert 3 <= tokens.count() <= 12, f"{tokens.count()} requests in 10 s"


def scenario_a_token_that_ended_early_is_exchanged_at_once(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)
    world.start()
    world.send("bob@example.org", subject="one")
    until(lambda: len(host.mail) == 1, "mail")
    tokens.revoke_all()
    until(lambda: world.events("connection", direction="out"), "the connection is over")
    world.send("bob@example.org", subject="two")
    until(lambda: len(host.mail) == 2, "mail with another token")
    assert [login[1][:3] for login in host.logins] == ["ok", "535", "ok"], host.logins
    assert not world.events("deferred"), "nobody noticed"


def scenario_an_endpoint_that_misbehaves_keeps_the_mail(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)
    world.start()
    says = {"html": "web page instead of JSON", "redirect": "redirects (302)",
            "down": "503: it has trouble of its own", "wrong_types": "no usable access_token",
            "half": "cannot be asked", "huge": "longer than", "deep": "no JSON object",
            "expired_secret": "has expired: make a new one", "throttled": "429 slow_down"}
    for number, (mode, words) in enumerate(says.items(), 1):
        tokens.mode = mode
        asked = tokens.count()
        world.reload()  # what failed before is forgotten
        world.send(f"bob{number}@example.org", subject=mode)
        until(lambda: any(words in event.get("detail", "") for event in
                          world.events("connection", reason="no login")), f"{mode}: {words}")
        assert tokens.count() > asked
        until(lambda: words in str(world.ctl_json("destinations")), f"{mode} in destinations")
        assert len(world.queue()) == number, "the mail is kept"
    assert not host.mail and not host.logins
    tokens.mode = None
    world.reload()
    world.ctl("queue", "retry", "--all", check=False)
    until(lambda: len(host.mail) == len(says), "all mail")
    assert not world.events("bounced")
    expect_no_secret(world, tokens)


def scenario_an_endpoint_that_hangs_holds_nobody_else_up(world):
    tokens = TokenEndpoint(world)
    tokens.mode = "hang"
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)
    sink = world.sink()
    world.server_file().write_text(
        world.server_file().read_text()
        + f"domains: [{{ name: other.example, type: remote,"
        f" smart_host: [\"{sink.smart_host}\"] }}]\n")
    world.start()
    world.send("bob@example.org", subject="hangs")
    until(lambda: tokens.count() == 1, "the request")
    world.send("ann@other.example", subject="goes")
    sink.wait_for(1)
    assert len(world.queue()) == 1
    world.stop()  # in order, at once, though a request is under way
    tokens.mode = None


def scenario_a_secret_that_was_replaced_is_used_without_a_reload(world):
    tokens = TokenEndpoint(world)
    tokens.client_secret = "another"
    host = SubmissionHost(world, tokens)
    secret = write(world, host, tokens)
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("connection", reason="no login")
    assert "AADSTS7000215" in event["detail"] and "not its id" in event["detail"], event
    assert "Trace ID" not in event["detail"], event
    secret.write_text("another\n")
    world.reload()  # not needed, but else a refused secret rests for a minute
    until(lambda: host.mail, "mail with the new secret")


def scenario_by_certificate(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    key, certificate = world.directory / "key.pem", world.directory / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                    "-out", certificate, "-subj", "/CN=app", "-days", "2"],
                   check=True, capture_output=True)
    write(world, host, tokens, credentials=f"certificate: \"{certificate}\", key: \"{key}\"")
    world.start()
    world.send("bob@example.org")
    until(lambda: host.mail, "mail")
    header, claims = tokens.last_assertion
    assert header["alg"] == "PS256" and len(header["x5t#S256"]) == 43, header
    assert claims["iss"] == claims["sub"] == "app" and claims["aud"] == tokens.url, claims
    assert "client_secret" not in tokens.forms[0]


def scenario_a_rotated_refresh_token_survives_a_kill(world):
    tokens = TokenEndpoint(world, lifetime=2)
    tokens.rotates = True
    host = SubmissionHost(world, tokens)
    refresh = world.directory / "refresh-token"
    refresh.write_text("refresh-0\n")
    refresh.chmod(0o600)
    write(world, host, tokens, credentials=f"refresh_token_file: \"{refresh}\"")
    world.start()
    world.send("bob@example.org", subject="one")
    until(lambda: len(host.mail) == 1, "mail")
    assert refresh.read_text() == tokens.refresh_token + "\n" != "refresh-0\n"
    assert refresh.stat().st_mode & 0o777 == 0o600
    world.kill()
    world.start()
    until(lambda: world.server()["state"] == "started", "started")
    world.send("bob@example.org", subject="two")
    until(lambda: len(host.mail) == 2, "mail with the stored one")
    tokens.refresh_token = "revoked"
    time.sleep(2)
    world.send("bob@example.org", subject="three")
    [event, *_] = world.wait_for_event("connection", reason="no login")
    assert "mailrootctl oauth login" in event["detail"], event
    assert len(world.queue()) == 1, "kept"


def scenario_refusals_of_microsoft_and_gmail_come_with_advice(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)
    world.start()
    advice = {"basic_gone": "set authentication: oauth2", "basic_off": "authenticated SMTP",
              "gmail_app_password": "app password", "gmail_password": "is wrong"}
    for number, (mode, words) in enumerate(advice.items(), 1):
        host.mode = mode
        world.send(f"bob{number}@example.org", subject=mode)
        until(lambda: any(words in event.get("advice", "") for event in world.events("deferred")),
              f"{mode}: {words}")
        [hop] = world.ctl_json("destinations")
        assert " -- " in hop["last_error"], hop
    [message, *_] = world.queue()
    # One that is being tried just now has its last reply a moment later.
    until(lambda: " -- " in world.ctl("queue", "show", message["id"]).stdout, "advice shown")
    host.mode = "send_as_denied"
    until(lambda: world.events("bounced"), "SendAsDenied is about the message")
    assert "grant Send As" in world.events("bounced")[0]["advice"]


def scenario_a_busy_host_is_asked_again(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    host.mode = "busy"
    write(world, host, tokens)
    world.start()
    world.send("bob@example.org")
    until(lambda: world.events("deferred"), "deferred")
    assert tokens.count() == 1, "454 says nothing about the token"
    host.mode = None
    until(lambda: host.mail, "mail")
    assert tokens.count() == 1


def scenario_by_service_account_on_behalf_of_the_mailbox(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens, username="printer@workspace.example")
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                          "rsa_keygen_bits:2048"], check=True, capture_output=True, text=True)
    account = world.directory / "account.json"
    account.write_text(json.dumps({"type": "service_account", "client_email": "a@p.example",
                                   "private_key_id": "k1", "private_key": key.stdout}))
    account.chmod(0o600)
    write(world, host, tokens, credentials=f"service_account_file: \"{account}\"")
    world.start()
    world.send("bob@example.org")
    until(lambda: host.mail, "mail")
    header, claims = tokens.last_assertion
    assert header["alg"] == "RS256" and header["kid"] == "k1", header
    assert claims["sub"] == host.username and claims["iss"] == "a@p.example", claims
    assert claims["scope"] == "https://mail.google.com/", claims


def scenario_somebody_logs_in_by_a_browser_once(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    refresh = world.directory / "refresh-token"
    write(world, host, tokens, credentials=f"refresh_token_file: \"{refresh}\"")
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("connection", reason="no login")
    assert f"{refresh} cannot be read" in event["detail"], event
    told = world.ctl("oauth", "login").stdout
    assert "https://microsoft.example/devicelogin" in told and "ABCD-EFGH" in told, told
    assert refresh.read_text() == tokens.refresh_token + "\n"
    assert refresh.stat().st_mode & 0o777 == 0o600
    world.reload()
    until(lambda: host.mail, "mail")
    tokens.mode = "html"
    done = world.ctl("oauth", "login", check=False)
    assert done.returncode == 1 and "web page" in done.stderr, done


def scenario_smarthost_test_names_what_is_missing(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    write(world, host, tokens)

    def test(*arguments):
        done = world.ctl("smarthost", "test", *arguments, check=False)
        assert not [token for token in tokens.tokens if token[5:40] in done.stdout], done.stdout
        return done

    done = test()
    assert done.returncode == 0 and "mail can go this way" in done.stdout, done
    for words in ("asking " + tokens.url, "AUTH XOAUTH2 ***", "MAIL FROM:<printer@contoso.com>"):
        assert words in done.stdout, (words, done.stdout)
    steps = [json.loads(line)["step"] for line in
             world.ctl("--json", "smarthost", "test", "default").stdout.splitlines()]
    assert steps[0] == "token" and steps[-1] == "ok", steps
    host.mode = "basic_off"
    done = test()
    assert done.returncode == 1 and "SmtpClientAuthentication is disabled" in done.stdout, done
    tokens.mode = "expired_secret"
    assert "AADSTS7000222" in test().stdout
    tokens.mode = host.mode = None
    host.close()
    done = test()
    assert "no connection" in done.stdout, done
    assert test("nobody").returncode == 1
    assert "no mail address" in test("--from", "x@@y").stderr


def secured(world, names=("smtp.office365.example",)):
    """A server's TLS context whose certificate has these names, and the authority's file."""
    authority = certificates.make(world, "authority", names=(), authority=True)
    identity = certificates.make(world, "host", names=names, issuer=authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context, authority.certificate


def scenario_the_whole_way_with_verified_tls(world):
    context, authority = secured(world)
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens, tls=context)
    world.write_service(
        f"dns: {{ hosts: {{ smtp.office365.example: [\"{host.address}\"] }} }}\n")
    host.smart_host = f"[smtp.office365.example]:{host.port}"
    write(world, host, tokens, more=f"tls: verified, ca: \"{authority}\"")
    world.start()
    world.send("bob@example.org")
    until(lambda: host.mail, "mail")
    until(lambda: world.events("connection", direction="out"), "the end of the connection")
    assert world.events("connection", direction="out")[0]["verified"] == "yes"
    assert host.logins == [("XOAUTH2", "ok")], host.logins
    done = world.ctl("smarthost", "test")
    assert "certificate verified" in done.stdout and "mail can go this way" in done.stdout, done
    expect_no_secret(world, tokens)


def scenario_a_host_with_another_name_gets_no_token(world):
    context, authority = secured(world, names=("impostor.example",))
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens, tls=context)
    world.write_service(
        f"dns: {{ hosts: {{ smtp.office365.example: [\"{host.address}\"] }} }}\n")
    host.smart_host = f"[smtp.office365.example]:{host.port}"
    write(world, host, tokens, more=f"tls: verified, ca: \"{authority}\"")
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("deferred")
    assert "impostor.example" in event["reply"] or "certificate" in event["reply"], event
    assert not [line for line in host.lines if "AUTH" in line], host.lines
    done = world.ctl("smarthost", "test", check=False)
    assert done.returncode == 1 and "AUTH" not in done.stdout, done


def scenario_a_stripped_starttls_gets_no_token(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)  # offers AUTH in clear, and no STARTTLS
    write(world, host, tokens, more="tls: opportunistic")
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("deferred")
    assert "not encrypted, and XOAUTH2 would show" in event["reply"], event
    assert not [line for line in host.lines if "AUTH" in line], host.lines


def scenario_a_domain_has_a_login_of_its_own(world):
    tokens = TokenEndpoint(world)
    host = SubmissionHost(world, tokens)
    other = SubmissionHost(world, mechanisms="PLAIN", username="relay", password="other")
    secret = write(world, host, tokens)
    password = world.directory / "other-password"
    password.write_text("other\n")
    password.chmod(0o600)
    world.server_file().write_text(
        world.server_file().read_text()
        + f"domains: [{{ name: other.example, type: remote, smart_host: [\"{other.smart_host}\"],"
        f" security: {{ authentication: plain, username: relay, password_file: \"{password}\","
        f" allow_clear: true }} }}]\n")
    world.start()
    world.send("ann@other.example", subject="one")
    world.send("bob@example.org", subject="two")
    until(lambda: host.mail and other.mail, "both")
    assert other.logins == [("PLAIN", "ok")] and host.logins == [("XOAUTH2", "ok")]
    assert secret.exists()
    hops = world.ctl("server", "show", "default").stdout
    assert "username: relay" in hops, hops
