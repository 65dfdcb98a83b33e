"""DANE (RFC 7672): TLSA records that DNSSEC vouches for, validated in the process."""

import certificates
from signed_zone import SignedZone, tlsa
from tls_next_hop import TlsNextHop
from waiting import until

SHORT = "retry_intervals: [1s]\nquick_retries: { count: 0 }\n"


def start(world, records, *, domain="signed.zone", names=("other.example",), unsigned=(),
          anchor=True, **behaviour):
    """A mail host mx.signed.zone; `records` may use {hop}, {port}, {tlsa}, {spoilt}."""
    identity = certificates.make(world, "mx", names=names)
    hop = TlsNextHop(world, identity, **behaviour)

    def fill(lines):
        return [line.format(hop=hop.address, port=hop.port, tlsa=tlsa(identity),
                            spoilt=tlsa(identity, spoilt=True), unusable=tlsa(identity, usage=1))
                for line in lines]

    dns = SignedZone(world, fill(records), fill(unsigned))
    file = dns.anchor if anchor else ""
    world.write_service(f"dns: {{ resolvers: [\"{dns.address}:{dns.port}\"], "
                        f"trust_anchor: \"{file}\" }}\n")
    world.write_server(delivery=SHORT + f"outbound: {{ port: {hop.port} }}\n"
                       "security: { tls: dane }\n")
    world.start()
    world.send(f"bob@{domain}")
    return hop, dns


MX = ("@ MX 10 mx", "mx A {hop}")


def expect(world, hop, verified):
    until(lambda: hop.messages, "the message at the next hop")
    world.stop()
    lines = world.events("connection", direction="out")
    assert lines[-1].get("verified", "clear") == verified, lines


def expect_deferred(world, hop, words):
    [event, *_] = world.wait_for_event("deferred")
    assert words in event["reply"], event
    assert not hop.messages


def scenario_a_certificate_that_a_record_names(world):
    hop, _ = start(world, [*MX, "_{port}._tcp.mx TLSA {tlsa}"])
    expect(world, hop, "yes")
    assert hop.names == ["mx.signed.zone"], hop.names


def scenario_a_certificate_that_no_record_names(world):
    hop, _ = start(world, [*MX, "_{port}._tcp.mx TLSA {spoilt}"])
    expect_deferred(world, hop, "the certificate is not good")


def scenario_one_of_two_records_is_enough(world):
    hop, _ = start(world, [*MX, "_{port}._tcp.mx TLSA {spoilt}", "_{port}._tcp.mx TLSA {tlsa}"])
    expect(world, hop, "yes")


def scenario_with_records_it_is_never_in_clear(world):
    hop, _ = start(world, [*MX, "_{port}._tcp.mx TLSA {tlsa}"], offers=("PIPELINING",))
    expect_deferred(world, hop, "does not offer STARTTLS")


def scenario_without_records_it_is_opportunistic(world):
    hop, _ = start(world, MX)
    expect(world, hop, "no")


def scenario_without_records_and_without_tls(world):
    hop, _ = start(world, MX, offers=("PIPELINING",))
    expect(world, hop, "clear")


def scenario_records_of_a_kind_that_does_not_count_demand_tls_alone(world):
    """RFC 7672 3.1.3: usage 1 is not for mail servers; RFC 7672 2.2: TLS then, unverified."""
    hop, _ = start(world, [*MX, "_{port}._tcp.mx TLSA {unusable}"])
    expect(world, hop, "no")


def scenario_records_of_a_zone_without_dnssec_do_not_count(world):
    hop, _ = start(world, [], domain="open.zone",
                   unsigned=[*MX, "_{port}._tcp.mx TLSA {spoilt}"])
    expect(world, hop, "no")


def scenario_a_domain_without_dnssec_whose_mail_host_has_it(world):
    """An MX that anybody could have forged makes its host's records worthless."""
    hop, _ = start(world, ["mx A {hop}", "_{port}._tcp.mx TLSA {spoilt}"], domain="open.zone",
                   unsigned=["@ MX 10 mx.signed.zone."])
    expect(world, hop, "no")


def scenario_a_zone_whose_signatures_do_not_fit_is_not_believed(world):
    hop, dns = start(world, [*MX, "_{port}._tcp.mx TLSA {tlsa}"], domain="nobody.invalid")
    world.stop()
    # Another key than the zone's.
    dns.anchor.write_text("signed.zone. IN DS 12345 13 2 " + "AB" * 32 + "\n")
    world.start()
    world.send("bob@signed.zone")
    [event, *_] = world.wait_for_event("deferred", to="<bob@signed.zone>")
    assert "DNSSEC validation" in event["reply"], event
    assert not hop.messages


def scenario_dane_needs_a_trust_anchor(world):
    world.write_server(delivery="security: { tls: dane }\n")
    checked = world.ctl("check", check=False)
    assert checked.returncode == 1, checked
    assert "dane needs dns.trust_anchor" in checked.stderr, checked.stderr
