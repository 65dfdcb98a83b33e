#include "service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace mailroot {

namespace {

using std::chrono::microseconds;

constexpr microseconds kInterval = std::chrono::seconds(10);
constexpr microseconds kIntervalMin = std::chrono::milliseconds(10);
constexpr int kFeedsInWatchdogTime = 4;
constexpr size_t kStatusMaxBytes = 1000;
constexpr size_t kDescriptorsInMessageMax = 250;  // the kernel's SCM_MAX_FD is 253

// A message is lines of NAME=value: what comes from a file or a peer must not begin one.
std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kStatusMaxBytes));
  std::ranges::replace_if(line, [](unsigned char c) { return c < ' '; }, ' ');
  return line;
}

// systemd takes no colon in a name (sd_notify(3), FDNAME).
std::string descriptor_name(std::string_view binding) {
  std::string name(binding);
  std::ranges::replace(name, ':', '_');
  return name;
}

}  // namespace

ServiceManager::ServiceManager() {
  const char* const socket = std::getenv("NOTIFY_SOCKET");
  is_there_ = socket != nullptr && *socket != '\0';
  uint64_t watchdog_us = 0;
  if (is_there_ && sd_watchdog_enabled(0, &watchdog_us) > 0) watchdog_ = microseconds(watchdog_us);
}

microseconds ServiceManager::interval() const {
  if (!watchdog_) return kInterval;
  return std::clamp(*watchdog_ / kFeedsInWatchdogTime, kIntervalMin, kInterval);
}

bool ServiceManager::ready(std::string_view status) const {
  return tell("READY=1\nSTATUS=" + one_line(status));
}

// The time lets systemd tell this reload from the one before (Type=notify-reload of later systemds
// insists on it).
bool ServiceManager::reloading() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reloading the configuration",
                          now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

bool ServiceManager::stopping() const {
  return tell("STOPPING=1\nSTATUS=Ending sessions, placing mail in the queue");
}

bool ServiceManager::alive() const { return !watchdog_ || tell("WATCHDOG=1"); }

bool ServiceManager::status(std::string_view text) const {
  return tell("STATUS=" + one_line(text));
}

std::vector<server::KeptSocket> ServiceManager::inherited() {
  std::vector<server::KeptSocket> kept;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    kept.push_back({names[i], SD_LISTEN_FDS_START + i});
    std::free(names[i]);
  }
  std::free(names);
  return kept;
}

// Not polled by systemd: a socket that this process shuts down is its own affair. What systemd
// refuses (its store is full) only means that those sockets end with the process.
void ServiceManager::keep(const std::string& name, std::span<const reactor::Descriptor> sockets) {
  if (!is_there_) return;
  const std::string state = "FDSTORE=1\nFDPOLL=0\nFDNAME=" + descriptor_name(name);
  for (size_t first = 0; first < sockets.size(); first += kDescriptorsInMessageMax) {
    const auto part =
        sockets.subspan(first, std::min(kDescriptorsInMessageMax, sockets.size() - first));
    sd_pid_notify_with_fds(0, 0, state.c_str(), part.data(), static_cast<unsigned>(part.size()));
  }
}

void ServiceManager::drop(const std::string& name) {
  tell("FDSTOREREMOVE=1\nFDNAME=" + descriptor_name(name));
}

// sd_notify would wait while systemd's socket is full; systemd empties it before anything else.
bool ServiceManager::tell(const std::string& state) const {
  if (!is_there_) return true;
  const int told = sd_notify(0, state.c_str());
  if (told < 0) errno = -told;
  return told > 0;
}

std::string status_line(const std::vector<server::ServerView>& servers,
                        std::string_view refused_reload) {
  size_t listening = 0;
  uint64_t connections = 0;
  uint64_t queued = 0;
  const server::ServerView* stopped = nullptr;
  for (const server::ServerView& server : servers) {
    if (server.state == server::State::started && !server.listening.empty()) {
      ++listening;
    } else if (!server.reason.empty() && stopped == nullptr) {
      stopped = &server;
    }
    connections += server.connections_open;
    queued += server.queue.messages;
  }
  std::string line =
      fmt::format("{} of {} virtual servers listening, {} connections, {} messages queued",
                  listening, servers.size(), connections, queued);
  if (stopped != nullptr) line += fmt::format("; {}: {}", stopped->id, stopped->reason);
  if (!refused_reload.empty()) line += fmt::format("; reload refused: {}", refused_reload);
  return line;
}

}  // namespace mailroot
