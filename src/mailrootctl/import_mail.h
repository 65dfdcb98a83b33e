// import-mail: folders copied from the old machine are taken over into a home directory.
//
//   DIR/Pickup/x        --send-->  HOME/Pickup/new/x       can be sent: has an envelope
//                       '------->  HOME/Imported/Pickup/x  else, or not asked for
//   DIR/Queue/x.EML     ------->   the same way; mostly without its envelope: HOME/Imported/Queue/x
//   DIR/Drop/x          ------->   HOME/Drop/new/x, or HOME/Drop/x where the layout is flat
//   DIR/Badmail/x.BAD   ------->   HOME/Badmail/new/x.eml, x.eml.reason from x.BDR and x.BDP
//
// The source is only read. A file is copied into tmp, synced, entered in the ledger, renamed into
// its place: what the ledger has is not taken a second time, even if a program has fetched it
// since.
#pragma once

#include <string>

namespace mailroot::ctl {

struct Settings;

struct MailArguments {
  std::string source;
  std::string home;
  std::string server;
  bool send = false;
};

// The exit code: 0 all taken over, 1 something was not, with the reason on standard error.
int import_mail(const Settings& settings, const MailArguments& arguments);

}  // namespace mailroot::ctl
