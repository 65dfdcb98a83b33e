#include <algorithm>
#include <map>

#include "transcript.h"

namespace mailroot::smtp::test {

namespace {

// How the octets between two actions are cut: at once, octet by octet, or once at `at`.
struct Cut {
  enum class Kind { lines, whole, octets, once };
  Kind kind;
  size_t at = 0;  // of all octets of the case
};

bool is_looked_at(const Transcript& transcript, std::string_view entry) {
  const auto stated = [&](std::string_view first, std::string_view second) {
    return std::ranges::any_of(transcript.expected, [&](const std::string& line) {
      return line.starts_with(first) || line.starts_with(second);
    });
  };
  if (entry.starts_with("U: ")) return stated("U: ", "U: ");
  if (entry.starts_with("E: ")) return stated("E: ", "E: ");
  if (entry.starts_with("D: ") || entry.starts_with("D- ")) return stated("D: ", "D- ");
  return true;
}

class Run {
 public:
  // `ordinals`: which question of its kind each scripted answer is for; a run by lines finds them,
  // the others need them before they begin.
  Run(const Transcript& transcript, Cut cut, std::vector<size_t> ordinals)
      : transcript_(transcript),
        cut_(cut),
        driver_(transcript.rules),
        ordinals_(std::move(ordinals)) {}

  std::vector<std::string> run() {
    std::vector<std::string> problems;
    bool greeted = false;
    if (cut_.kind != Cut::Kind::lines) script_all();
    for (const Step& step : transcript_.steps) {
      const bool early = step.kind == Step::Kind::answer && step.expected_before == 0;
      if (!greeted && !early) {
        driver_.greet();
        greeted = true;
      }
      if (step.kind != Step::Kind::send && step.kind != Step::Kind::answer) flush();
      if (cut_.kind == Cut::Kind::lines) compare(step.expected_before, problems);
      perform(step);
      if (!problems.empty()) return problems;
    }
    if (!greeted) driver_.greet();
    flush();
    compare(transcript_.expected.size(), problems);
    for (const std::string& broken : driver_.violations()) problems.push_back("rule: " + broken);
    return problems;
  }

  size_t octets() const { return octets_; }
  const std::vector<size_t>& ordinals() const { return ordinals_; }

 private:
  void script_all() {
    size_t i = 0;
    for (const Step& step : transcript_.steps) {
      if (step.kind != Step::Kind::answer) continue;
      driver_.script(step.question, ordinals_[i++], step.answer);
    }
  }

  // Several answers in a row to questions of one kind are for those that come one after another.
  void script_next(const Step& step) {
    size_t& next = next_ordinal_[step.question];
    next = std::max(next, driver_.asked(step.question));
    ordinals_.push_back(next);
    driver_.script(step.question, next++, step.answer);
  }

  void perform(const Step& step) {
    switch (step.kind) {
      case Step::Kind::send:
        pending_ += step.text;
        octets_ += step.text.size();
        if (cut_.kind == Cut::Kind::lines) flush();
        break;
      case Step::Kind::answer:
        if (cut_.kind == Cut::Kind::lines) script_next(step);
        break;
      case Step::Kind::tls_started:
        driver_.tls_started(step.text == "bound");
        break;
      case Step::Kind::time_out:
        driver_.time_out();
        break;
      case Step::Kind::shut_down:
        driver_.shut_down();
        break;
      case Step::Kind::peer_closed:
        driver_.peer_closed();
        break;
      case Step::Kind::refuse_content:
        driver_.refuse_content(step.text);
        break;
    }
  }

  void flush() {
    const size_t start = octets_ - pending_.size();
    std::string_view rest = pending_;
    if (cut_.kind == Cut::Kind::octets) {
      for (size_t i = 0; i < rest.size(); ++i) driver_.send(rest.substr(i, 1));
    } else if (cut_.kind == Cut::Kind::once && cut_.at > start && cut_.at < octets_) {
      driver_.send(rest.substr(0, cut_.at - start));
      driver_.send(rest.substr(cut_.at - start));
    } else {
      driver_.send(rest);
    }
    pending_.clear();
  }

  void compare(size_t count, std::vector<std::string>& problems) {
    std::vector<std::string> seen;
    for (const std::string& entry : driver_.log()) {
      if (is_looked_at(transcript_, entry)) seen.push_back(entry);
    }
    for (size_t i = 0; i < std::max(count, seen.size()); ++i) {
      const std::string wanted = i < count ? transcript_.expected[i] : "(nothing)";
      const std::string found = i < seen.size() ? seen[i] : "(nothing)";
      if (wanted == found) continue;
      problems.push_back("expected " + wanted + "\n       got " + found);
      return;
    }
  }

  const Transcript& transcript_;
  Cut cut_;
  SessionDriver driver_;
  std::vector<size_t> ordinals_;
  std::map<Question, size_t> next_ordinal_;
  std::string pending_;
  size_t octets_ = 0;
};

}  // namespace

std::vector<std::string> run_transcript(const Transcript& transcript) {
  Run lines(transcript, {Cut::Kind::lines}, {});
  std::vector<std::string> problems = lines.run();
  const auto attempt = [&](Cut cut, const std::string& how) {
    if (!problems.empty()) return;
    problems = Run(transcript, cut, lines.ordinals()).run();
    for (std::string& problem : problems) problem += "\n       (input " + how + ")";
  };
  attempt({Cut::Kind::whole}, "at once");
  attempt({Cut::Kind::octets}, "octet by octet");
  for (size_t at = 1; transcript.split && at < lines.octets(); ++at) {
    attempt({Cut::Kind::once, at}, "split at " + std::to_string(at));
  }
  return problems;
}

}  // namespace mailroot::smtp::test
