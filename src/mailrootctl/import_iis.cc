// import-iis: a metabase becomes virtual server files and a report.
#include "import_iis.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "mailroot/base/bytes.h"
#include "mailroot/config/load.h"
#include "mailroot/import/convert.h"
#include "new_files.h"

namespace mailroot::ctl {

namespace {

using import::Imported;
using import::ImportedServer;

// Beyond this sum the files are not checked here: that takes the seconds an administrator would
// spend on --check anyhow.
constexpr size_t kCheckedBytesMax = 4 * kMiB;
constexpr std::string_view kServiceFile = "mailroot.yaml.check";

// The whole file, after a look at its size.
std::expected<std::string, std::string> read_metabase(const std::string& name) {
  struct stat status{};
  const Descriptor file(::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.is_open() || ::fstat(file.number(), &status) != 0) {
    return std::unexpected(system_trouble(name));
  }
  if (!S_ISREG(status.st_mode)) return std::unexpected(name + ": is no regular file");
  const auto size_bytes = static_cast<uint64_t>(status.st_size);
  if (auto refusal = import::refuse_size(size_bytes)) {
    return std::unexpected(fmt::format("{}: {}", name, *refusal));
  }
  auto octets = read_some(file, name, 0, size_bytes + 1);
  if (octets && octets->size() > size_bytes)
    return std::unexpected(name + ": grows while it is read");
  return octets;
}

std::vector<std::string> names_of(const Imported& imported) {
  std::vector<std::string> out;
  for (const ImportedServer& server : imported.servers) {
    if (server.problem.empty()) out.push_back(server.id + ".yaml");
  }
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

struct Checked {
  int exit_code;
  std::string report;  // lines
};

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// What mailrootd --check says of the staged files, as if they were in their places.
std::expected<Checked, std::string> check_staged(NewFiles& files, const std::string& out) {
  const std::string name(kServiceFile);
  auto added = files.add(name, "service: { include: \"*.yaml\" }\n");
  if (!added) return std::unexpected(added.error());
  const std::string staging = absolute(files.staging_path());
  const auto result = config::check(staging + "/" + name, {});
  files.drop(name);
  Checked checked{result.exit_code, result.report()};
  replace_all(checked.report, staging, absolute(out));
  return checked;
}

class Import {
 public:
  Import(const Settings& settings, const IisArguments& arguments)
      : settings_(settings), arguments_(arguments) {}

  int run() {
    import::ConvertOptions options;
    options.source = std::filesystem::path(arguments_.file).filename().string();
    options.keep_open_relay = arguments_.open_relay == "keep";
    for (const auto& text : arguments_.maps) {
      auto map = import::parse_path_map(text);
      if (!map) return complain(map.error(), kRefused);
      options.maps.push_back(std::move(*map));
    }
    auto octets = read_metabase(arguments_.file);
    if (!octets) return complain(octets.error(), kRefused);
    const auto metabase = import::parse_metabase(std::move(*octets));
    if (!metabase) {
      return complain(fmt::format("{} {}", arguments_.file, metabase.error()), kRefused);
    }
    const Imported imported = import::convert(*metabase, options);
    if (arguments_.dry_run) {
      show(imported);
      return code_of(imported);
    }
    if (auto written = write(imported); !written) return complain(written.error(), kRefused);
    show(imported);
    show_files(imported);
    return code_of(imported);
  }

 private:
  std::expected<void, std::string> write(const Imported& imported) {
    NewFiles files;
    const std::vector<std::string> names = names_of(imported);
    if (auto opened = files.open(arguments_.out); !opened) return opened;
    const auto taken = files.taken(names);
    if (!taken.empty() && !arguments_.force) {
      return std::unexpected(fmt::format("nothing was written: {} has {} already; --force replaces",
                                         arguments_.out, joined(taken)));
    }
    size_t bytes = 0;
    for (const ImportedServer& server : imported.servers) {
      if (!server.problem.empty()) continue;
      bytes += server.yaml.size();
      if (auto added = files.add(server.id + ".yaml", server.yaml); !added) return added;
    }
    if (bytes > 0 && bytes <= kCheckedBytesMax) {
      auto checked = check_staged(files, arguments_.out);
      if (!checked) return std::unexpected(checked.error());
      checked_ = std::move(*checked);
      if (checked_->exit_code == 1) {
        return std::unexpected(
            "nothing was written: mailrootd would refuse the files, which is a "
            "fault of the import:\n" +
            checked_->report);
      }
    }
    return files.commit(arguments_.force);
  }

  void show(const Imported& imported) const {
    if (settings_.json) {
      for (const auto& document : import::report_json(imported)) fmt::print("{}\n", document);
    } else {
      fmt::print("{}", import::report_text(imported));
    }
  }

  void show_files(const Imported& imported) const {
    const std::string directory = absolute(arguments_.out);
    const auto names = names_of(imported);
    if (settings_.json) {
      nlohmann::json document = {{"directory", directory}, {"files", names}};
      if (checked_) document["check"] = checked_->exit_code;
      fmt::print("{}\n", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      return;
    }
    fmt::print("\nWritten to {}: {}\n", directory, joined(names));
    if (checked_) {
      fmt::print("mailrootd --check of these files alone: {}\n{}", checked_->exit_code,
                 checked_->report);
    }
    fmt::print(
        "The service file's include has to match them (service: {{ include: {}/*.yaml }}); then "
        "mailrootd --config FILE --check, and mailrootctl reload.\n",
        directory);
  }

  static int code_of(const Imported& imported) {
    int code = 0;
    for (const ImportedServer& server : imported.servers) {
      if (server.problem.empty()) continue;
      code = complain(
          fmt::format("virtual server {} was not written: {}", server.number, server.problem),
          kRefused);
    }
    return code;
  }

  const Settings& settings_;
  const IisArguments& arguments_;
  std::optional<Checked> checked_;
};

}  // namespace

int import_iis(const Settings& settings, const IisArguments& arguments) {
  return Import(settings, arguments).run();
}

}  // namespace mailroot::ctl
