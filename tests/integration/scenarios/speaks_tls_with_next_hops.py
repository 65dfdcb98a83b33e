"""TLS towards next hops: off, opportunistic, required, verified; and next hops that fail at it."""

import ssl

import certificates
from dns_server import DnsServer
from tls_next_hop import TlsNextHop
from waiting import until

SHORT = "retry_intervals: [1s]\nquick_retries: { count: 0 }\n"


def start(world, security, *, names=("127.0.0.1",), **behaviour):
    """A next hop whose certificate our authority signed, and one message to it."""
    authority = certificates.make(world, "authority", names=(), authority=True)
    identity = certificates.make(world, "next", names=names or ("next.example",), issuer=authority)
    hop = TlsNextHop(world, identity, **behaviour)
    hop.authority = authority
    text = security.replace("AUTHORITY", str(authority.certificate))
    world.write_server(smart_host=hop.smart_host, delivery=SHORT + f"security: {{ {text} }}\n")
    world.start()
    world.send("bob@example.org", body="x" * 500 + "\r\n.dot")
    return hop


def expect(world, hop, how):
    until(lambda: hop.messages, "the message at the next hop")
    world.wait_for_event("delivered", to="<bob@example.org>")
    [(content, connection)] = hop.messages
    assert b"\r\n..dot\r\n" in content, content
    assert connection == how or how == "tls" and connection.startswith("TLS"), connection


def expect_deferred(world, hop, *words):
    [event, *_] = world.wait_for_event("deferred")
    for word in words:
        assert word in event["reply"], event
    assert not hop.messages
    assert world.queue(), "the message is kept"


def scenario_opportunistic_is_the_default(world):
    hop = start(world, "tls: opportunistic", names=())
    expect(world, hop, "TLSv1.3")
    world.stop()
    [line] = world.events("connection", direction="out")
    assert line["tls"] == "TLSv1.3" and line["verified"] == "no", line


def scenario_opportunistic_goes_on_in_clear_where_nothing_is_offered(world):
    expect(world, start(world, "tls: opportunistic", offers=("PIPELINING",)), "clear")


def scenario_opportunistic_goes_on_in_clear_where_it_is_refused(world):
    expect(world, start(world, "tls: opportunistic", on_start_tls="refuse"), "clear")


def scenario_opportunistic_comes_back_in_clear_after_a_failed_handshake(world):
    hop = start(world, "tls: opportunistic", on_start_tls="garbage")
    expect(world, hop, "clear")
    assert hop.connections == 2, hop.connections
    [event] = world.events("delivered")
    assert event["attempt"] == 1, event
    # Each of the two shards remembers: no more than one failed handshake of the other one follows.
    for number in range(6):
        world.send("bob@example.org", subject=f"again{number}")
        until(lambda: len(hop.messages) == number + 2, "one more message")
    assert hop.connections <= 2 + 1 + 6, hop.connections


def scenario_opportunistic_and_the_next_hop_closes_in_the_handshake(world):
    expect(world, start(world, "tls: opportunistic", on_start_tls="close"), "clear")


def scenario_opportunistic_speaks_old_versions(world):
    old = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
    expect(world, start(world, "tls: opportunistic", versions=old), "TLSv1")


def scenario_off(world):
    expect(world, start(world, "tls: off"), "clear")


def scenario_required_takes_any_certificate(world):
    expect(world, start(world, "tls: required", names=("other.example",)), "TLSv1.3")


def scenario_required_is_never_in_clear(world):
    hop = start(world, "tls: required", offers=("PIPELINING",))
    expect_deferred(world, hop, "TLS is required", "does not offer STARTTLS")


def scenario_required_and_refused(world):
    hop = start(world, "tls: required", on_start_tls="refuse")
    expect_deferred(world, hop, "TLS is not available today")


def scenario_required_and_broken(world):
    hop = start(world, "tls: required", on_start_tls="garbage")
    expect_deferred(world, hop, "TLS handshake failed")
    assert hop.connections >= 1


def scenario_required_does_not_speak_old_versions(world):
    old = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
    hop = start(world, "tls: required", versions=old)
    expect_deferred(world, hop, "TLS handshake failed")


def scenario_verified(world):
    hop = start(world, "tls: verified, ca: AUTHORITY", names=(world.address,))
    expect(world, hop, "TLSv1.3")
    world.stop()
    [line] = world.events("connection", direction="out")
    assert line["verified"] == "yes", line


def scenario_verified_and_another_name(world):
    hop = start(world, "tls: verified, ca: AUTHORITY", names=("other.example",))
    expect_deferred(world, hop, "the certificate is not good", "it is for other.example")


def scenario_verified_and_one_of_the_names_allowed(world):
    hop = start(world, "tls: verified, ca: AUTHORITY, names: [other.example]",
                names=("other.example",))
    expect(world, hop, "TLSv1.3")


def scenario_verified_and_an_unknown_authority(world):
    hop = start(world, "tls: verified", names=(world.address,))
    expect_deferred(world, hop, "the certificate is not good", "unable to get local issuer")


def scenario_a_reply_slipped_in_behind_starttls_is_not_heard(world):
    """CVE-2021-33515: replies in clear behind 220 must not count inside TLS."""
    hop = start(world, "tls: required", on_start_tls="inject")
    until(lambda: hop.messages or world.events("deferred"), "an outcome")
    # Inside TLS the whole greeting is said anew; what was slipped in confused nothing.
    if hop.messages:
        expect(world, hop, "TLSv1.3")


def scenario_implicit(world):
    hop = start(world, "tls: verified, ca: AUTHORITY, handshake: implicit", implicit=True,
                names=(world.address,))
    expect(world, hop, "TLSv1.3")


def scenario_implicit_towards_a_port_that_does_not(world):
    hop = start(world, "tls: required, handshake: implicit")
    expect_deferred(world, hop, "TLS handshake failed")


def scenario_our_certificate_is_shown(world):
    authority = certificates.make(world, "clients", names=(), authority=True)
    ours = certificates.make(world, "ours", issuer=authority)
    hop = start(world, f"tls: required, certificate: {ours.certificate}, key: {ours.key}",
                client_ca=authority)
    expect(world, hop, "tls")
    [shown, *_] = hop.client_certificates
    assert ("DNS", "mx.local.example") in shown["subjectAltName"], shown


def scenario_a_domain_with_rules_of_its_own(world):
    identity = certificates.make(world, "next")
    strict, loose = (TlsNextHop(world, identity, offers=("PIPELINING",)) for _ in range(2))
    world.write_server(
        smart_host=loose.smart_host, delivery=SHORT,
        text="domains:\n- { name: strict.example, type: remote, "
             f"smart_host: [\"{strict.smart_host}\"], security: {{ tls: required }} }}\n"
             "- { name: same.example, type: remote, "
             f"smart_host: [\"{loose.smart_host}\"], security: {{ tls: required }} }}\n")
    world.start()
    world.send("a@strict.example")
    world.send("b@same.example")
    world.send("c@example.org")
    until(lambda: loose.messages, "the message at the loose one")
    for recipient in ("<a@strict.example>", "<b@same.example>"):
        world.wait_for_event("deferred", to=recipient)
    assert not strict.messages and len(loose.messages) == 1
    keys = [line["destination"] for line in world.ctl_json("destinations")]
    assert any(key.endswith(";tls=required") for key in keys), keys


def scenario_a_domain_with_an_authority_of_its_own(world):
    authority = certificates.make(world, "authority", names=(), authority=True)
    hop = TlsNextHop(world, certificates.make(world, "next", names=[world.address],
                                              issuer=authority))
    world.write_server(
        delivery=SHORT + "security: { tls: verified }\n",
        text=f"domains: [{{ name: b.example, type: remote, smart_host: [\"{hop.smart_host}\"], "
             f"security: {{ ca: {authority.certificate} }} }},\n"
             f"  {{ name: c.example, type: remote, smart_host: [\"{hop.smart_host}\"] }}]\n")
    world.start()
    world.send("bob@b.example")
    until(lambda: hop.messages, "the message that its authority lets through")
    world.send("bob@c.example")
    world.wait_for_event("deferred", to="<bob@c.example>")


def scenario_files_that_cannot_be_read_stop_it(world):
    world.write_server(delivery="security: { tls: verified, ca: missing.pem }\n")
    world.start()
    server = world.server()
    assert server["state"] == "stopped" and "missing.pem" in server["reason"], server


def scenario_mail_hosts_are_verified_by_the_domain(world):
    """A name that only DNS gave proves nothing: it has to be the domain's, or below it."""
    authority = certificates.make(world, "authority", names=(), authority=True)
    inside = TlsNextHop(world, certificates.make(world, "in", names=["mx.good.zone"],
                                                 issuer=authority))
    dns = DnsServer(world, ["good.zone. MX 10 mx.good.zone.", f"mx.good.zone. A {inside.address}",
                            "bad.zone. MX 10 mx.good.zone."])
    world.write_service(f"dns: {{ resolvers: [\"{dns.address}:{dns.port}\"] }}\n")
    world.write_server(delivery=SHORT + f"outbound: {{ port: {inside.port} }}\n"
                       f"security: {{ tls: verified, ca: {authority.certificate} }}\n")
    world.start()
    world.send("bob@good.zone")
    until(lambda: inside.messages, "the message whose domain has the name")
    assert inside.names == ["mx.good.zone"], inside.names
    world.send("bob@bad.zone")
    [event, *_] = world.wait_for_event("deferred", to="<bob@bad.zone>")
    assert "it is for mx.good.zone, not for bad.zone" in event["reply"], event
