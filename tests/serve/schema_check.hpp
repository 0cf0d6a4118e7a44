#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace gyre {

/// Checks JSON against the part of JSON Schema that the server's own document uses.
class SchemaCheck {
 public:
  using Json = nlohmann::ordered_json;

  /// `document` outlives it; references are of it.
  explicit SchemaCheck(const Json& document) : document_(document) {}

  /// What is wrong with a value, or nothing.
  [[nodiscard]] std::string mistake(const Json& value, const Json& schema, const std::string& at = "$") const {
    if (schema.contains("$ref")) return mistake(value, referred(schema.at("$ref")), at);
    if (schema.contains("const") && value != schema.at("const")) return fmt::format("{} is {}", at, value.dump());
    if (schema.contains("enum")) {
      const Json& list = schema.at("enum");
      if (std::find(list.begin(), list.end(), value) == list.end()) return fmt::format("{} is {}", at, value.dump());
    }
    if (schema.contains("anyOf")) {
      std::string all;
      for (const Json& one : schema.at("anyOf")) {
        const std::string wrong = mistake(value, one, at);
        if (wrong.empty()) return {};
        all += fmt::format("({}) ", wrong);
      }
      return all;
    }
    if (schema.contains("type") && !is_of_type(value, schema.at("type"))) {
      return fmt::format("{} is {}, not {}", at, value.dump().substr(0, 60), schema.at("type").dump());
    }
    if (value.is_number() && schema.contains("minimum") && value < schema.at("minimum"))
      return fmt::format("{} is {}", at, value.dump());
    if (value.is_number() && schema.contains("maximum") && value > schema.at("maximum"))
      return fmt::format("{} is {}", at, value.dump());
    if (value.is_object()) return mistake_of_object(value, schema, at);
    if (value.is_array() && schema.contains("items")) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        std::string wrong = mistake(value[i], schema.at("items"), fmt::format("{}[{}]", at, i));
        if (!wrong.empty()) return wrong;
      }
    }
    return {};
  }

  [[nodiscard]] const Json& referred(const std::string& name) const {
    return document_.at(Json::json_pointer(name.substr(1)));
  }

 private:
  static bool is_of_type(const Json& value, const Json& type) {
    if (type.is_array()) {
      return std::any_of(type.begin(), type.end(), [&](const Json& one) { return is_of_type(value, one); });
    }
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "integer") return value.is_number_integer();
    return type == "number" && value.is_number();
  }

  [[nodiscard]] std::string mistake_of_object(const Json& value, const Json& schema, const std::string& at) const {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) return fmt::format("{} has no {}", at, name.dump());
    }
    const Json known = schema.value("properties", Json::object());
    for (const auto& [name, inner] : value.items()) {
      const std::string inner_at = fmt::format("{}.{}", at, name);
      std::string wrong;
      if (known.contains(name)) {
        wrong = mistake(inner, known.at(name), inner_at);
      } else if (schema.contains("additionalProperties")) {
        const Json& others = schema.at("additionalProperties");
        if (others.is_object()) wrong = mistake(inner, others, inner_at);
        if (others == Json(false)) wrong = fmt::format("{} is not described", inner_at);
      }
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  const Json& document_;
};

}  // namespace gyre
