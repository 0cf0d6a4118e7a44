#include "serve/parameter_value.hpp"

#include <string_view>

#include "serve/white_space.hpp"

namespace gyre::serve {
namespace {

constexpr int kMostReferences = 32;
constexpr Allowed kAnything = {true, true, true, true, true, true};

void allow(const Json& value, Allowed& allowed) {
  allowed.text |= value.is_string();
  allowed.integer |= value.is_number_integer();
  allowed.number |= value.is_number_float();
  allowed.boolean |= value.is_boolean();
  allowed.null |= value.is_null();
  allowed.other |= value.is_structured();
}

void allow_type(const Json& type, Allowed& allowed) {
  allowed.text |= type == "string";
  allowed.integer |= type == "integer" || type == "number";
  allowed.number |= type == "number";
  allowed.boolean |= type == "boolean";
  allowed.null |= type == "null";
  allowed.other |= type == "array" || type == "object";
}

void allow_schema(const Json& given, const Json& root, Allowed& allowed, int depth) {
  const Json& schema = resolved(given, root);
  const auto list = [&](const char* name) -> const Json* {
    return schema.is_object() && schema.contains(name) && schema[name].is_array() ? &schema[name] : nullptr;
  };
  if (schema.is_object() && schema.contains("const")) return allow(schema["const"], allowed);
  if (const Json* const values = list("enum")) {
    for (const Json& value : *values) allow(value, allowed);
  } else if (const Json* const kinds = list("anyOf"); kinds != nullptr && depth < kMostReferences) {
    for (const Json& kind : *kinds) allow_schema(kind, root, allowed, depth + 1);
  } else if (schema.is_object() && schema.contains("type")) {
    for (const Json& type : schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]})) {
      allow_type(type, allowed);
    }
  } else if (schema.is_object() && schema.contains("properties")) {
    allowed.other = true;
  } else {
    allowed = kAnything;
  }
}

bool allows(const Allowed& allowed, const Json& value) {
  return (value.is_number_integer() && allowed.integer) || (value.is_number_float() && allowed.number) ||
         (value.is_boolean() && allowed.boolean) || (value.is_null() && allowed.null) ||
         (value.is_structured() && allowed.other);
}

/// Of an argument of a function.
Allowed allowed_of(const Json& schema, const std::string& name) {
  const bool known = schema.is_object() && schema.contains("properties") && schema["properties"].contains(name);
  return known ? allowed_by(schema["properties"][name], schema) : kAnything;
}

/// JSON, or a word of Python's, as some templates write truth.
std::string json_word(std::string_view text) {
  if (text == "True") return "true";
  if (text == "False") return "false";
  return text == "None" ? "null" : std::string(text);
}

}  // namespace

const Json& resolved(const Json& schema, const Json& root) {
  const Json* at = &schema;
  for (int i = 0; i < kMostReferences && at->is_object() && at->contains("$ref") && at->at("$ref").is_string(); ++i) {
    const auto& name = at->at("$ref").get_ref<const std::string&>();
    if (!name.starts_with("#/")) break;
    try {
      at = &root.at(Json::json_pointer(name.substr(1)));
    } catch (const Json::exception&) {
      break;
    }
  }
  return *at;
}

Allowed allowed_by(const Json& schema, const Json& root) {
  Allowed allowed;
  allow_schema(schema, root, allowed, 0);
  return allowed;
}

bool holds_text(const Json& schema, const std::string& name) { return allowed_of(schema, name).text; }

bool holds_only_text(const Json& schema, const std::string& name) {
  const Allowed allowed = allowed_of(schema, name);
  const bool others = allowed.integer || allowed.number || allowed.boolean || allowed.null || allowed.other;
  return allowed.text && !others;
}

std::string parameter_json(const Parameter& parameter, const Json& schema) {
  if (parameter.is_text) return dump(Json(parameter.value));
  const Allowed allowed = allowed_of(schema, parameter.name);
  std::string word = json_word(without_space(parameter.value));
  const Json value = Json::parse(word, nullptr, false);
  const bool json = parameter.is_json || !allowed.text || allows(allowed, value);
  if (json && !value.is_discarded()) return word;
  return dump(Json(parameter.value));
}

}  // namespace gyre::serve
