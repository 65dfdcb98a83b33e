// The subcommands that move in from an IIS SMTP server.
#include <memory>

#include "commands.h"
#include "import_iis.h"
#include "import_mail.h"

namespace mailroot::ctl {

namespace {

void add_import_iis(CLI::App& app, const Settings& settings, int& code) {
  auto arguments = std::make_shared<IisArguments>();
  auto* command = app.add_subcommand(
      "import-iis", "virtual server files and a report from a metabase of IIS 6 or later");
  command->add_option("FILE", arguments->file, "MetaBase.xml")->required();
  command->add_option("--out", arguments->out, "directory for the files; made when missing")
      ->capture_default_str();
  command->add_option("--map", arguments->maps,
                      "'C:\\Inetpub=/srv/mail': where a directory of Windows is here; repeatable");
  command
      ->add_option("--open-relay", arguments->open_relay,
                   "what becomes of a relay list that lets everybody relay: closed | keep")
      ->check(CLI::IsMember({"closed", "keep"}))
      ->capture_default_str();
  command->add_flag("--force", arguments->force, "replace files that are there");
  command->add_flag("--dry-run", arguments->dry_run, "only report");
  command->callback([&settings, &code, arguments] { code = import_iis(settings, *arguments); });
}

void add_import_mail(CLI::App& app, const Settings& settings, int& code) {
  auto arguments = std::make_shared<MailArguments>();
  auto* command = app.add_subcommand(
      "import-mail", "Pickup, Queue, Drop and Badmail folders copied from an IIS SMTP server");
  command->add_option("DIR", arguments->source, "the directory that holds them; only read")
      ->required();
  auto* home = command->add_option("--home", arguments->home, "home directory to put them into");
  command->add_option("--server", arguments->server, "the same, by the virtual server's id")
      ->excludes(home);
  command->add_flag("--send", arguments->send,
                    "put what can be sent into Pickup; else it waits in Imported");
  command->callback([&settings, &code, arguments] { code = import_mail(settings, *arguments); });
}

}  // namespace

void add_import(CLI::App& app, const Settings& settings, int& code) {
  add_import_iis(app, settings, code);
  add_import_mail(app, settings, code);
}

}  // namespace mailroot::ctl
