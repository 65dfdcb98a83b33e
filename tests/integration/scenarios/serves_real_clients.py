"""Clients that people use: swaks, curl, msmtp, Python's smtplib."""

import shutil
import subprocess
import textwrap

from waiting import WAIT_SECONDS
from world import Skipped


def run(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=WAIT_SECONDS, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def need(program):
    if shutil.which(program) is None:
        raise Skipped(f"{program} is not installed (packaging/dependencies test installs it)")


def start(world):
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    world.start()
    return sink


def scenario_swaks(world):
    need("swaks")
    sink = start(world)
    server = ["--server", f"{world.address}:{world.port}"]
    run(["swaks", *server, "--from", "ann@sender.example", "--to", "bob@example.org",
         "--header", "Subject: by swaks", "--body", "line\n.dot\n..two"])
    [message] = sink.wait_for(1)
    assert message.parsed()["Subject"] == "by swaks"
    assert b"\r\nline\r\n.dot\r\n..two\r\n" in message.content, message.content


def scenario_swaks_pipelines_to_many_recipients(world):
    need("swaks")
    sink = start(world)
    recipients = [f"user{number}@example.org" for number in range(20)]
    run(["swaks", "--server", f"{world.address}:{world.port}", "--pipeline", "--from",
         "ann@sender.example", "--to", ",".join(recipients)])
    [message] = sink.wait_for(1)
    assert message.recipients == recipients, message.recipients


def scenario_curl(world):
    need("curl")
    sink = start(world)
    path = world.directory / "mail.txt"
    content = b"From: ann@sender.example\r\nSubject: by curl\r\n\r\none\r\n.\r\n.two\r\nthree\r\n"
    path.write_bytes(content)
    run(["curl", "--silent", "--show-error", f"smtp://{world.address}:{world.port}/client.example",
         "--mail-from", "ann@sender.example", "--mail-rcpt", "bob@example.org", "--mail-rcpt",
         "carol@example.org", "--upload-file", path])
    [message] = sink.wait_for(1)
    assert message.content.endswith(content), message.content
    assert message.recipients == ["bob@example.org", "carol@example.org"], message.recipients


def scenario_curl_verifies_and_asks_for_help(world):
    need("curl")
    start(world)
    url = f"smtp://{world.address}:{world.port}/client.example"
    text = run(["curl", "--silent", url, "--mail-rcpt", "bob"])
    assert text.startswith("252 2.1.5"), text
    text = run(["curl", "--silent", url, "--request", "HELP"])
    assert "214" in text and "MAIL" in text, text


def scenario_msmtp(world):
    need("msmtp")
    sink = start(world)
    run(["msmtp", f"--host={world.address}", f"--port={world.port}", "--from=ann@sender.example",
         "--domain=client.example", "--dsn-notify=failure", "--", "bob@example.org"],
        input="Subject: by msmtp\n\nline\n.\nend\n")
    [message] = sink.wait_for(1)
    assert message.body() == b"line\r\n.\r\nend\r\n", message.content
    assert "NOTIFY=FAILURE" in message.recipient_parameters[0], message.recipient_parameters


def scenario_msmtp_is_refused_like_everybody(world):
    need("msmtp")
    world.write_server(relay=False)
    world.start()
    done = subprocess.run(
        ["msmtp", f"--host={world.address}", f"--port={world.port}", "--from=ann@sender.example",
         "--", "bob@example.org"], input="Subject: x\n\nx\n", capture_output=True, text=True,
        timeout=WAIT_SECONDS)
    assert done.returncode != 0 and "Unable to relay" in done.stderr, done.stderr


def scenario_smtplib_with_everything(world):
    sink = start(world)
    text = textwrap.dedent("""\
        From: Änn <ann@sender.example>
        Subject: Grüße
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 8bit

        Schöne Grüße
        """).replace("\n", "\r\n").encode()
    with world.client() as smtp:
        smtp.ehlo()
        assert smtp.has_extn("8bitmime") and smtp.has_extn("smtputf8") and smtp.has_extn("dsn")
        assert smtp.esmtp_features["size"] == str(50 * 1024 * 1024), smtp.esmtp_features
        assert smtp.verify("bob@example.org")[0] == 252
        assert smtp.noop()[0] == 250
        smtp.sendmail("ann@sender.example", ["bob@example.org"], text,
                      ["BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=QQ314159"],
                      ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;bob@old.example"])
    [message] = sink.wait_for(1)
    assert message.content.endswith(text), message.content
    for parameter in ("BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=QQ314159"):
        assert parameter in message.mail_parameters, message.mail_parameters
    assert "NOTIFY=SUCCESS,FAILURE" in message.recipient_parameters[0]
    assert "ORCPT=rfc822;bob@old.example" in message.recipient_parameters[0]


def scenario_a_hundred_clients_at_once(world):
    sink = start(world)
    clients = [world.client() for _ in range(90)]
    for number, client in enumerate(clients):
        client.sendmail("ann@sender.example", [f"user{number}@example.org"],
                        f"Subject: {number}\r\n\r\nx\r\n".encode())
    for client in clients:
        client.quit()
    recipients = sorted(message.recipients[0] for message in sink.wait_for(90))
    assert recipients == sorted(f"user{number}@example.org" for number in range(90))
