#include "serve/named_language.hpp"

#include <algorithm>
#include <cctype>

#include "serve/json_language.hpp"
#include "serve/parameter_value.hpp"
#include "serve/white_space.hpp"

namespace gyre::serve {
namespace {

using Part = AutomatonBuilder::Part;

constexpr int kMostDigits = 4;  ///< of the number of a call

ByteSet letters(bool (*of)(char)) {
  ByteSet set;
  for (std::size_t c = 0; c < 128; ++c) set.set(c, of(static_cast<char>(c)));
  return set;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_of_name(char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; }

class NamedLanguage {
 public:
  NamedLanguage(AutomatonBuilder& builder, const Tools& tools, const NamedForm& form, const TagTokens& tags)
      : builder_(builder), tools_(tools), form_(form), tags_(tags) {}

  Part behind_trigger() {
    std::vector<Part> parts = {words((form_.begin + form_.open).substr(form_.trigger().size())), call()};
    if (tools_.parallel) {
      parts.push_back(builder_.any_number_of(builder_.sequence({words(form_.between + form_.open), call()})));
    }
    parts.push_back(tags_.last_tag(builder_, form_.end));
    return builder_.sequence(parts);
  }

 private:
  /// A part of the form: what stands in it, an id where one has to be.
  Part words(std::string_view text) {
    const std::size_t id = text.find(NamedForm::kId);
    if (id == std::string_view::npos) return tag(text);
    return builder_.sequence({tag(text.substr(0, id)),
                              form_.numbers ? repeated(letters(is_digit), 1, kMostDigits) : add_id(builder_),
                              words(text.substr(id + 1))});
  }

  Part tag(std::string_view text) { return tags_.tag(builder_, text); }

  Part repeated(const ByteSet& set, int least, int most) {
    return builder_.times([&] { return builder_.byte_of(set); }, least, most);
  }

  /// From the name on.
  Part call() {
    std::vector<Part> kinds;
    for (const Tool& tool : tools_.offered) {
      if (!tools_.may_call(tool)) continue;
      kinds.push_back(builder_.sequence({builder_.text(tool.name), form_.apart() ? apart(tool) : together(tool)}));
    }
    return builder_.any_of(kinds);
  }

  Part together(const Tool& tool) {
    const Part arguments = !tools_.checked(tool)       ? add_objects(builder_)
                           : tool.parameters.is_null() ? builder_.text("{}")
                                                       : add_schema(builder_, tool.parameters, tool.field);
    return builder_.sequence({words(form_.middle), arguments, tag(form_.close)});
  }

  Part apart(const Tool& tool) {
    std::vector<Part> parts = {words(form_.middle)};
    if (!tools_.checked(tool)) {
      parts.push_back(any_parameters());
    } else if (!tool.parameters.is_null()) {
      parts.push_back(parameters(tool));
    }
    // White space behind the last is missing where there is none.
    const std::string_view close = without_space(form_.close);
    parts.push_back(builder_.optional(builder_.text(form_.close.substr(0, form_.close.find(close)))));
    parts.push_back(tag(close));
    return builder_.sequence(parts);
  }

  Part parameter(const std::string& middle, Part name, Part value) {
    return builder_.sequence({tag(form_.parameters.open), name, tag(middle), value, tag(form_.parameters.between)});
  }

  /// Of a function whose schema is not looked at.
  Part any_parameters() {
    std::vector<Part> kinds;
    for (const std::string& middle : {form_.parameters.middle, form_.parameters.text_middle}) {
      kinds.push_back(parameter(middle, repeated(letters(is_of_name), 1, -1), any_text()));
    }
    return builder_.any_number_of(builder_.any_of(kinds));
  }

  Part any_text() { return tags_.through(builder_, without_space(form_.parameters.close)); }

  /// Those of a schema, in their order.
  Part parameters(const Tool& tool) {
    const Json& schema = tool.parameters;
    for (const auto& [name, value] : schema.items()) check_field(tool, name, value);
    const Json properties = schema.value("properties", Json::object());
    const Json required = schema.value("required", Json::array());
    for (const Json& name : required) {
      if (!name.is_string() || !properties.contains(name.get<std::string>())) {
        throw bad_request(tool.field, "{}.required: {} is none of the properties", tool.field,
                          dump(name).substr(0, 60));
      }
    }
    std::vector<Part> parts;
    for (const auto& [name, value] : properties.items()) {
      const bool needed = std::find(required.begin(), required.end(), name) != required.end();
      const Part one = property(tool, name, value);
      parts.push_back(needed ? one : builder_.optional(one));
    }
    return builder_.sequence(parts);
  }

  static void check_field(const Tool& tool, const std::string& name, const Json& value) {
    const bool known = name == "title" || name == "description" || name == "$defs" || name == "definitions" ||
                       name == "$schema" || name == "strict" || (name == "type" && value == "object") ||
                       (name == "properties" && value.is_object()) || (name == "required" && value.is_array()) ||
                       (name == "additionalProperties" && value.is_boolean());
    if (known) return;
    const std::string path = fmt::format("{}.{}", tool.field, name);
    throw bad_request(path, "{}: not supported where a model writes arguments apart, as this one does", path);
  }

  Part property(const Tool& tool, const std::string& name, const Json& schema) {
    const std::string at = fmt::format("{}.properties.{}", tool.field, name);
    const ParameterForm& form = form_.parameters;
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_of_name)) {
      throw bad_request(at, "{}: an argument that is written apart is named by a-z, A-Z, 0-9, _, - and .", at);
    }
    const Part named = builder_.text(name);
    const Allowed allowed = allowed_by(schema, tool.parameters);
    if (!allowed.text) {
      const Part value = add_schema(builder_, schema, tool.parameters, tool.field, at);
      return parameter(form.middle, named, builder_.sequence({value, tag(form.close)}));
    }
    return parameter(form.text_middle, named, text(schema, tool, name, at));
  }

  /// A text that stands as it is: one of a list, or any. It ends at the tag behind it, so nothing else can be counted
  /// or matched in it.
  Part text(const Json& given, const Tool& tool, const std::string& name, const std::string& at) {
    const Json& schema = resolved(given, tool.parameters);
    const char* const one = schema.is_object() && schema.contains("const") ? "const" : "enum";
    if (schema.is_object() && schema.contains(one)) {
      const bool told = form_.parameters.middle != form_.parameters.text_middle;  // what is a text, and what is not
      const Json values = schema[one].is_array() && one[0] == 'e' ? schema[one] : Json::array({schema[one]});
      std::vector<Part> parts;
      for (const Json& value : values) {
        if (told && !value.is_string()) continue;
        const std::string words = value.is_string() ? value.get<std::string>() : dump(value);
        const std::string read = parameter_json({.is_text = told, .name = name, .value = words}, tool.parameters);
        if (words.find(without_space(form_.parameters.close)) != std::string::npos || read != dump(value)) {
          throw bad_request(at, "{}.{}: {} would be read as something else", at, one, dump(value));
        }
        parts.push_back(builder_.sequence({builder_.text(words), tag(form_.parameters.close)}));
      }
      return builder_.any_of(parts);
    }
    check_free(schema, tool, at, 0);
    return any_text();
  }

  /// Whether any text is of a schema, whatever is read in it.
  static void check_free(const Json& schema, const Tool& tool, const std::string& at, int depth) {
    if (schema == Json(true)) return;
    const std::string why = "is not supported in a text that a model writes apart, as this one does";
    if (!schema.is_object() || depth > 8) throw bad_request(at, "{}: it {}", at, why);
    for (const auto& [name, value] : schema.items()) {
      if (name == "title" || name == "description" || name == "default" || name == "examples") continue;
      if (name == "anyOf" && value.is_array()) {
        for (const Json& kind : value) check_free(resolved(kind, tool.parameters), tool, at, depth + 1);
      } else if (name == "type") {
        const Json types = value.is_array() ? value : Json::array({value});
        for (const Json& type : types) {
          if (type == "array" || type == "object")
            throw bad_request(at, "{}.type: {} beside texts {}", at, dump(type), why);
        }
      } else {
        throw bad_request(at, "{}.{}: it {}", at, name, why);
      }
    }
  }

  AutomatonBuilder& builder_;
  const Tools& tools_;
  const NamedForm& form_;
  const TagTokens& tags_;
};

}  // namespace

Part add_id(AutomatonBuilder& builder) {
  const ByteSet set = letters(is_alphanumeric);
  return builder.times([&] { return builder.byte_of(set); }, kToolIdSize, kToolIdSize);
}

Part add_named_calls(AutomatonBuilder& builder, const Tools& tools, const NamedForm& form, const TagTokens& tags) {
  return NamedLanguage(builder, tools, form, tags).behind_trigger();
}

}  // namespace gyre::serve
