// The kinds of values: each makes the Value<S> of one key from a field of the record. A field is a
// pointer to a member, or to a member of a member: at(&VirtualServer::delivery, &Delivery::x).
#pragma once

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailroot/config/limits.h"
#include "record.h"
#include "scalars.h"

namespace mailroot::config {

template <class S, class T>
struct Member {
  using Record = S;
  using Type = T;
  T S::* member;
  auto& of(auto& record) const { return record.*member; }
};
template <class S, class M, class T>
struct InnerMember {
  using Record = S;
  using Type = T;
  M S::* outer;
  T M::* inner;
  auto& of(auto& record) const { return record.*outer.*inner; }
};

template <class S, class M, class N, class T>
struct DeepMember {
  using Record = S;
  using Type = T;
  M S::* outer;
  N M::* middle;
  T N::* inner;
  auto& of(auto& record) const { return record.*outer.*middle.*inner; }
};

template <class S, class T>
Member<S, T> at(T S::* member) {
  return {member};
}
template <class S, class M, class T>
InnerMember<S, M, T> at(M S::* outer, T M::* inner) {
  return {outer, inner};
}

// Any one value that is read from a node and printed as YAML. `Read` gives std::optional of the
// field's type after complaining; `Print` a string.
template <class F, class Read, class Print>
Value<typename F::Record> single(F field, std::string type, Read read, Print print) {
  using S = typename F::Record;
  return {std::move(type),
          [field, read](const Node& node, Context& context, S& record) {
            if (auto value = read(node, context)) field.of(record) = std::move(*value);
          },
          [field, print](const S& record) { return print(field.of(record)); }};
}

// Why a value is wrong, where more can be said than what is allowed; else "".
using Explain = std::string (*)(const Node&);
inline std::string explain_nothing(const Node&) { return {}; }

// A scalar whose text `parse` understands (std::optional); everything else is the wrong type.
template <class F, class Parse, class Print>
Value<typename F::Record> scalar(F field, const std::string& type, Parse parse, Print print,
                                 Explain explain = explain_nothing) {
  using T = typename F::Type;
  const auto read = [type, parse, explain](const Node& node, Context& context) {
    std::optional<T> value;
    if (node.kind == Node::Kind::scalar) value = parse(node);
    if (!value) {
      const std::string why = explain(node);
      context.complain(node, why.empty() ? "wrong value" : "wrong value: " + why, type);
    }
    return value;
  };
  return single(field, type, read, print);
}

template <class F>
Value<typename F::Record> boolean(F field) {
  const auto parse = [](const Node& node) -> std::optional<bool> {
    if (node.quoted || (node.text != "true" && node.text != "false")) return std::nullopt;
    return node.text == "true";
  };
  return scalar(field, "true or false", parse, [](bool value) { return value ? "true" : "false"; });
}

// A word that stands for zero: "unlimited", "auto".
struct ZeroWord {
  std::string_view word;
};

template <class F>
Value<typename F::Record> integer(F field, uint64_t least, uint64_t most, ZeroWord zero = {}) {
  using T = typename F::Type;
  std::string type = fmt::format("integer, {} to {}", least, most);
  if (!zero.word.empty()) type += fmt::format(", or {}", zero.word);
  const auto parse = [=](const Node& node) -> std::optional<T> {
    if (!zero.word.empty() && node.text == zero.word) return T{0};
    const auto number = node.quoted ? std::nullopt : parse_number(node.text);
    if (!number || *number < least || *number > most) return std::nullopt;
    return static_cast<T>(*number);
  };
  return scalar(field, type, parse, [zero](T value) {
    return value == 0 && !zero.word.empty() ? std::string(zero.word) : std::to_string(value);
  });
}

template <class F>
Value<typename F::Record> duration(F field, Duration least, Duration most) {
  const auto type = fmt::format("duration, {} to {}", print_duration(least), print_duration(most));
  const auto parse = [=](const Node& node) -> std::optional<Duration> {
    const auto value = parse_duration(node.text);
    if (!value || *value < least || *value > most) return std::nullopt;
    return value;
  };
  return scalar(field, type, parse, print_duration);
}

template <class F>
Value<typename F::Record> size(F field, uint64_t least, uint64_t most, ZeroWord zero = {}) {
  auto type = fmt::format("size, {} to {}", print_size(least), print_size(most));
  if (!zero.word.empty()) type += fmt::format(", or {}", zero.word);
  const auto parse = [=](const Node& node) -> std::optional<uint64_t> {
    if (!zero.word.empty() && node.text == zero.word) return 0;
    const auto value = parse_size(node.text);
    if (!value || *value < least || *value > most) return std::nullopt;
    return value;
  };
  return scalar(field, type, parse, [zero](uint64_t value) {
    return value == 0 && !zero.word.empty() ? std::string(zero.word) : print_size(value);
  });
}

template <class T>
using Choices = std::vector<std::pair<std::string_view, T>>;

template <class F>
Value<typename F::Record> choice(F field, Choices<typename F::Type> choices,
                                 Explain explain = explain_nothing) {
  using T = typename F::Type;
  std::string type;
  for (const auto& [word, value] : choices) type += (type.empty() ? "" : " | ") + std::string(word);
  const auto parse = [choices](const Node& node) -> std::optional<T> {
    for (const auto& [word, value] : choices) {
      if (node.text == word) return value;
    }
    return std::nullopt;
  };
  const auto print = [choices](const T& value) {
    for (const auto& [word, candidate] : choices) {
      if (candidate == value) return std::string(word);
    }
    return std::string();
  };
  return scalar(field, type, parse, print, explain);
}

// Readers behind the templates; each complains and returns nothing when the value is wrong.
std::optional<std::string> read_text(const Node& node, Context& context, size_t most);
std::optional<std::string> read_path(const Node& node, Context& context);

// Printable text of at most `most` bytes, "" included.
template <class F>
Value<typename F::Record> text(F field, size_t most) {
  return single(
      field, fmt::format("text, at most {} bytes", most),
      [most](const Node& node, Context& context) { return read_text(node, context, most); },
      [](const std::string& value) { return quote(value); });
}

// Made absolute: relative to the file it stands in.
template <class F>
Value<typename F::Record> path(F field) {
  return single(field, "path; a relative one starts at the directory of this file", read_path,
                [](const std::string& value) { return quote(value); });
}

// As path, but "" is none.
template <class F>
Value<typename F::Record> file(F field) {
  return single(
      field, "path, or \"\"; a relative one starts at the directory of this file",
      [](const Node& node, Context& context) {
        const bool is_none = node.kind == Node::Kind::scalar && node.text.empty();
        return is_none ? std::optional<std::string>("") : read_path(node, context);
      },
      [](const std::string& value) { return quote(value); });
}

// "list of networks, at most 1000", "list of bindings, 1 to 1000"
std::string list_type(const std::string& entry_type, size_t least, size_t most);

// A list of scalars, each understood by `parse_entry`, printed by `print_entry`.
template <class F, class Parse, class Print>
Value<typename F::Record> list_of(F field, const std::string& entry_type, size_t least, size_t most,
                                  Parse parse_entry, Print print_entry) {
  using List = typename F::Type;
  const auto type = list_type(entry_type, least, most);
  const auto read = [=](const Node& node, Context& context) -> std::optional<List> {
    if (node.kind != Node::Kind::list || node.size() < least || node.size() > most) {
      context.complain_wrong_type(node, type);
      return std::nullopt;
    }
    List out;
    for (size_t i = 0; i < node.size(); ++i) {
      const Context::Step step(context, i);
      const Node& entry = node.items[i];
      std::optional<typename List::value_type> value;
      if (entry.kind == Node::Kind::scalar) value = parse_entry(entry.text);
      if (!value) {
        context.complain_wrong_type(entry, entry_type);
      } else {
        out.push_back(std::move(*value));
      }
    }
    return out;
  };
  auto value = single(field, type, read, [print_entry](const List& list) {
    std::string out;
    for (const auto& entry : list) out += (out.empty() ? "" : ", ") + quote(print_entry(entry));
    return "[" + out + "]";
  });
  value.shape = Shape::list;
  return value;
}

// A list of records, one flow map each. Every record's own place is kept.
template <class F>
Value<typename F::Record> records(F field, const KeyTable<typename F::Type::value_type>& table,
                                  const std::string& entry_type, size_t least, size_t most);

bool is_one_of(const Node& node, const std::vector<std::string_view>& values);

// Recognised, but only in its off state: anything else is refused, never ignored.
template <class S>
Value<S> not_yet(std::vector<std::string_view> off_values) {
  std::string type;
  for (const auto value : off_values) type += (type.empty() ? "" : " | ") + std::string(value);
  const auto read = [off_values, type](const Node& node, Context& context, S&) {
    if (!is_one_of(node, off_values)) context.complain(node, "not available in this version", type);
  };
  return {type, read, nullptr};
}

// "{ address: all-unassigned, port: 25, security: { tls: off } }"; keys that equal their default
// are left out unless they are required. Keys of one section stand together in the table.
template <class S>
std::string print_flow(const KeyTable<S>& table, const S& record) {
  std::string out;
  std::string_view open;  // the section that has begun
  const auto parent_of = [](std::string_view path) {
    const size_t dot = path.rfind('.');
    return dot == path.npos ? std::string_view() : path.substr(0, dot);
  };
  const auto holds = [](std::string_view section, std::string_view path) {
    return section.empty() || (path.starts_with(section) && path.size() > section.size() &&
                               path[section.size()] == '.');
  };
  for (const auto& key : table.keys) {
    if (!key.value.available()) continue;
    const std::string value = key.value.print(record);
    if (!key.required && value == key.value.print(S{})) continue;
    for (; !holds(open, key.path); open = parent_of(open)) out += " }";
    if (!out.empty()) out += ", ";
    std::string_view rest = key.path.substr(open.empty() ? 0 : open.size() + 1);
    for (size_t dot = rest.find('.'); dot != rest.npos; dot = rest.find('.')) {
      out += fmt::format("{}: {{ ", rest.substr(0, dot));
      rest.remove_prefix(dot + 1);
    }
    open = parent_of(key.path);
    out += fmt::format("{}: {}", rest, value);
  }
  for (; !open.empty(); open = parent_of(open)) out += " }";
  return "{ " + out + " }";
}

template <class F>
Value<typename F::Record> records(F field, const KeyTable<typename F::Type::value_type>& table,
                                  const std::string& entry_type, size_t least, size_t most) {
  using S = typename F::Record;
  using List = typename F::Type;
  const auto type = list_type(entry_type, least, most);
  const auto read = [&table, field, type, least, most](const Node& node, Context& context,
                                                       S& record) {
    if (node.kind != Node::Kind::list || node.size() < least || node.size() > most) {
      context.complain_wrong_type(node, type);
      return;
    }
    List out;
    for (size_t i = 0; i < node.size(); ++i) {
      const Context::Step step(context, i);
      typename List::value_type entry;
      entry.place = context.place_of(node.items[i]);
      read_record(node.items[i], table, context, entry);
      out.push_back(std::move(entry));
    }
    field.of(record) = std::move(out);
  };
  // Block style, one entry a line; the renderer indents the lines.
  const auto print = [&table, field](const S& record) {
    std::string out;
    for (const auto& entry : field.of(record)) out += "\n- " + print_flow(table, entry);
    return out.empty() ? std::string("[]") : out;
  };
  return {type, read, print, describe(table), Shape::records};
}

}  // namespace mailroot::config
