#include "mailroot/submit/aliases.h"

#include <algorithm>
#include <set>

#include "mailroot/message/pickup.h"
#include "mailroot/submit/limits.h"

namespace mailroot::submit {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// One entry with its continuation lines; knows where in the file it stands.
class Entry {
 public:
  Entry(std::string_view text, size_t line, Aliases& out) : text_(text), line_(line), out_(out) {}

  void read() {
    const size_t begin = skip_blanks();
    const std::string name = lower(word(":"));
    if (at_ >= text_.size() || text_[at_] != ':') return complain(begin, "no colon after the name");
    if (name.empty()) return complain(begin, "an alias without a name");
    ++at_;
    std::vector<std::string> targets;
    while (at_ < text_.size()) {
      const size_t where = skip_blanks();
      const std::string target = word(",");
      if (at_ < text_.size()) ++at_;
      if (!target.empty() && check(target, where)) targets.push_back(target);
    }
    if (targets.empty()) return complain(begin, "an alias without a usable target");
    if (!out_.targets.emplace(name, std::move(targets)).second)
      complain(begin, "this alias stands twice; the first one counts");
  }

 private:
  size_t skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    return at_;
  }

  // Up to one of `ends` outside quotes; quotes around the whole are taken off.
  std::string word(std::string_view ends) {
    const size_t begin = at_;
    bool quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && quoted && at_ + 1 < text_.size()) ++at_;
      if (c == '"') quoted = !quoted;
      if (!quoted && ends.contains(c)) break;
    }
    if (quoted) complain(begin, "a quote that does not end");
    std::string_view found = text_.substr(begin, at_ - begin);
    while (!found.empty() && is_blank(found.back())) found.remove_suffix(1);
    if (found.size() >= 2 && found.front() == '"' && found.back() == '"')
      found = found.substr(1, found.size() - 2);
    return std::string(found);
  }

  bool check(const std::string& target, size_t where) {
    if (target.starts_with('|')) return refuse(where, "mail is not given to programs");
    if (target.starts_with('/')) return refuse(where, "mail is not written to files");
    if (lower(target).starts_with(":include:")) return refuse(where, ":include: is not read");
    std::vector<smtp::Mailbox> found;
    if (!message::parse_address_list(target, "localhost", false, found) || found.size() != 1)
      return refuse(where, "the target is no address");
    return true;
  }

  bool refuse(size_t where, std::string_view text) {
    complain(where, text);
    return false;
  }

  void complain(size_t where, std::string_view text) {
    const std::string_view before = text_.substr(0, where);
    const size_t start = before.rfind('\n');
    const size_t column = start == std::string_view::npos ? where + 1 : where - start;
    out_.problems.push_back(
        {line_ + static_cast<size_t>(std::ranges::count(before, '\n')), column, std::string(text)});
  }

  std::string_view text_;
  size_t line_;
  Aliases& out_;
  size_t at_ = 0;
};

// Follows one recipient through the aliases.
class Walk {
 public:
  Walk(const Aliases& aliases, const std::vector<std::string>& domains, std::string_view mailname,
       std::vector<std::string>& warnings)
      : aliases_(aliases), domains_(domains), mailname_(mailname), warnings_(warnings) {}

  std::vector<smtp::Mailbox> found;

  void visit(const smtp::Mailbox& mailbox, const std::string& parent, size_t depth) {
    const std::string name = lower(mailbox.local_part);
    const bool is_local = std::ranges::find(domains_, mailbox.domain) != domains_.end();
    const auto entry = is_local ? aliases_.targets.find(name) : aliases_.targets.end();
    // "root: root, ann" keeps a copy for root.
    if (entry == aliases_.targets.end() || name == parent) return keep(mailbox);
    if (depth >= kAliasDepthMax) return warn("aliases are nested too deep at one of them");
    if (path_.contains(name)) return warn("aliases lead back to themselves");
    if (!seen_.insert(name).second) return;  // its targets are found already
    path_.insert(name);
    for (const std::string& target : entry->second) {
      std::vector<smtp::Mailbox> next;
      if (!message::parse_address_list(target, mailname_, false, next)) continue;
      for (const smtp::Mailbox& one : next) visit(one, name, depth + 1);
    }
    path_.erase(name);
  }

 private:
  void keep(const smtp::Mailbox& mailbox) {
    if (found.size() < kRecipientsMax) return found.push_back(mailbox);
    is_over = true;
  }
  void warn(const char* text) { warnings_.emplace_back(text); }

  const Aliases& aliases_;
  const std::vector<std::string>& domains_;
  std::string_view mailname_;
  std::vector<std::string>& warnings_;
  std::set<std::string> seen_;
  std::set<std::string> path_;  // from the recipient to here

 public:
  bool is_over = false;  // more than kRecipientsMax
};

}  // namespace

Aliases parse_aliases(std::string_view text) {
  Aliases out;
  size_t at = 0;
  size_t line = 1;
  while (at < text.size()) {
    const size_t begin = at;
    const size_t first_line = line;
    const char first = text[at];
    do {
      at = std::min(text.find('\n', at), text.size() - 1) + 1;
      ++line;
    } while (first != '#' && at < text.size() && (text[at] == ' ' || text[at] == '\t'));
    const std::string_view entry = text.substr(begin, at - begin);
    if (first == '#' || std::ranges::all_of(entry, is_blank)) continue;
    Entry(entry, first_line, out).read();
  }
  return out;
}

Expanded expand_aliases(const Aliases& aliases, const std::vector<smtp::Recipient>& recipients,
                        const std::vector<std::string>& local_domains, std::string_view mailname) {
  Expanded out;
  std::set<std::string> seen;
  const auto add = [&](smtp::Recipient recipient) {
    if (seen.insert(smtp::to_string(recipient.address)).second)
      out.recipients.push_back(std::move(recipient));
  };
  for (const smtp::Recipient& recipient : recipients) {
    Walk walk(aliases, local_domains, mailname, out.warnings);
    walk.visit(recipient.address, "", 0);
    if (walk.is_over) out.warnings.emplace_back("an alias has too many targets; it is not used");
    if (walk.found.empty() || walk.is_over) {
      add(recipient);
      continue;
    }
    for (const smtp::Mailbox& mailbox : walk.found) {
      smtp::Recipient one = recipient;
      if (mailbox != recipient.address && one.original_recipient.empty())
        one.original_recipient = "rfc822;" + smtp::to_string(recipient.address);
      one.address = mailbox;
      add(std::move(one));
    }
  }
  return out;
}

}  // namespace mailroot::submit
