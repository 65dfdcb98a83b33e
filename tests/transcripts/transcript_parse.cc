#include <charconv>
#include <map>

#include "transcript.h"

namespace mailroot::smtp::test {

namespace {

struct BadTranscript {
  std::string problem;
};

uint64_t number(std::string_view text, int base) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    throw BadTranscript{"not a number: " + std::string(text)};
  }
  return value;
}

std::string unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char kind = ++i < text.size() ? text[i] : ' ';
    if (kind == 'r') {
      plain += '\r';
    } else if (kind == 'n') {
      plain += '\n';
    } else if (kind == 't') {
      plain += '\t';
    } else if (kind == '0') {
      plain += '\0';
    } else if (kind == '\\') {
      plain += '\\';
    } else if (kind == 'x') {
      plain += static_cast<char>(number(text.substr(i + 1, 2), 16));
      i += 2;
    } else if (kind == '{') {
      const size_t star = text.find('*', i);
      const size_t end = text.find('}', i);
      if (end == text.npos || star > end) throw BadTranscript{"bad \\{N*text}"};
      const uint64_t count = number(text.substr(i + 1, star - i - 1), 10);
      const std::string repeated = unescape(text.substr(star + 1, end - star - 1));
      for (uint64_t n = 0; n < count; ++n) plain += repeated;
      i = end;
    } else {
      throw BadTranscript{"unknown escape"};
    }
  }
  return plain;
}

std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

std::string with_blanks(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) c = c == '_' ? ' ' : c;
  return plain;
}

void set_rule(SessionRules& rules, std::string_view key, std::string_view value) {
  const std::map<std::string_view, uint32_t*> numbers = {
      {"recipients_max", &rules.recipients_max},
      {"transactions_max", &rules.transactions_max},
      {"errors_max", &rules.errors_max},
      {"junk_max", &rules.junk_max},
  };
  const std::map<std::string_view, uint64_t*> sizes = {
      {"size_limit_bytes", &rules.size_limit_bytes},
      {"session_size_limit_bytes", &rules.session_size_limit_bytes},
  };
  const std::map<std::string_view, bool*> flags = {
      {"normalise_bare_line_feed", &rules.normalise_bare_line_feed},
      {"offer_start_tls", &rules.offer_start_tls},
      {"offer_etrn", &rules.offer_etrn},
      {"auth_needs_tls", &rules.auth_needs_tls},
      {"requires_authentication", &rules.requires_authentication},
      {"require_tls", &rules.require_tls},
      {"begins_in_tls", &rules.begins_in_tls},
  };
  const std::map<std::string_view, std::string*> texts = {
      {"fqdn", &rules.fqdn},
      {"banner", &rules.banner},
      {"default_domain", &rules.default_domain},
      {"disabled_keywords", &rules.disabled_keywords},
  };
  if (key == "auth") {
    std::string names = with_blanks(value);
    for (std::string_view rest = names; !rest.empty();) {
      const auto mechanism = sasl::find_mechanism(take_word(rest));
      if (!mechanism) throw BadTranscript{"unknown mechanism"};
      rules.auth_mechanisms.add(*mechanism);
    }
  } else if (const auto row = numbers.find(key); row != numbers.end()) {
    *row->second = static_cast<uint32_t>(number(value, 10));
  } else if (const auto size = sizes.find(key); size != sizes.end()) {
    *size->second = number(value, 10);
  } else if (const auto flag = flags.find(key); flag != flags.end()) {
    *flag->second = value == "1";
  } else if (const auto text = texts.find(key); text != texts.end()) {
    *text->second = with_blanks(value);
  } else {
    throw BadTranscript{"unknown rule " + std::string(key)};
  }
}

void parse_directive(std::string_view text, Transcript& transcript) {
  const std::string_view name = take_word(text);
  if (name == "split") {
    transcript.split = text == "1";
    return;
  }
  if (name != "rules") throw BadTranscript{"unknown directive " + std::string(name)};
  while (!text.empty()) {
    const std::string_view pair = take_word(text);
    const size_t equals = pair.find('=');
    if (equals == pair.npos) throw BadTranscript{"a rule is key=value"};
    set_rule(transcript.rules, pair.substr(0, equals), pair.substr(equals + 1));
  }
}

Question question_of(std::string_view name) {
  for (const Question question :
       {Question::may_connect, Question::may_mail, Question::may_relay, Question::begin_content,
        Question::commit, Question::authenticate}) {
    if (name_of(question) == name) return question;
  }
  throw BadTranscript{"unknown action or question " + std::string(name)};
}

Step parse_action(std::string_view text) {
  const std::map<std::string_view, Step::Kind> plain = {
      {"tls_started", Step::Kind::tls_started},       {"time_out", Step::Kind::time_out},
      {"shut_down", Step::Kind::shut_down},           {"peer_closed", Step::Kind::peer_closed},
      {"refuse_content", Step::Kind::refuse_content},
  };
  Step step;
  const std::string_view name = take_word(text);
  if (const auto row = plain.find(name); row != plain.end()) {
    step.kind = row->second;
    step.text = text;
    return step;
  }
  step.kind = Step::Kind::answer;
  step.question = question_of(name);
  const std::string_view verdict = take_word(text);
  step.answer.accept = verdict == "accept" || (verdict == "close" && text.empty());
  step.answer.close_after = verdict == "close";
  if (step.answer.accept && step.question == Question::authenticate) {
    step.answer.user = text;
  } else if (step.answer.accept) {
    step.answer.queue_id = text;
  } else {
    step.answer.reply = text;
  }
  return step;
}

void parse_line(std::string_view line, Transcript& transcript) {
  const std::string_view mark = line.substr(0, 2);
  const std::string_view text = line.size() > 3 ? line.substr(3) : std::string_view();
  if (line.starts_with('!')) {
    parse_directive(line.substr(1), transcript);
  } else if (mark == "C:" || mark == "C-") {
    Step step;
    step.text = unescape(text) + (mark == "C:" ? "\r\n" : "");
    step.expected_before = transcript.expected.size();
    transcript.steps.push_back(std::move(step));
  } else if (mark == "A:") {
    Step step = parse_action(text);
    step.expected_before = transcript.expected.size();
    transcript.steps.push_back(std::move(step));
  } else if (mark == "S:" || mark == "D:" || mark == "D-" || mark == "E:" || mark == "U:" ||
             mark == "X:") {
    transcript.expected.push_back(std::string(mark) + " " + unescape(text));
  } else {
    throw BadTranscript{"not a transcript line: " + std::string(line)};
  }
}

// A case that says nothing of the greeting gets the default banner.
void expect_banner(Transcript& transcript) {
  const bool has_steps = !transcript.steps.empty();
  const bool asks = has_steps && transcript.steps.front().question == Question::may_connect;
  const bool states =
      has_steps ? transcript.steps.front().expected_before > 0 : !transcript.expected.empty();
  if (asks || states) return;
  transcript.expected.insert(transcript.expected.begin(), "S: 220 mx.test ESMTP");
  for (Step& step : transcript.steps) ++step.expected_before;
}

}  // namespace

std::vector<Transcript> parse_transcripts(std::string_view text,
                                          std::vector<std::string>& problems) {
  std::vector<Transcript> transcripts;
  size_t line_number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++line_number;
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with("== ")) {
      Transcript transcript;
      transcript.name = line.substr(3);
      transcript.rules.fqdn = "mx.test";
      transcript.rules.default_domain = "here.test";
      transcripts.push_back(std::move(transcript));
      continue;
    }
    try {
      if (transcripts.empty()) throw BadTranscript{"a case begins with =="};
      parse_line(line, transcripts.back());
    } catch (const BadTranscript& bad) {
      problems.push_back("line " + std::to_string(line_number) + ": " + bad.problem);
    }
  }
  for (Transcript& transcript : transcripts) expect_banner(transcript);
  return transcripts;
}

}  // namespace mailroot::smtp::test
