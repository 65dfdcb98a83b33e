#include "mailroot/sasl/server.h"

#include <doctest/doctest.h>

#include "mailroot/base/base64.h"
#include "mailroot/sasl/limits.h"

using namespace mailroot;
using namespace mailroot::sasl;
using Step = ServerExchange::Step;
using namespace std::string_literals;

namespace {

ServerExchange exchange(Mechanism mechanism) { return {mechanism, {}, false}; }

Verdict yes() { return {.accept = true}; }
Verdict no() { return {}; }

// A client of SCRAM in a few lines.
struct ScramClient {
  std::string header = "n,,";
  std::string bound = {};
  std::string first_bare = "n=user,r=abc";
  std::string password = "pencil";

  std::string first() const { return header + first_bare; }
  std::string final(const std::string& server_first) const {
    std::string_view rest = server_first;
    const std::string nonce(*take_attribute(rest, 'r'));
    const std::string salt = *decode_base64(*take_attribute(rest, 's'));
    const auto count = static_cast<uint32_t>(std::stoul(std::string(*take_attribute(rest, 'i'))));
    const std::string plain = "c=" + encode_base64(header + bound) + ",r=" + nonce;
    const auto proof = client_proof(salted_password(password, salt, count),
                                    auth_message(first_bare, server_first, plain));
    return plain + ",p=" + encode_base64(sasl::as_text(proof));
  }
};

Verdict keys() {
  return {
      .accept = true, .keys = make_scram_keys("pencil", "saltsaltsaltsalt", 4096), .nonce = "XYZ"};
}

// Up to the question behind the client's last message.
Step run(ServerExchange& server, const ScramClient& client) {
  REQUIRE(server.respond(client.first()) == Step::ask);
  REQUIRE(server.request().kind == RequestKind::scram_keys);
  REQUIRE(server.answer(keys()) == Step::challenge);
  return server.respond(client.final(server.challenge()));
}

}  // namespace

TEST_CASE("names of mechanisms") {
  for (const Mechanism mechanism : kMechanisms) {
    CHECK(find_mechanism(to_string(mechanism)) == mechanism);
  }
  CHECK(find_mechanism("scram-Sha-256") == Mechanism::scram_sha_256);
  CHECK_FALSE(find_mechanism("").has_value());
  CHECK_FALSE(find_mechanism("PLAI").has_value());
  CHECK_FALSE(find_mechanism("CRAM-MD5").has_value());
}

TEST_CASE("PLAIN") {
  auto server = exchange(Mechanism::plain);
  CHECK(server.begin() == Step::challenge);
  CHECK(server.challenge().empty());
  CHECK(server.respond("\0user\0pass word"s) == Step::ask);
  CHECK(server.request().kind == RequestKind::check_password);
  CHECK(server.request().user == "user");
  CHECK(server.request().secret == "pass word");
  CHECK(server.answer(yes()) == Step::done);
  CHECK(server.request().secret.empty());
  CHECK(server.request().user == "user");

  auto refused = exchange(Mechanism::plain);
  CHECK(refused.respond("user\0user\0x"s) == Step::ask);
  CHECK(refused.answer(no()) == Step::failed);
}

TEST_CASE("PLAIN that is none") {
  for (const std::string& bad :
       {""s, "\0"s, "\0user"s, "user\0pass"s, "\0\0"s, "\0\0pass"s, "\0user\0"s, "\0user\0pass\0"s,
        "\0us\ner\0pass"s, "\0"s + std::string(kNameMax + 1, 'u') + "\0p"s,
        "\0u\0"s + std::string(kPasswordMax + 1, 'p'), std::string(kResponseMax + 1, '\0')}) {
    auto server = exchange(Mechanism::plain);
    CHECK(server.respond(bad) == Step::malformed);
  }
}

TEST_CASE("nobody acts for somebody else") {
  auto plain = exchange(Mechanism::plain);
  CHECK(plain.respond("admin\0user\0pass"s) == Step::ask);
  CHECK(plain.request().kind == RequestKind::refuse);
  CHECK(plain.request().secret.empty());
  auto scram = exchange(Mechanism::scram_sha_256);
  CHECK(scram.respond("n,a=admin,n=user,r=abc") == Step::ask);
  CHECK(scram.request().kind == RequestKind::refuse);
  CHECK(scram.answer(no()) == Step::failed);
}

TEST_CASE("LOGIN") {
  auto server = exchange(Mechanism::login);
  CHECK(server.begin() == Step::challenge);
  CHECK(server.challenge() == "Username:");
  CHECK(server.respond("user") == Step::challenge);
  CHECK(server.challenge() == "Password:");
  CHECK(server.respond("secret") == Step::ask);
  CHECK(server.request().user == "user");
  CHECK(server.request().secret == "secret");
  CHECK(server.answer(yes()) == Step::done);

  auto initial = exchange(Mechanism::login);
  CHECK(initial.respond("user") == Step::challenge);
  CHECK(initial.challenge() == "Password:");
  CHECK(initial.respond("") == Step::malformed);
  CHECK(exchange(Mechanism::login).respond("") == Step::malformed);
  CHECK(exchange(Mechanism::login).respond("a\0b"s) == Step::malformed);
}

TEST_CASE("EXTERNAL") {
  auto server = exchange(Mechanism::external);
  CHECK(server.respond("") == Step::ask);
  CHECK(server.request().kind == RequestKind::external);
  CHECK(server.answer(yes()) == Step::done);
  CHECK(exchange(Mechanism::external).respond("a\nb") == Step::malformed);
}

TEST_CASE("SCRAM, from end to end") {
  auto server = exchange(Mechanism::scram_sha_256);
  const ScramClient client;
  CHECK(run(server, client) == Step::ask);
  CHECK(server.request().kind == RequestKind::scram_proven);
  CHECK(server.request().user == "user");
  CHECK(server.answer(yes()) == Step::challenge);
  CHECK(server.challenge().starts_with("v="));
  CHECK(server.respond("") == Step::done);
}

TEST_CASE("SCRAM: the wrong password, another nonce, the server's no") {
  auto wrong = exchange(Mechanism::scram_sha_256);
  CHECK(run(wrong, {.password = "pencils"}) == Step::ask);
  CHECK(wrong.request().kind == RequestKind::refuse);
  CHECK(wrong.answer(no()) == Step::failed);

  auto unwanted = exchange(Mechanism::scram_sha_256);
  CHECK(run(unwanted, {}) == Step::ask);
  CHECK(unwanted.answer(no()) == Step::failed);

  auto replayed = exchange(Mechanism::scram_sha_256);
  REQUIRE(replayed.respond("n,,n=user,r=abc") == Step::ask);
  REQUIRE(replayed.answer(keys()) == Step::challenge);
  const std::string proof = encode_base64(std::string(32, 'x'));
  CHECK(replayed.respond("c=biws,r=abcOTHER,p=" + proof) == Step::ask);
  CHECK(replayed.request().kind == RequestKind::refuse);
  CHECK(replayed.request().why == "wrong nonce");
}

TEST_CASE("SCRAM: messages that are none") {
  for (const std::string_view bad :
       {"", "n", "n,", "n,,", "n,,n=user", "n,,r=abc,n=user", "n,,n=,r=abc", "n,,n=a=b,r=abc",
        "n,,n=user,r=", "n,,m=x,n=user,r=abc", "x,,n=user,r=abc", "n,a=,n=user,r=abc", "n,a=x",
        "p=tls-unique,,n=user,r=abc",
        "n,,n=user,r=a\x01"
        "c",
        "n,b=x,n=user,r=abc"}) {
    CHECK(exchange(Mechanism::scram_sha_256).respond(bad) == Step::malformed);
  }
  for (const std::string_view bad :
       {"", "c=biws", "c=biws,r=abcXYZ", "c=biws,r=abcXYZ,p=!", "c=!,r=abcXYZ,p=AAAA",
        "r=abcXYZ,c=biws,p=AAAA", ",p=", "p=AAAA"}) {
    auto server = exchange(Mechanism::scram_sha_256);
    REQUIRE(server.respond("n,,n=user,r=abc") == Step::ask);
    REQUIRE(server.answer(keys()) == Step::challenge);
    CHECK(server.respond(bad) == Step::malformed);
  }
}

TEST_CASE("SCRAM-PLUS is bound to the connection") {
  const ChannelBinding binding{"exporter octets", "end point octets"};
  const auto run_with = [&](const std::string& header, const std::string& bound) {
    ServerExchange server(Mechanism::scram_sha_256_plus, binding, true);
    REQUIRE(run(server, {.header = header, .bound = bound}) == Step::ask);
    return server.request().kind;
  };
  CHECK(run_with("p=tls-exporter,,", "exporter octets") == RequestKind::scram_proven);
  CHECK(run_with("p=tls-server-end-point,,", "end point octets") == RequestKind::scram_proven);
  CHECK(run_with("p=tls-exporter,,", "octets of another connection") == RequestKind::refuse);
  ServerExchange plain(Mechanism::scram_sha_256_plus, binding, true);
  CHECK(plain.respond("n,,n=user,r=abc") == Step::malformed);
  ServerExchange unknown(Mechanism::scram_sha_256_plus, binding, true);
  CHECK(unknown.respond("p=tls-unique,,n=user,r=abc") == Step::malformed);
  ServerExchange absent(Mechanism::scram_sha_256_plus, {}, true);
  CHECK(absent.respond("p=tls-exporter,,n=user,r=abc") == Step::malformed);
}

TEST_CASE("SCRAM: somebody took -PLUS out of our list") {
  ServerExchange server(Mechanism::scram_sha_256, {"x", "y"}, true);
  CHECK(server.respond("y,,n=user,r=abc") == Step::ask);
  CHECK(server.request().kind == RequestKind::refuse);
  ServerExchange honest(Mechanism::scram_sha_256, {}, false);
  CHECK(honest.respond("y,,n=user,r=abc") == Step::ask);
  CHECK(honest.request().kind == RequestKind::scram_keys);
}

TEST_CASE("XOAUTH2") {
  auto server = exchange(Mechanism::xoauth2);
  CHECK(server.respond("user=me@example.com\x01"
                       "auth=Bearer ya29.tok\x01\x01") == Step::ask);
  CHECK(server.request().kind == RequestKind::check_token);
  CHECK(server.request().user == "me@example.com");
  CHECK(server.request().secret == "ya29.tok");
  CHECK(server.answer(no()) == Step::challenge);
  CHECK(server.challenge().contains("\"401\""));
  CHECK(server.respond("") == Step::failed);
}

TEST_CASE("OAUTHBEARER, the example of RFC 7628") {
  auto server = exchange(Mechanism::oauthbearer);
  CHECK(server.respond("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
                       "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01") ==
        Step::ask);
  CHECK(server.request().user == "user@example.com");
  CHECK(server.request().secret == "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
  CHECK(server.answer(yes()) == Step::done);
}

TEST_CASE("tokens that are none") {
  for (const std::string_view bad :
       {"", "\x01", "\x01\x01", "user=a\x01\x01", "auth=Bearer \x01\x01", "auth=Basic x\x01\x01",
        "auth=Bearer x\x01", "auth=Bearer x\x01\x01\x01", "auth=Bearer x y\x01\x01",
        "auth=Bearer x\x01"
        "auth=Bearer y\x01\x01"}) {
    CHECK(exchange(Mechanism::xoauth2).respond(bad) == Step::malformed);
    CHECK(exchange(Mechanism::oauthbearer).respond("n,," + std::string(bad).insert(0, "\x01")) ==
          Step::malformed);
  }
  CHECK(exchange(Mechanism::oauthbearer)
            .respond("p=x,,\x01"
                     "auth=Bearer x\x01\x01") == Step::malformed);
  CHECK(exchange(Mechanism::xoauth2)
            .respond("user=\x01"
                     "auth=Bearer x\x01\x01") == Step::malformed);
}
