#pragma once

#include <string>

#include "serve/api_error.hpp"
#include "serve/named_reading.hpp"

namespace gyre::serve {

/// What a part of a schema of arguments allows, at its outermost.
struct Allowed {
  bool text = false;
  bool integer = false;
  bool number = false;  ///< with a fraction too
  bool boolean = false;
  bool null = false;
  bool other = false;  ///< lists and objects
};

/// What `schema` refers to within `root`, or itself.
const Json& resolved(const Json& schema, const Json& root);

/// Of a schema that says nothing about it: all.
Allowed allowed_by(const Json& schema, const Json& root);

/// Whether an argument may be a text, by the schema of all, or null.
bool holds_text(const Json& schema, const std::string& name);
/// Whether it may be nothing else.
bool holds_only_text(const Json& schema, const std::string& name);

/// The JSON of an argument that was written apart. Where the schema of the function's arguments allows texts alone it
/// is one; where it allows others besides, what is JSON of one of those is that. Null: there is no schema.
std::string parameter_json(const Parameter& parameter, const Json& schema);

}  // namespace gyre::serve
