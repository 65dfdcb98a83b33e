// mailrootd: reads its command line, loads the configuration and runs the daemon (daemon.cc).
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "daemon.h"
#include "mailroot/config/load.h"
#include "mailroot/tls/context.h"

int main(int argc, char** argv) {
  CLI::App app{"Mailroot, a durable and fast SMTP relay", "mailrootd"};
  std::string file = "/etc/mailroot/mailroot.yaml";
  bool check = false;
  bool allow_root = false;
  app.add_option("--config", file, "the service's configuration file")->capture_default_str();
  app.add_flag("--check", check,
               "only check the configuration: exit 1 on errors, 2 when a "
               "virtual server cannot start, else 0");
  app.add_flag("--allow-root", allow_root, "run although started as root");
  app.set_version_flag("--version", std::string("mailrootd " MAILROOT_VERSION));
  CLI11_PARSE(app, argc, argv);
  if (check) {
    auto result = mailroot::config::check_here(file, {});
    mailroot::tls::check_certificates(
        result, mailroot::WallTime(std::chrono::system_clock::now().time_since_epoch()));
    std::fputs(result.report().c_str(), result.exit_code == 0 ? stdout : stderr);
    return result.exit_code;
  }
  if (geteuid() == 0 && !allow_root) {
    std::fputs(
        "mailrootd: will not run as root: it needs no right but CAP_NET_BIND_SERVICE. "
        "Start it by systemctl start mailroot, or as another user, or say --allow-root.\n",
        stderr);
    return 1;
  }
  // Files have the modes they are made with: a group may be given what lies in Drop.
  umask(027);
  return mailroot::run_daemon(file);
}
