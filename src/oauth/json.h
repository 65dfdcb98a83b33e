// JSON of a stranger: bounded in size and depth, and read without exceptions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace mailroot::oauth {

// An object, or nothing: too large, too deep, no JSON, no object.
std::optional<nlohmann::json> parse_object(std::string_view text);

// A string member of printable ASCII and at most `most` octets; else nothing.
std::optional<std::string> text_of(const nlohmann::json& object, const char* name, size_t most);

// A number of seconds, also written as a string; else nothing. Negative ones are 0.
std::optional<int64_t> seconds_of(const nlohmann::json& object, const char* name);

}  // namespace mailroot::oauth
