#include "metric_text.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iterator>

#include "metric_table.h"

namespace mailroot::control {

using reactor::task;
using server::Metrics;
using server::ServerMetrics;

namespace {

double seconds_of(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

void append_head(std::string& out, std::string_view name, std::string_view help, MetricType type) {
  fmt::format_to(std::back_inserter(out), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help,
                 to_string(type));
}

void append_number(std::string& out, uint64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
  out += '\n';
}

void append_family(std::string& out, const ServerFamily& family, const Metrics& metrics) {
  append_head(out, family.name, family.help, family.type);
  for (const ServerMetrics& server : metrics.servers) {
    const std::string id = escape_label(server.id);
    for (const ServerSeries& series : family.series) {
      out.append(family.name).append("{server=\"").append(id).append("\"");
      if (!series.label.empty()) out.append(",").append(series.label);
      out += "} ";
      append_number(out, series.value(server));
    }
  }
}

void append_histogram(std::string& out, const HistogramFamily& family, const Metrics& metrics) {
  append_head(out, family.name, family.help, MetricType::histogram);
  for (const ServerMetrics& server : metrics.servers) {
    const Histogram& histogram = family.of(server);
    const std::string labels = "{server=\"" + escape_label(server.id) + "\"";
    uint64_t cumulative = 0;
    for (size_t i = 0; i < histogram.counts().size(); ++i) {
      cumulative += histogram.counts()[i];
      out.append(family.name).append("_bucket").append(labels).append(",le=\"");
      if (i < kHistogramBounds) {
        fmt::format_to(std::back_inserter(out), "{}", seconds_of(Duration(histogram.bounds()[i])));
      } else {
        out += "+Inf";
      }
      out += "\"} ";
      append_number(out, cumulative);
    }
    fmt::format_to(std::back_inserter(out), "{}_sum{}}} {}\n", family.name, labels,
                   histogram.sum_seconds());
    out.append(family.name).append("_count").append(labels).append("} ");
    append_number(out, cumulative);
  }
}

void append_values(std::string& out, std::string_view name, const Metrics& metrics,
                   const ProcessFigures& process) {
  const auto to = std::back_inserter(out);
  if (name == "mailroot_build_info") {
    fmt::format_to(to, "{}{{version=\"{}\",io=\"{}\"}} 1\n", name, MAILROOT_VERSION,
                   escape_label(metrics.io));
  } else if (name == "mailroot_virtual_servers") {
    fmt::format_to(to, "{} {}\n", name, metrics.servers.size());
  } else if (name == "mailroot_shard_loop_lag_seconds") {
    for (size_t i = 0; i < metrics.shards.size(); ++i) {
      fmt::format_to(to, "{}{{shard=\"{}\"}} {}\n", name, i, seconds_of(metrics.shards[i].lag));
    }
  } else if (name == "mailroot_reloads_total") {
    fmt::format_to(to, "{0}{{outcome=\"applied\"}} {1}\n{0}{{outcome=\"refused\"}} {2}\n", name,
                   metrics.reloads_applied, metrics.reloads_refused);
  } else if (name == "mailroot_last_reload_timestamp_seconds") {
    fmt::format_to(to, "{} {:.3f}\n", name, seconds_of(metrics.last_reload.time_since_epoch()));
  } else if (name == "process_start_time_seconds") {
    fmt::format_to(to, "{} {:.2f}\n", name, process.start_time_seconds);
  } else if (name == "process_cpu_seconds_total") {
    fmt::format_to(to, "{} {:.6f}\n", name, process.cpu_seconds);
  } else if (name == "process_resident_memory_bytes") {
    fmt::format_to(to, "{} {}\n", name, process.resident_bytes);
  } else if (name == "process_open_fds") {
    fmt::format_to(to, "{} {}\n", name, process.open_descriptors);
  } else if (name == "process_max_fds") {
    fmt::format_to(to, "{} {}\n", name, process.most_descriptors);
  }
}

std::string read_small(const char* path) {
  std::string out;
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return out;
  out.resize(4096);
  out.resize(std::fread(out.data(), 1, out.size(), file));
  std::fclose(file);
  return out;
}

uint64_t count_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = ::readdir(directory)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(directory);
  return count - 1;  // the one just used
}

// Fields of proc_pid_stat(5) after the program's name, which may hold blanks: start is field 22.
double age_of_process_seconds() {
  const std::string stat = read_small("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  double uptime = 0;
  if (name_end == std::string::npos ||
      std::sscanf(read_small("/proc/uptime").c_str(), "%lf", &uptime) != 1) {
    return 0;
  }
  constexpr int kFieldsBefore = 19;
  size_t at = name_end + 2;
  for (int i = 0; i < kFieldsBefore && at != std::string::npos; ++i) {
    at = stat.find(' ', at);
    if (at != std::string::npos) ++at;
  }
  if (at == std::string::npos) return 0;
  return uptime -
         std::strtod(stat.c_str() + at, nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessFigures look_at_process(WallTime now) {
  ProcessFigures out;
  out.start_time_seconds = seconds_of(now.time_since_epoch()) - age_of_process_seconds();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    out.cpu_seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }
  unsigned long long size = 0;
  unsigned long long resident = 0;
  if (std::sscanf(read_small("/proc/self/statm").c_str(), "%llu %llu", &size, &resident) == 2) {
    out.resident_bytes = resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  out.open_descriptors = count_descriptors();
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  out.most_descriptors = limit.rlim_cur;
  return out;
}

std::string escape_label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

size_t metric_slices() {
  return service_families().size() + server_families().size() + histogram_families().size();
}

void append_slice(std::string& out, size_t slice, const Metrics& metrics,
                  const ProcessFigures& process) {
  if (slice < service_families().size()) {
    const ServiceFamily& family = service_families()[slice];
    append_head(out, family.name, family.help, family.type);
    append_values(out, family.name, metrics, process);
    return;
  }
  slice -= service_families().size();
  if (slice < server_families().size()) {
    append_family(out, server_families()[slice], metrics);
    return;
  }
  append_histogram(out, histogram_families()[slice - server_families().size()], metrics);
}

task<std::string> metrics_text(reactor::Reactor& control, server::Supervisor& supervisor) {
  const Metrics metrics = co_await supervisor.metrics();
  const ProcessFigures process = look_at_process(control.wall_now());
  std::string out;
  for (size_t slice = 0; slice < metric_slices(); ++slice) {
    append_slice(out, slice, metrics, process);
    co_await control.yield();
  }
  co_return out;
}

}  // namespace mailroot::control
