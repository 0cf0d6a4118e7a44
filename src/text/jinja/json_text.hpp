#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// What json.dumps of Python is told.
struct JsonStyle {
  bool ascii = false;                 ///< other characters are escaped
  std::optional<std::string> indent;  ///< of one level; without one everything stands on one line
  std::string between_items = ", ";
  std::string behind_key = ": ";
  bool sort_keys = false;
};

/// json.dumps(value). Throws Failure for what JSON cannot hold.
std::string json_text(const Value& value, const JsonStyle& style, Budget& budget);

/// A JSON value as one of a template. Throws Failure when a text is not UTF-8.
Value value_of(const nlohmann::ordered_json& json);

}  // namespace gyre::jinja
