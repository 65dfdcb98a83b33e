"""AUTH towards a smart host by password: mechanisms, refusals that keep the mail, secrets that
change, and that no secret is in any log."""

import os

from mock_microsoft import SubmissionHost
from waiting import until

PASSWORD = "pass word"


def write(world, host, method="auto", more="", password=PASSWORD, retries=True):
    secret = world.directory / "password"
    if password is not None:
        secret.write_text(password + "\n")
        secret.chmod(0o600)
    world.write_server(smart_host=host.smart_host, delivery=(
        ("quick_retries: { count: 100, interval: 1s }\n" if retries else "")
        + f"security: {{ authentication: {method}, username: \"{host.username}\",\n"
        f"  password_file: \"{secret}\"{more} }}\n"))
    return secret


def expect_no_secret(world):
    """As it is and in base64, at each offset of a group of three."""
    everything = world.log() + world.stderr()
    for path in world.directory.rglob("*.log"):
        everything += path.read_text(errors="replace")
    for trace in (PASSWORD, "cGFzcyB3b3Jk", "Bhc3Mgd29yZ", "wYXNzIHdvcm"):
        assert trace not in everything, f"{trace} is in a log"


def scenario_each_mechanism_gets_the_mail_through(world):
    host = SubmissionHost(world, mechanisms="PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256")
    expected = {"plain": "PLAIN", "login": "LOGIN", "cram-md5": "CRAM-MD5",
                "scram-sha-256": "SCRAM-SHA-256", "auto": "SCRAM-SHA-256"}
    write(world, host, "plain", ", allow_clear: true")
    world.start()
    for number, (method, mechanism) in enumerate(expected.items(), 1):
        write(world, host, method, ", allow_clear: true")
        assert world.reload()["result"] == "applied"
        world.send(f"bob{number}@example.org")
        until(lambda: len(host.mail) == number, f"mail by {method}")
        assert host.logins[-1] == (mechanism, "ok"), host.logins
        # It is kept a moment for more mail, which then needs no login.
        world.wait_for_event("connection", number, direction="out")
    world.wait_for_empty_queue()
    expect_no_secret(world)


def scenario_no_secret_goes_over_a_connection_in_clear(world):
    host = SubmissionHost(world, mechanisms="PLAIN LOGIN")
    write(world, host, "auto")
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("connection", direction="out")
    assert "not encrypted, and PLAIN would show" in event["detail"], event
    assert host.logins == [] and not any("AUTH" in line for line in host.lines), host.lines
    assert world.queue(), "the mail waits"
    [hop] = world.ctl_json("destinations")
    assert "not encrypted" in str(hop), hop
    # What shows no secret may go in clear.
    host.mechanisms = "PLAIN CRAM-MD5"
    until(lambda: host.mail, "mail by CRAM-MD5")
    assert host.logins == [("CRAM-MD5", "ok")], host.logins


def scenario_a_refused_password_keeps_the_mail_until_it_is_corrected(world):
    host = SubmissionHost(world, mechanisms="PLAIN")
    secret = write(world, host, "plain", ", allow_clear: true", password="old one", retries=False)
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("deferred")
    assert "login by PLAIN refused: Authentication unsuccessful" in str(event), event
    assert world.queue() and not host.mail
    secret.write_text(PASSWORD + "\n")
    world.reload()  # read again, and tried at once
    until(lambda: host.mail, "mail with the new password")
    world.wait_for_empty_queue()
    assert "old one" not in world.log()


def scenario_a_password_file_that_cannot_be_read_keeps_the_mail(world):
    host = SubmissionHost(world, mechanisms="PLAIN")
    secret = write(world, host, "plain", ", allow_clear: true", password=None, retries=False)
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("deferred")
    assert f"password_file {secret} cannot be read: No such file or directory" in str(event), event
    assert host.lines == [], "nobody was asked"
    for text, why in (("", "is empty"), ("two\nlines\n", "holds more than one line"),
                      ("x" * 70000, "is larger than")):
        secret.write_text(text)
        warnings = world.ctl("reload", check=False)
        assert why in warnings.stdout + warnings.stderr, (why, warnings)
    secret.write_text(PASSWORD)
    world.reload()
    until(lambda: host.mail, "mail once the file is there")


def scenario_a_password_file_for_everybody_is_warned_about(world):
    host = SubmissionHost(world, mechanisms="PLAIN")
    secret = write(world, host, "plain", ", allow_clear: true")
    secret.chmod(0o644)
    world.start()
    done = world.ctl("reload")
    assert "can be read by everybody (mode 0644)" in done.stdout + done.stderr, done
    assert "learns the secret" in done.stdout + done.stderr, done


def scenario_an_impostor_that_does_not_know_the_password_gets_no_mail(world):
    host = SubmissionHost(world, mechanisms="SCRAM-SHA-256")
    host.mode = "impostor"
    write(world, host)
    world.start()
    world.send("bob@example.org")
    [event, *_] = world.wait_for_event("deferred")
    assert "did not prove that it knows the password" in str(event), event
    assert not host.mail
    host.mode = None
    until(lambda: host.mail, "mail to the real one")


def scenario_the_protocol_log_shows_logins_without_secrets(world):
    host = SubmissionHost(world, mechanisms="PLAIN LOGIN")
    write(world, host, "login", ", allow_clear: true")
    logs = world.directory / "protocol"
    text = world.server_file().read_text()
    world.server_file().write_text(
        text + f"protocol_log: {{ enabled: true, directory: \"{logs}\" }}\n")
    world.start()
    world.send("bob@example.org")
    until(lambda: host.mail, "mail")
    world.stop()
    written = "".join(path.read_text() for path in logs.glob("*"))
    assert "AUTH" in written and "***" in written, written
    for trace in (PASSWORD, "cGFzcyB3b3Jk", host.username):
        assert trace not in written, f"{trace} in {written}"


def scenario_credentials_are_for_the_smart_host_alone(world):
    host = SubmissionHost(world, mechanisms="PLAIN")
    stranger = SubmissionHost(world, mechanisms="PLAIN")
    write(world, host, "plain", ", allow_clear: true")
    world.server_file().write_text(
        world.server_file().read_text()
        + f"domains: [{{ name: other.example, type: remote,"
        f" smart_host: [\"{stranger.smart_host}\"] }}]\n")
    world.start()
    world.send("ann@other.example", subject="one")
    world.send("bob@example.org", subject="two")
    until(lambda: host.mail, "mail for the smart host")
    until(lambda: any("MAIL" in line for line in stranger.lines), "an attempt at the stranger")
    assert stranger.logins == [], stranger.logins


def scenario_what_is_wrong_with_a_login_is_said_at_once(world):
    host = SubmissionHost(world)
    cases = {
        "{ authentication: plain }": ["username", "password_file"],
        "{ authentication: plain, username: a }": ["password_file"],
        "{ authentication: plain, username: a, password: b }": ["unknown key", "password_file"],
        "{ authentication: oauth2, username: a }": ["oauth.tenant", "oauth.client_id"],
        "{ authentication: oauth2, username: a, oauth: { tenant: \"a/b\" } }": ["neither an id"],
        "{ authentication: oauth2, username: a, oauth: { token_url: \"http://x.example/\","
        " client_id: b, client_secret_file: c } }": ["is not https"],
        "{ authentication: oauth2, username: a, oauth: { tenant: t, client_id: b,"
        " certificate: c } }": ["belong together"],
        "{ authentication: ntlm }": ["scram-sha-256"],
    }
    for security, words in cases.items():
        world.write_server(smart_host=host.smart_host, delivery=f"security: {security}\n")
        done = world.ctl("check", check=False)
        text = done.stdout + done.stderr
        assert done.returncode != 0, security
        for word in words:
            assert word in text, (security, word, text)


def scenario_a_file_that_others_may_not_read_is_no_obstacle_for_its_owner(world):
    host = SubmissionHost(world, mechanisms="PLAIN")
    secret = write(world, host, "plain", ", allow_clear: true")
    os.chmod(secret, 0o400)
    world.start()
    world.send("bob@example.org")
    until(lambda: host.mail, "mail")
    assert "can be read" not in world.log()
