#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "mailroot/tls/limits.h"
#include "pair.h"

using namespace mailroot;
using namespace mailroot::tls;
using namespace mailroot::tls::test;
using config::OutboundTls;
using config::TlsProfile;

namespace {

struct Pair {
  Pair(const config::TlsAccess& settings, const config::Security& wanted,
       const std::vector<std::string>& names = {"mail.example"},
       TlsProfile profile = TlsProfile::standard)
      : server({server_context(settings), TicketKeys::fresh()}, profile),
        client(client_context(wanted), names.front(), names) {}
  Engine server, client;
};

}  // namespace

TEST_CASE("both ends open, and bytes pass in both directions, however they are cut") {
  Workshop workshop;
  const auto files = workshop.make("mail.example", {});
  for (const size_t step : {1, 7, 100, 16384}) {
    CAPTURE(step);
    Pair pair(access_with(files), security(OutboundTls::required));
    REQUIRE(shake(pair.client, pair.server, step));
    CHECK(pair.server.version() == "TLSv1.3");
    CHECK(pair.client.version() == "TLSv1.3");
    CHECK(!pair.client.is_resumed());
    REQUIRE(pair.client.write(as_bytes("EHLO me\r\n")));
    CHECK(receive(pair.client, pair.server, step) == "EHLO me\r\n");
    const std::string large(200'000, 'x');
    REQUIRE(pair.server.write(as_bytes(large)));
    CHECK(receive(pair.server, pair.client, step) == large);
  }
}

TEST_CASE("ciphertext hides what is written") {
  Workshop workshop;
  Pair pair(access_with(workshop.make("mail.example", {})), security(OutboundTls::required));
  REQUIRE(shake(pair.client, pair.server));
  REQUIRE(pair.client.write(as_bytes("a secret that must not be seen")));
  CHECK(!pair.client.output().contains("secret"));
  CHECK(pair.client.output().size() > 30);
}

TEST_CASE("close_notify ends, and nothing is written after it") {
  Workshop workshop;
  Pair pair(access_with(workshop.make("mail.example", {})), security(OutboundTls::required));
  REQUIRE(shake(pair.client, pair.server));
  pair.client.close();
  CHECK(!pair.client.write(as_bytes("more")));
  Progress end = Progress::done;
  carry(pair.client, pair.server, 100, [&](Engine& engine) {
    std::byte plain[10];
    const auto count = engine.read(plain);
    REQUIRE(!count);
    end = count.error();
  });
  CHECK(end == Progress::ended);
}

TEST_CASE("clear text instead of a handshake fails, and stays failed") {
  Workshop workshop;
  Pair pair(access_with(workshop.make("mail.example", {})), security(OutboundTls::required));
  const std::string_view text = "EHLO me\r\nMAIL FROM:<a@b.example>\r\n";
  pair.server.give(as_bytes(text));
  CHECK(pair.server.shake() == Progress::failed);
  CHECK(!pair.server.why().empty());
  CHECK(!pair.server.has_input());
  CHECK(pair.server.shake() == Progress::failed);
  std::byte plain[10];
  CHECK(pair.server.read(plain).error() == Progress::failed);
  CHECK(!pair.server.write(as_bytes("250\r\n")));
}

TEST_CASE("a bit that was turned on the way is noticed") {
  Workshop workshop;
  Pair pair(access_with(workshop.make("mail.example", {})), security(OutboundTls::required));
  REQUIRE(shake(pair.client, pair.server));
  REQUIRE(pair.client.write(as_bytes("RCPT TO:<a@b.example>\r\n")));
  std::string& bytes = pair.client.output();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  CHECK(receive(pair.client, pair.server).empty());
  CHECK(!pair.server.why().empty());
  CHECK(!pair.server.is_open());
}

TEST_CASE("verified needs a known signer and the right name") {
  Workshop workshop;
  Wanted authority;
  authority.is_authority = true;
  const auto ca = workshop.make("ca", authority);
  const auto files = workshop.make("mail.example", {}, &ca);
  config::Security wanted = security(OutboundTls::verified);
  wanted.ca = ca.certificate;
  SUBCASE("good") {
    Pair pair(access_with(files), wanted);
    CHECK(shake(pair.client, pair.server));
    CHECK(pair.client.peer_identity()->subject == "mail.example");
  }
  SUBCASE("one of several names, or a name below the domain") {
    Pair pair(access_with(files), wanted, {"other.example", "mail.example"});
    CHECK(shake(pair.client, pair.server));
    Pair below(access_with(files), wanted, {"other.example", ".example"});
    CHECK(shake(below.client, below.server));
  }
  SUBCASE("another name") {
    Pair pair(access_with(files), wanted, {"other.example"});
    CHECK(!shake(pair.client, pair.server));
    CHECK(pair.client.why() ==
          "the certificate is not good: it is for mail.example, not for other.example");
    CHECK(!pair.client.write(as_bytes("MAIL")));
  }
  SUBCASE("the certificate's name below the one that is wanted") {
    Pair pair(access_with(files), wanted, {"example"});
    CHECK(!shake(pair.client, pair.server));
  }
  SUBCASE("an address that is not in the certificate") {
    Pair pair(access_with(files), wanted, {"192.0.2.1"});
    CHECK(!shake(pair.client, pair.server));
    CHECK(pair.client.why().ends_with("not for 192.0.2.1"));
    Pair either(access_with(files), wanted, {"192.0.2.1", "mail.example"});
    CHECK(shake(either.client, either.server));
  }
  SUBCASE("signed by somebody else") {
    const auto other = workshop.make("other", authority);
    wanted.ca = other.certificate;
    Pair pair(access_with(files), wanted);
    CHECK(!shake(pair.client, pair.server));
    CHECK(pair.client.why().contains("unable to get local issuer certificate"));
  }
  SUBCASE("expired") {
    Wanted old;
    old.valid_from_days = -20;
    old.valid_until_days = -1;
    Pair pair(access_with(workshop.make("mail.example", old, &ca)), wanted);
    CHECK(!shake(pair.client, pair.server));
    CHECK(pair.client.why() == "the certificate is not good: certificate has expired");
  }
  SUBCASE("required takes any certificate") {
    Pair pair(access_with(files), security(OutboundTls::required), {"other.example"});
    CHECK(shake(pair.client, pair.server));
  }
}

TEST_CASE("the client's name chooses the certificate, the client's algorithms the key") {
  Workshop workshop;
  const auto first = workshop.make("first", {.names = {"mail.example"}});
  const auto rsa = workshop.make("rsa", {.names = {"mail.example"}, .kind = KeyKind::rsa});
  const auto second = workshop.make("second", {.names = {"b.example", "*.c.example"}});
  config::TlsAccess settings = access_with(first);
  settings.additional = {{rsa.certificate, rsa.key, {}}, {second.certificate, second.key, {}}};
  const auto subject_for = [&](const std::string& name) {
    Pair pair(settings, security(OutboundTls::required), {name});
    REQUIRE(shake(pair.client, pair.server));
    return pair.client.peer_identity()->subject;
  };
  CHECK(subject_for("mail.example") == "mail.example");
  CHECK(subject_for("b.example") == "b.example");
  CHECK(subject_for("x.c.example") == "b.example");
  CHECK(subject_for("unknown.example") == "mail.example");
  CHECK(subject_for("192.0.2.1") == "mail.example");
}

TEST_CASE("certificates of clients") {
  Workshop workshop;
  Wanted authority;
  authority.is_authority = true;
  const auto ca = workshop.make("ca", authority);
  const auto files = workshop.make("mail.example", {});
  const auto printer = workshop.make("printer", {.names = {"printer.example"}}, &ca);
  const auto stranger = workshop.make("stranger", {.names = {"printer.example"}});
  config::TlsAccess settings = access_with(files);
  settings.client_certificate = config::ClientCertificate::ask;
  const auto identity_of = [&](const Files* own) {
    config::Security wanted = security(OutboundTls::required);
    if (own != nullptr) {
      wanted.certificate = own->certificate;
      wanted.key = own->key;
    }
    Pair pair(settings, wanted);
    REQUIRE(shake(pair.client, pair.server));
    return pair.server.peer_identity();
  };
  SUBCASE("signed by the one we trust") {
    settings.client_ca = ca.certificate;
    CHECK(identity_of(&printer)->subject == "printer.example");
    CHECK(!identity_of(&stranger));
    CHECK(!identity_of(nullptr));
    settings.client_names = {"scanner.example"};
    CHECK(!identity_of(&printer));
    settings.client_names = {"scanner.example", "printer.example"};
    CHECK(identity_of(&printer)->subject == "printer.example");
  }
  SUBCASE("by its fingerprint") {
    settings.client_fingerprints = {std::string(64, '0')};
    CHECK(!identity_of(&stranger));
    settings.client_ca = ca.certificate;
    const std::string fingerprint = identity_of(&printer)->fingerprint;
    CHECK(fingerprint.size() == 64);
    settings.client_ca.clear();
    settings.client_fingerprints = {fingerprint};
    CHECK(identity_of(&printer)->fingerprint == fingerprint);
    CHECK(!identity_of(&stranger));
  }
}

TEST_CASE("a client that knows only TLS 1.0 is refused, but on a legacy listener") {
  Workshop workshop;
  const auto files = workshop.make("mail.example", {.kind = KeyKind::rsa});
  const auto context = client_context(security(OutboundTls::opportunistic));
  SSL_CTX_set_max_proto_version(context->get(), TLS1_VERSION);
  const auto outcome_with = [&](TlsProfile profile) {
    Engine server({server_context(access_with(files)), TicketKeys::fresh()}, profile);
    Engine client(context, "mail.example", {"mail.example"});
    return shake(client, server) ? std::string(server.version()) : server.why();
  };
  CHECK(outcome_with(TlsProfile::standard) == "unsupported protocol");
  CHECK(outcome_with(TlsProfile::legacy) == "TLSv1");
}

TEST_CASE("channel binding is the same at both ends and differs between connections") {
  Workshop workshop;
  const auto files = workshop.make("mail.example", {});
  Pair pair(access_with(files), security(OutboundTls::required));
  CHECK(pair.client.channel_binding().empty());
  REQUIRE(shake(pair.client, pair.server));
  CHECK(pair.client.channel_binding().size() == 32);
  CHECK(pair.client.channel_binding() == pair.server.channel_binding());
  Pair other(access_with(files), security(OutboundTls::required));
  REQUIRE(shake(other.client, other.server));
  CHECK(other.client.channel_binding() != pair.client.channel_binding());
}
