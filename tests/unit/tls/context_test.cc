#include "mailroot/tls/context.h"

#include <doctest/doctest.h>

#include "mailroot/tls/limits.h"
#include "pair.h"

using namespace mailroot;
using namespace mailroot::tls;
using namespace mailroot::tls::test;

namespace {

struct Outcome {
  std::string error;
  std::vector<std::string> warnings;
};

Outcome make(const config::TlsAccess& settings, std::string_view fqdn = "mail.example") {
  Outcome out;
  const WallTime now(std::chrono::sys_days(std::chrono::year(2026) / 11 / 25).time_since_epoch());
  auto made = ServerContext::make(settings, fqdn, now, out.warnings);
  if (!made) out.error = made.error();
  return out;
}

}  // namespace

TEST_CASE("what is wrong with the files is said with the file and the remedy") {
  Workshop workshop;
  const auto good = workshop.make("good", {});
  const auto other = workshop.make("other", {});
  const std::string directory = workshop.path() + "/";
  config::TlsAccess settings = access_with(good);

  settings.certificate = directory + "missing.pem";
  CHECK(make(settings).error ==
        directory + "missing.pem: cannot be read: No such file or directory");
  settings.certificate = workshop.path();
  CHECK(make(settings).error.contains("is not a regular file"));
  settings.certificate = "/dev/zero";
  CHECK(make(settings).error == "/dev/zero: is not a regular file");
  settings.certificate = workshop.write("empty.pem", "");
  CHECK(make(settings).error.contains("holds no certificate in PEM form"));
  settings.certificate = workshop.write("words.pem", "this is no certificate\n");
  CHECK(make(settings).error.contains("holds no certificate in PEM form"));
  settings.certificate =
      workshop.write("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  CHECK(make(settings).error.contains("holds a damaged certificate"));
  settings.certificate = good.key;
  CHECK(make(settings).error.contains("holds no certificate"));
  settings.certificate = workshop.write("large.pem", std::string(kPemFileMax + 1, 'x'));
  CHECK(make(settings).error.contains("is larger than"));

  settings = access_with(good);
  settings.key = other.key;
  CHECK(make(settings).error == other.key + ": is not the key of the first certificate in " +
                                    good.certificate + " (mail.example)");
  settings.key = workshop.encrypted_key(good, "locked");
  CHECK(make(settings).error.contains("is protected by a passphrase"));
  settings.key = good.certificate;
  CHECK(make(settings).error.contains("holds no private key in PEM form"));
  settings.key = directory + "missing.key";
  CHECK(make(settings).error.contains("missing.key: cannot be read"));

  settings = access_with(good);
  settings.additional = {{other.certificate, good.key, {}}};
  CHECK(make(settings).error.contains("is not the key of the first certificate"));
  settings.additional.clear();
  settings.client_certificate = config::ClientCertificate::ask;
  settings.client_ca = directory + "missing-ca.pem";
  CHECK(make(settings).error.starts_with("client_ca: "));
}

TEST_CASE("what does not stop it is a warning") {
  Workshop workshop;
  CHECK(make(access_with(workshop.make("good", {.valid_until_days = 4000}))).warnings.empty());

  Wanted old;
  old.valid_from_days = -4000;
  old.valid_until_days = -3000;
  auto outcome = make(access_with(workshop.make("old", old)));
  CHECK(outcome.error.empty());
  REQUIRE(outcome.warnings.size() == 1);
  CHECK(outcome.warnings[0].contains("the certificate of mail.example has expired"));

  outcome = make(access_with(
      workshop.make("other", {.names = {"a.example", "b.example"}, .valid_until_days = 4000})));
  REQUIRE(outcome.warnings.size() == 1);
  CHECK(
      outcome.warnings[0].contains("the certificate is for a.example, b.example, and this "
                                   "server is called mail.example"));
}

TEST_CASE("a stamp changes with the files") {
  Workshop workshop;
  const auto files = workshop.make("good", {});
  config::VirtualServer settings;
  settings.access.tls = access_with(files);
  const std::string before = files_stamp(settings);
  CHECK(files_stamp(settings) == before);
  workshop.make("good", {});
  CHECK(files_stamp(settings) != before);
}

TEST_CASE("ticket keys: the previous one is still known, the one before is not") {
  const auto first = TicketKeys::fresh();
  const auto second = first->next();
  const auto third = second->next();
  const auto* name = first->current().name.data();
  CHECK(first->find(name) == &first->current());
  CHECK(second->find(name) != nullptr);
  CHECK(second->find(name) != &second->current());
  CHECK(third->find(name) == nullptr);
  CHECK(third->find(second->current().name.data()) != nullptr);
}

TEST_CASE("towards next hops: files are looked at, too") {
  Workshop workshop;
  config::Security wanted = security(config::OutboundTls::verified);
  wanted.ca = workshop.path() + "/missing.pem";
  CHECK(ClientContext::make(wanted).error().starts_with("ca: "));
  wanted = security(config::OutboundTls::required);
  wanted.certificate = workshop.path() + "/missing.pem";
  CHECK(ClientContext::make(wanted).error() ==
        wanted.certificate + ": cannot be read: No such file or directory");
}
