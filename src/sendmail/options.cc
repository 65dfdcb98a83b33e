#include "options.h"

#include <string_view>

namespace mailroot::sendmail {

namespace {

// Letters with a value, in the same word or the next one.
constexpr std::string_view kWithValue = "ABCFLNORVXbefhopr";
constexpr std::string_view kFlags = "GUcimnstvxI";

std::expected<void, std::string> take_mode(const std::string& value, Options& options) {
  if (value == "m") {
    options.mode = Mode::send;
  } else if (value == "p") {
    options.mode = Mode::list_queue;
  } else if (value == "i") {
    options.mode = Mode::check_aliases;
  } else if (value == "s") {
    options.mode = Mode::speak_smtp;
  } else {
    return std::unexpected("-b" + value + " is not supported; the relay is mailrootd");
  }
  return {};
}

std::expected<void, std::string> take_value(char letter, const std::string& value,
                                            Options& options) {
  if (letter == 'b') return take_mode(value, options);
  if (letter == 'f' || letter == 'r') options.request.sender = value;
  if (letter == 'F') options.request.name = value;
  if (letter == 'N') options.request.notify = value;
  if (letter == 'R') options.request.ret = value;
  if (letter == 'V') options.request.envelope_id = value;
  if (letter == 'o' && value == "i") options.dot_ends = false;
  return {};
}

}  // namespace

std::expected<Options, std::string> parse_options(const std::string& program,
                                                  const std::vector<std::string>& words) {
  Options options;
  if (program == "mailq") options.mode = Mode::list_queue;
  if (program == "newaliases") options.mode = Mode::check_aliases;
  size_t at = 0;
  for (; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--") {
      ++at;
      break;
    }
    if (word.size() < 2 || word[0] != '-') break;
    for (size_t i = 1; i < word.size(); ++i) {
      const char letter = word[i];
      if (letter == 'q' || letter == 'd') {  // the rest says when, or how much
        if (letter == 'q') options.mode = Mode::retry_queue;
        break;
      }
      if (kWithValue.contains(letter)) {
        const bool is_here = i + 1 < word.size();
        if (!is_here && at + 1 == words.size())
          return std::unexpected(std::string("-") + letter + " needs a value");
        const std::string value = is_here ? word.substr(i + 1) : words[++at];
        if (auto taken = take_value(letter, value, options); !taken)
          return std::unexpected(taken.error());
        break;
      }
      if (!kFlags.contains(letter))
        return std::unexpected(std::string("-") + letter + " is unknown");
      if (letter == 'i') options.dot_ends = false;
      if (letter == 't') options.request.header_recipients = true;
      if (letter == 'I') options.mode = Mode::check_aliases;
    }
  }
  options.request.recipients.assign(words.begin() + static_cast<ptrdiff_t>(at), words.end());
  const bool has_recipient = options.request.header_recipients || at < words.size();
  if (options.mode == Mode::send && !has_recipient) return std::unexpected("there is no recipient");
  return options;
}

}  // namespace mailroot::sendmail
