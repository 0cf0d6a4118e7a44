#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "format/json_object.hpp"

namespace gyre {

/// The value of `key`, or nothing when it is missing or null: the two mean the same in a tokenizer.json.
const nlohmann::json* find_value(const nlohmann::json& object, std::string_view key);

/// A part of the file that a JsonObject can read: a missing one is reported by its full name.
const nlohmann::json& require_part(const nlohmann::json& object, const std::string& where, std::string_view key);

/// Throws Error unless `key` is missing, null or empty text.
void require_absent(const nlohmann::json& object, const std::string& where, std::string_view key);

/// Throws Error when `key` is true; `otherwise` is what a missing key means.
void require_false(const JsonObject& object, const std::string& where, std::string_view key, bool otherwise = false);

/// The code point of the one character that `key` holds.
char32_t require_character(const JsonObject& object, const std::string& where, std::string_view key);

/// The steps of a Sequence under `key`, each with its place in the file. A Sequence inside one is refused: it is legal
/// but nobody writes it, and refusing it bounds the depth of an untrusted file.
template <typename Visit>
void for_each_step(const nlohmann::json& sequence, const std::string& where, std::string_view key, Visit visit) {
  const JsonObject object(sequence, where);
  object.allow({"type", key});
  const nlohmann::json& steps = object.array(key);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string here = fmt::format("{}.{}[{}]", where, key, i);
    if (JsonObject(steps[i], here).text("type") == "Sequence") {
      throw Error("{}: a Sequence inside a Sequence is not supported; list its steps directly", here);
    }
    visit(steps[i], here);
  }
}

}  // namespace gyre
