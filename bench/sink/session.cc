#include "session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text.h"

namespace mailroot::bench {

Session::Session(Shared& shared, std::string client)
    : shared_(shared), recorder_(shared.options, shared.names) {
  envelope_.client = std::move(client);
}

Session::Next Session::feed(std::string_view& input, std::string& output) {
  output_ = &output;
  Next next = Next::proceed;
  while (next == Next::proceed) {
    next = step(input);
  }
  return next;
}

Session::Next Session::step(std::string_view& input) {
  if (input.empty() && state_ != State::greeting && state_ != State::ending) {
    return Next::read;
  }
  switch (state_) {
    case State::greeting:
      return greet();
    case State::command:
      return take_command(input);
    case State::data_start:
    case State::data:
      return take_data(input);
    case State::chunk:
      return take_chunk(input);
    case State::ending:
      return end_message();
  }
  return Next::close;
}

/// Applies delays and rules before `verb` is answered. `proceed`: the command runs, unless
/// settled_.
Session::Next Session::gate(std::string_view verb, std::string_view line) {
  settled_ = false;
  if (!shared_.options.misbehaviour.any()) {
    return Next::proceed;
  }
  if (!delayed_) {
    delayed_ = true;
    wait_ms_ = shared_.mischief.delay_ms(verb, line);
    if (wait_ms_ > 0) {
      return Next::wait;
    }
  }
  delayed_ = false;
  extra_lines_ = verb == "BODY" ? 0 : shared_.mischief.extra_lines(verb, line);
  const Rule* rule = shared_.mischief.rule_for(verb, line);
  return rule == nullptr ? Next::proceed : gate_rule(*rule);
}

Session::Next Session::gate_rule(const Rule& rule) {
  ++shared_.statistics.faults;
  switch (rule.fault) {
    case Fault::stall:
      return Next::stall;
    case Fault::close:
      return Next::close;
    case Fault::reset:
      return Next::reset;
    case Fault::garbage:
      *output_ += std::string_view("\xff\x00garbage\x01\r\n-- not a reply --\r\n", 31);
      settled_ = true;
      return Next::proceed;
    case Fault::reply:
      break;
  }
  if (rule.code >= 400) {
    reply(rule.code, rule.reply);
    settled_ = true;
    return rule.code == 421 ? Next::close : Next::proceed;
  }
  code_ = rule.code;
  text_ = rule.reply;
  return Next::proceed;
}

void Session::reply(int code, std::string_view text) {
  if (code_ != 0) {
    code = std::exchange(code_, 0);
    text = text_;
  }
  for (; extra_lines_ > 0; --extra_lines_) {
    fmt::format_to(std::back_inserter(*output_),
                   "{}-a line of a long reply, written to see who keeps how much of it\r\n", code);
  }
  if (code >= 400) {
    ++shared_.statistics.refused;
  }
  char digits[4] = {static_cast<char>('0' + code / 100), static_cast<char>('0' + code / 10 % 10),
                    static_cast<char>('0' + code % 10), ' '};
  output_->append(digits, sizeof digits);
  *output_ += text;
  *output_ += "\r\n";
}

Session::Next Session::greet() {
  Next next = gate("CONNECT", "");
  if (next != Next::proceed) {
    return next;
  }
  state_ = State::command;
  if (!settled_) {
    reply(220, shared_.options.name + " ESMTP mailroot-sink");
  }
  return Next::proceed;
}

Session::Next Session::take_command(std::string_view& input) {
  size_t end = input.find('\n');
  if (end == std::string_view::npos) {
    if (input.size() > kLineMax) {
      reply(500, "5.5.2 line too long");
      return Next::close;
    }
    return Next::read;
  }
  std::string_view line = input.substr(0, end);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  } else {
    ++shared_.statistics.violations;
  }
  Command command = split_command(line);
  Next next = gate(command.verb, line);
  if (next == Next::wait) {
    return next;
  }
  input.remove_prefix(end + 1);
  if (next != Next::proceed || settled_) {
    // The bytes of a BDAT come whatever its reply.
    if (settled_ && command.verb == "BDAT") {
      skip_chunk_ = true;
      return chunk(command.rest);
    }
    return next;
  }
  return run(command);
}

Session::Next Session::run(const Command& command) {
  const std::string& verb = command.verb;
  if (verb == "EHLO" || verb == "HELO") {
    hello(command);
  } else if (verb == "MAIL") {
    mail(command.rest);
  } else if (verb == "RCPT") {
    rcpt(command.rest);
  } else if (verb == "DATA") {
    data();
  } else if (verb == "BDAT" && shared_.options.offers("CHUNKING")) {
    skip_chunk_ = false;
    return chunk(command.rest);
  } else if (verb == "RSET") {
    clear_transaction();
    reply(250, "2.0.0 reset");
  } else if (verb == "NOOP") {
    reply(250, "2.0.0 fine");
  } else if (verb == "VRFY") {
    reply(252, "2.5.0 send and see");
  } else if (verb == "HELP") {
    reply(214, "2.0.0 RFC 5321");
  } else if (verb == "QUIT") {
    reply(221, "2.0.0 goodbye");
    mail_ = false;
    return Next::close;
  } else {
    reply(502, "5.5.1 not implemented");
  }
  return Next::proceed;
}

void Session::hello(const Command& command) {
  if (command.rest.empty()) {
    reply(501, "5.5.4 a name is missing");
    return;
  }
  clear_transaction();
  greeted_ = true;
  extended_ = command.verb == "EHLO";
  envelope_.hello = command.rest;
  if (!extended_ || code_ != 0) {
    reply(250, shared_.options.name);
    return;
  }
  std::string lines = shared_.options.name;
  auto offer = [&](std::string_view keyword, std::string_view value = {}) {
    if (shared_.options.offers(keyword)) {
      fmt::format_to(std::back_inserter(*output_), "250-{}\r\n", lines);
      lines = keyword;
      lines += value;
    }
  };
  offer("PIPELINING");
  offer("SIZE", fmt::format(" {}", shared_.options.size_limit_bytes));
  offer("8BITMIME");
  offer("SMTPUTF8");
  offer("ENHANCEDSTATUSCODES");
  offer("DSN");
  offer("CHUNKING");
  if (shared_.options.offers("CHUNKING")) {
    offer("BINARYMIME");
  }
  reply(250, lines);
}

bool Session::check_mail_parameter(std::string_view parameter) {
  size_t equals = parameter.find('=');
  std::string_view name = parameter.substr(0, equals);
  std::string_view value =
      equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1);
  const Options& options = shared_.options;
  if (same_word(name, "SIZE") && options.offers("SIZE")) {
    auto size = parse_number(value);
    if (size && *size > options.size_limit_bytes) {
      reply(552, "5.3.4 message too large");
      return false;
    }
    if (size) {
      return true;
    }
  } else if (same_word(name, "BODY")) {
    bool eight = options.offers("8BITMIME");
    bool binary = options.offers("BINARYMIME") && options.offers("CHUNKING");
    if ((eight && (same_word(value, "7BIT") || same_word(value, "8BITMIME"))) ||
        (binary && same_word(value, "BINARYMIME"))) {
      return true;
    }
  } else if (same_word(name, "SMTPUTF8") && options.offers("SMTPUTF8")) {
    return true;
  } else if (same_word(name, "RET") && options.offers("DSN")) {
    if (same_word(value, "FULL") || same_word(value, "HDRS")) {
      return true;
    }
  } else if (same_word(name, "ENVID") && options.offers("DSN") && !value.empty()) {
    return true;
  }
  reply(555, fmt::format("5.5.4 parameter {} is not known here", parameter));
  return false;
}

void Session::mail(std::string_view rest) {
  if (!greeted_ || mail_) {
    reply(503, greeted_ ? "5.5.1 a transaction is open" : "5.5.1 EHLO first");
    return;
  }
  auto argument = parse_path(rest, "FROM:");
  if (!argument) {
    reply(501, "5.5.4 MAIL FROM:<path>");
    return;
  }
  for (std::string_view parameter : argument->parameters) {
    if (!extended_) {
      reply(555, "5.5.4 parameters need EHLO");
      return;
    }
    if (!check_mail_parameter(parameter)) {
      return;
    }
  }
  bool utf8 = std::ranges::any_of(argument->path, [](char c) { return (c & 0x80) != 0; });
  envelope_.mail_parameters = fmt::format("{}", fmt::join(argument->parameters, " "));
  if (utf8 && envelope_.mail_parameters.find("SMTPUTF8") == std::string::npos) {
    reply(553, "5.6.7 address needs SMTPUTF8");
    return;
  }
  envelope_.reverse_path = argument->path;
  mail_ = true;
  reply(250, "2.1.0 sender fine");
}

void Session::rcpt(std::string_view rest) {
  if (!mail_ || chunked_) {
    reply(503, "5.5.1 MAIL first");
    return;
  }
  auto argument = parse_path(rest, "TO:");
  if (!argument || argument->path.empty()) {
    reply(501, "5.5.4 RCPT TO:<path>");
    return;
  }
  for (std::string_view parameter : argument->parameters) {
    bool known = parameter.starts_with("NOTIFY=") || parameter.starts_with("ORCPT=");
    if (!known || !shared_.options.offers("DSN")) {
      reply(555, fmt::format("5.5.4 parameter {} is not known here", parameter));
      return;
    }
  }
  if (envelope_.forward_paths.size() >= shared_.options.recipients_limit) {
    reply(452, "4.5.3 too many recipients");
    return;
  }
  envelope_.forward_paths.emplace_back(argument->path);
  envelope_.rcpt_parameters.push_back(fmt::format("{}", fmt::join(argument->parameters, " ")));
  reply(250, "2.1.5 recipient fine");
}

void Session::data() {
  if (!mail_ || chunked_ || envelope_.mail_parameters.find("BINARYMIME") != std::string::npos) {
    reply(503, mail_ ? "5.5.1 BDAT began or is needed" : "5.5.1 MAIL first");
    return;
  }
  if (envelope_.forward_paths.empty()) {
    reply(554, "5.5.1 no recipient");
    return;
  }
  reply(354, "go on");
  decoder_.begin();
  recorder_.begin(envelope_);
  state_ = State::data_start;
}

Session::Next Session::take_data(std::string_view& input) {
  if (state_ == State::data_start) {
    Next next = gate("BODY", envelope_.reverse_path);
    if (next != Next::proceed) {
      return next;
    }
    state_ = State::data;
  }
  bool ended = false;
  size_t used =
      decoder_.feed(input, ended, [this](std::string_view piece) { recorder_.append(piece); });
  input.remove_prefix(used);
  if (ended) {
    state_ = State::ending;
  }
  return Next::proceed;
}

Session::Next Session::chunk(std::string_view rest) {
  std::string_view digits = rest.substr(0, rest.find(' '));
  auto size = parse_number(digits);
  bool last = rest.size() > digits.size() && same_word(rest.substr(digits.size() + 1), "LAST");
  if (!size || (!last && rest.size() > digits.size())) {
    reply(501, "5.5.4 BDAT size [LAST]");
    return Next::close;  // what follows cannot be told from commands
  }
  chunk_left_ = *size;
  last_chunk_ = last;
  if (!skip_chunk_ && (!mail_ || envelope_.forward_paths.empty())) {
    reply(503, "5.5.1 MAIL and RCPT first");
    skip_chunk_ = true;
  }
  if (!skip_chunk_ && !chunked_) {
    chunked_ = true;
    recorder_.begin(envelope_);
  }
  state_ = State::chunk;
  std::string_view none;
  return chunk_left_ == 0 ? take_chunk(none) : Next::proceed;
}

Session::Next Session::take_chunk(std::string_view& input) {
  size_t size = std::min<uint64_t>(chunk_left_, input.size());
  if (!skip_chunk_) {
    recorder_.append(input.substr(0, size));
  }
  input.remove_prefix(size);
  chunk_left_ -= size;
  if (chunk_left_ > 0) {
    return Next::proceed;
  }
  if (last_chunk_ && !skip_chunk_) {
    state_ = State::ending;
    return Next::proceed;
  }
  if (!skip_chunk_) {
    reply(250, "2.0.0 chunk taken");
  }
  state_ = State::command;
  return Next::proceed;
}

Session::Next Session::end_message() {
  Next next = gate("END", envelope_.reverse_path);
  if (next != Next::proceed) {
    return next;
  }
  Statistics& statistics = shared_.statistics;
  state_ = State::command;
  if (!settled_ && recorder_.size_bytes() > shared_.options.size_limit_bytes) {
    reply(552, "5.3.4 message too large");
  } else if (!settled_ && !recorder_.finish(envelope_, statistics, shared_.log_lines)) {
    reply(451, "4.3.0 capture failed");
  } else if (!settled_) {
    ++statistics.messages;
    ++taken_;
    statistics.recipients += envelope_.forward_paths.size();
    statistics.bytes += recorder_.size_bytes();
    statistics.last_ns = now_ns();
    if (statistics.first_ns == 0) {
      statistics.first_ns = statistics.last_ns;
    }
    shared_.messages.fetch_add(1, std::memory_order_relaxed);
    reply(250, "2.0.0 taken");
  }
  clear_transaction();
  if (shared_.options.close_after != 0 && taken_ >= shared_.options.close_after) {
    reply(421, "4.3.2 enough for one connection");
    return Next::close;
  }
  return Next::proceed;
}

void Session::clear_transaction() {
  mail_ = chunked_ = false;
  envelope_.reverse_path.clear();
  envelope_.mail_parameters.clear();
  envelope_.forward_paths.clear();
  envelope_.rcpt_parameters.clear();
  recorder_.drop();
}

}  // namespace mailroot::bench
