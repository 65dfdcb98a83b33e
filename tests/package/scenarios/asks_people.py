"""debconf's questions, answered at a terminal."""

from machine import until

SERVER_FILE = "/etc/mailroot/virtual-servers.d/default.yaml"


def scenario_three_questions_at_installation_and_none_later(stage):
    machine = stage.machine()
    deb = machine.bring(stage.packages.mailroot)
    shown = machine.at_a_terminal(f"apt-get install -y {deb}",
                                  ["typed.example", "10.1.0.0/16", "relay.example:587"])
    for question in ("Local mail domain", "Networks that may send", "Smart host"):
        assert question in shown, shown
    text = machine.path(SERVER_FILE).read_text()
    for wanted in ("default_domain: typed.example", "10.1.0.0/16", "relay.example:587"):
        assert wanted in text, f"{wanted} is not in:\n{text}"
    assert machine.is_active()
    newer, _ = stage.packages.newer()
    shown = machine.at_a_terminal(f"apt-get install -y {machine.bring(newer)}", [])
    assert "Smart host" not in shown, shown
    assert machine.path(SERVER_FILE).read_text() == text


def scenario_purge_asks_before_mail_is_deleted(stage):
    machine = stage.machine()
    machine.install(stage.packages.mailroot)
    machine.send("bob@relay.here.example")
    until(lambda: machine.mail_in("Drop"), "the mail is in Drop")
    [mail] = machine.mail_in("Drop")
    # dpkg and not apt: apt throws away what was typed before the question came.
    for answer, stays in (("no", True), ("yes", False)):
        shown = machine.at_a_terminal("dpkg --purge mailroot", [answer])
        assert "Delete the mail in /var/spool/mailroot?" in shown, shown
        assert mail.exists() == stays, (answer, shown)
        if stays:
            machine.install(stage.packages.mailroot)
