// The manual page of the metrics is what their declarations render. With MAILROOT_UPDATE_CONF set
// the test writes the page instead of comparing it.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "metric_table.h"

namespace mailroot::control {

namespace {

constexpr std::string_view kHead = R"(.TH MAILROOT\-METRICS 7 "" Mailroot "Miscellanea"
.SH NAME
mailroot\-metrics \- what mailrootd tells Prometheus
.SH SYNOPSIS
.B http://\fImetrics.listen\fB/metrics
.br
.B mailrootctl metrics
.SH DESCRIPTION
The address is
.I metrics.listen
of
.IR /etc/mailroot/mailroot.yaml ;
.I off
closes it. Strangers should not reach it, since there is no password.
Counters begin anew when their virtual server is started.
The label
.I server
is the id of the virtual server; clients and next hops are never labels.
)";
constexpr std::string_view kFoot = R"(.SH FILES
.TP
.I /usr/share/mailroot/mailroot.rules.yaml
Alert rules for Prometheus.
.TP
.I /usr/share/mailroot/grafana\-dashboard.json
A dashboard to import into Grafana.
.SH SEE ALSO
.BR mailrootd (8),
.BR mailrootctl (1)
)";

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '-' || c == '\\') out += '\\';
    out += c == '\\' ? 'e' : c;
  }
  return out;
}

std::string entry(std::string_view name, MetricType type, std::string_view labels,
                  std::string_view help) {
  std::string out = ".TP\n.B " + roff(name) + "\n" + roff(help) + "\n.br\n";
  out += std::string(to_string(type));
  if (!labels.empty()) out += "; labels: " + roff(labels);
  return out + "\n";
}

std::string labels_of(const ServerFamily& family) {
  std::string out = "server";
  for (const ServerSeries& series : family.series) {
    if (!series.label.empty()) out += ", " + std::string(series.label);
  }
  return out;
}

std::string rendered_page() {
  std::string out(kHead);
  out += ".SH VIRTUAL SERVERS\n";
  for (const ServerFamily& family : server_families()) {
    out += entry(family.name, family.type, labels_of(family), family.help);
  }
  for (const HistogramFamily& family : histogram_families()) {
    out += entry(family.name, MetricType::histogram, "server, le", family.help);
  }
  out += ".SH SERVICE AND PROCESS\n";
  for (const ServiceFamily& family : service_families()) {
    out += entry(family.name, family.type, family.labels, family.help);
  }
  return out.append(kFoot);
}

}  // namespace

TEST_CASE("the manual page tells every declared metric") {
  const std::string file = MAILROOT_MAN_DIRECTORY "/mailroot-metrics.7";
  const std::string page = rendered_page();
  if (std::getenv("MAILROOT_UPDATE_CONF") != nullptr) {
    std::ofstream(file, std::ios::binary) << page;
  }
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  CHECK_MESSAGE(text.str() == page,
                "mailroot-metrics.7 differs from metric_table.cc; MAILROOT_UPDATE_CONF=1 "
                "control_test writes it");
}

TEST_CASE("names are unique, and each has its explanation") {
  std::set<std::string_view> names;
  const auto look_at = [&](const auto& families) {
    for (const auto& family : families) {
      CHECK_MESSAGE(names.insert(family.name).second, family.name);
      CHECK_MESSAGE(family.help.ends_with('.'), family.name);
    }
  };
  look_at(server_families());
  look_at(histogram_families());
  look_at(service_families());
  CHECK(names.size() > 30);
}

}  // namespace mailroot::control
