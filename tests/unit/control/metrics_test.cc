#include <doctest/doctest.h>

#include "http_request.h"
#include "metric_table.h"
#include "metric_text.h"

namespace mailroot::control {

namespace {

std::string whole(const server::Metrics& metrics) {
  std::string out;
  for (size_t i = 0; i < metric_slices(); ++i) append_slice(out, i, metrics, {});
  return out;
}

}  // namespace

TEST_CASE("labels are escaped") {
  CHECK(escape_label("a\\b\"c\nd") == "a\\\\b\\\"c\\nd");
  server::Metrics metrics;
  metrics.servers.emplace_back().id = "x\"} 1\n";
  CHECK(whole(metrics).contains("mailroot_queue_messages{server=\"x\\\"} 1\\n\"} 0\n"));
}

TEST_CASE("histograms are cumulative, bounds inclusive, negative durations none") {
  server::Metrics metrics;
  auto& server = metrics.servers.emplace_back();
  server.id = "a";
  server.acceptance.add(std::chrono::microseconds(500));
  server.acceptance.add(std::chrono::milliseconds(1));
  server.acceptance.add(std::chrono::seconds(-3));
  server.acceptance.add(std::chrono::hours(1));
  const std::string text = whole(metrics);
  const std::string name = "mailroot_acceptance_duration_seconds";
  CHECK(text.contains(name + "_bucket{server=\"a\",le=\"0.0005\"} 2\n"));
  CHECK(text.contains(name + "_bucket{server=\"a\",le=\"0.001\"} 3\n"));
  CHECK(text.contains(name + "_bucket{server=\"a\",le=\"30\"} 3\n"));
  CHECK(text.contains(name + "_bucket{server=\"a\",le=\"+Inf\"} 4\n"));
  CHECK(text.contains(name + "_count{server=\"a\"} 4\n"));
}

TEST_CASE("a removed server is gone, and every declared family is written") {
  server::Metrics metrics;
  CHECK_FALSE(whole(metrics).contains("server=\""));
  for (const ServiceFamily& family : service_families()) {
    CHECK(whole(metrics).contains("# TYPE " + std::string(family.name) + " "));
  }
  for (const ServerFamily& family : server_families()) {
    CHECK(family.name.ends_with("_total") == (family.type == MetricType::counter));
  }
}

TEST_CASE("requests: only GET and HEAD of /metrics") {
  CHECK(status_of("GET /metrics HTTP/1.1\r\n\r\n") == "200 OK");
  CHECK(status_of("GET /metrics?x HTTP/1.0\r\n\r\n") == "200 OK");
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == "404 Not Found");
  CHECK(status_of("POST /metrics HTTP/1.1\r\n\r\n") == "405 Method Not Allowed");
  for (const char* bad : {"", " ", "\r\n\r\n", "GET", "GET /metrics", "GET /metrics HTTP/2\n\n"}) {
    CHECK(status_of(bad) == "400 Bad Request");
  }
}

}  // namespace mailroot::control
