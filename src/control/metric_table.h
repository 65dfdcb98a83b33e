// The declaration of every metric: the text, the manual page, the dashboard and the alert rules are
// all held against this table.
#pragma once

#include <span>
#include <string_view>

#include "mailroot/server/supervisor.h"

namespace mailroot::control {

enum class MetricType : uint8_t { counter, gauge, histogram };
std::string_view to_string(MetricType type);

// One of a virtual server; `label` is empty or `name="value"`, ours, needing no escape.
struct ServerSeries {
  std::string_view label;
  uint64_t (*value)(const server::ServerMetrics&);
};

struct ServerFamily {
  std::string_view name, help;
  MetricType type;
  std::span<const ServerSeries> series;
};

struct HistogramFamily {
  std::string_view name, help;
  const Histogram& (*of)(const server::ServerMetrics&);
};

// Of the process and the service: written in metric_text.cc, since each has its own shape.
struct ServiceFamily {
  std::string_view name, help;
  MetricType type;
  std::string_view labels;  // for the manual page
};

std::span<const ServerFamily> server_families();
std::span<const HistogramFamily> histogram_families();
std::span<const ServiceFamily> service_families();

}  // namespace mailroot::control
