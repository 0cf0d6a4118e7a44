#include "serve/json_language.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "serve/fields.hpp"
#include "text/regular_expression.hpp"

namespace gyre::serve {
namespace {

using Part = AutomatonBuilder::Part;

constexpr int kDeepest = 6;  ///< values of any kind in one another
constexpr int kDeepestSchema = 32;
constexpr int kMostItems = 256;
constexpr int kMostCharacters = 1024;

/// What models write between tokens of JSON, within bounds: else one might write white space for ever.
constexpr const char* kSpace = R"(( |\n {0,16})?)";
constexpr const char* kInteger = "-?(0|[1-9][0-9]{0,17})";
constexpr const char* kNumber = R"(-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?)";
/// A character of a text: one that stands for itself, or an escape, but of no half of a pair.
constexpr const char* kCharacter =
    R"(([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u([0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))))";

class SchemaReader {
 public:
  SchemaReader(AutomatonBuilder& builder, const Json& root, std::string field)
      : builder_(builder), root_(root), field_(std::move(field)) {}

  Part value(const Json& schema, const std::string& at, int depth) {
    if (depth > kDeepestSchema) throw bad_request(field_, "{}: schemas are nested deeper than {}", at, kDeepestSchema);
    if (schema.is_boolean() && schema.get<bool>()) return anything(kDeepest);
    Fields fields(schema, at);
    fields.ignore(
        {"title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "strict"});
    fields.ignore({"$defs", "definitions"});
    if (const auto name = fields.text("$ref")) {
      fields.done();
      return reference(*name, at, depth);
    }
    Part made = described(fields, at, depth);
    fields.done();
    return made;
  }

  Part anything(int depth) {
    std::vector<Part> kinds = {text_value(0, -1), expression(kNumber), builder_.text("true"), builder_.text("false"),
                               builder_.text("null")};
    if (depth > 0) {
      kinds.push_back(any_object(depth - 1));
      kinds.push_back(list_of([&] { return anything(depth - 1); }, 0, -1));
    }
    return builder_.any_of(kinds);
  }

  Part any_object(int depth) {
    const Part pair = builder_.sequence({text_value(0, -1), space(), builder_.text(":"), space(), anything(depth)});
    const Part members = builder_.separated(pair, comma());
    return builder_.sequence(
        {builder_.text("{"), builder_.optional(builder_.sequence({space(), members})), space(), builder_.text("}")});
  }

 private:
  Part expression(const char* text) { return add_regular_expression(builder_, text, "JSON"); }
  Part space() { return expression(kSpace); }
  Part comma() { return builder_.sequence({builder_.text(","), space()}); }
  Part text_value(int least, int most) {
    const Part characters = builder_.times([&] { return expression(kCharacter); }, least, most);
    return builder_.sequence({builder_.text("\""), characters, builder_.text("\"")});
  }

  Part reference(const std::string& name, const std::string& at, int depth) {
    const Json* target = nullptr;
    try {
      if (name.starts_with("#/")) target = &root_.at(Json::json_pointer(name.substr(1)));
    } catch (const Json::exception&) {
      target = nullptr;
    }
    if (target == nullptr) throw bad_request(field_, "{}.$ref: there is no \"{}\" in the schema", at, name);
    if (!open_.insert(name).second)
      throw bad_request(field_, "{}.$ref: \"{}\" holds itself, which is not supported", at, name);
    const Part made = value(*target, name, depth + 1);
    open_.erase(name);
    return made;
  }

  Part described(Fields& fields, const std::string& at, int depth) {
    if (const Json* const one = fields.find("const")) return builder_.text(dump(*one));
    if (const Json* const list = fields.list("enum", 512)) {
      fields.find("type");
      std::vector<Part> parts;
      for (const Json& one : *list) parts.push_back(builder_.text(dump(one)));
      if (parts.empty()) throw fields.wrong("enum", "it is empty");
      return builder_.any_of(parts);
    }
    if (const Json* const list = fields.list("anyOf", 64)) {
      std::vector<Part> parts;
      for (std::size_t i = 0; i < list->size(); ++i) {
        parts.push_back(value((*list)[i], fmt::format("{}.anyOf[{}]", at, i), depth + 1));
      }
      if (parts.empty()) throw fields.wrong("anyOf", "it is empty");
      return builder_.any_of(parts);
    }
    const Json* const type = fields.find("type");
    if (type == nullptr) {
      if (fields.find("properties") != nullptr) return object(fields, at, depth);
      return anything(kDeepest);
    }
    const Json types = type->is_string() ? Json::array({*type}) : *type;
    if (!types.is_array() || types.empty()) throw fields.wrong("type", "expected a name or a list of names");
    std::vector<Part> parts;
    for (const Json& one : types) parts.push_back(of_type(one, fields, at, depth));
    return builder_.any_of(parts);
  }

  Part of_type(const Json& type, Fields& fields, const std::string& at, int depth) {
    const std::string name = type.is_string() ? type.get<std::string>() : dump(type);
    if (name == "object") return object(fields, at, depth);
    if (name == "array") return array(fields, at, depth);
    if (name == "string") return text(fields);
    if (name == "integer") return expression(kInteger);
    if (name == "number") return expression(kNumber);
    if (name == "boolean") return builder_.any_of({builder_.text("true"), builder_.text("false")});
    if (name == "null") return builder_.text("null");
    throw fields.wrong("type", "there is no \"{}\" in JSON", name.substr(0, 40));
  }

  Part text(Fields& fields) {
    const auto pattern = fields.text("pattern");
    const int least = static_cast<int>(fields.integer("minLength", 0, kMostCharacters).value_or(0));
    const int most = static_cast<int>(fields.integer("maxLength", 0, kMostCharacters).value_or(-1));
    if (most >= 0 && most < least) throw fields.wrong("maxLength", "less than minLength");
    if (!pattern) return text_value(least, most);
    if (least > 0 || most >= 0) throw fields.wrong("pattern", "beside minLength or maxLength it is not supported");
    if (!pattern->starts_with('^') || !pattern->ends_with('$')) {
      throw fields.wrong("pattern", "only whole texts are matched; write ^…$");
    }
    try {
      // Within quotes nothing may stand that JSON writes as an escape.
      ByteSet escaped;
      for (std::size_t byte = 0; byte < ' '; ++byte) escaped.set(byte);
      escaped.set('"').set('\\');
      AutomatonBuilder alone;
      add_regular_expression(alone, *pattern, fields.path_of("pattern"));
      if (alone.reads(escaped)) {
        throw fields.wrong("pattern",
                           "it matches quotes, backslashes or control characters, which JSON writes otherwise");
      }
      return builder_.sequence({builder_.text("\""),
                                add_regular_expression(builder_, *pattern, fields.path_of("pattern")),
                                builder_.text("\"")});
    } catch (const Error& failure) {
      throw bad_request(field_, "{}", failure.what());
    }
  }

  template <typename Make>
  Part list_of(const Make& make, int least, int most) {
    if (most == 0) return builder_.sequence({builder_.text("["), space(), builder_.text("]")});
    const Part open = builder_.sequence({builder_.text("["), space()});
    const Part close = builder_.sequence({space(), builder_.text("]")});
    if (most < 0 && least <= 1) {
      const Part items = builder_.separated(make(), comma());
      return builder_.sequence({open, least == 0 ? builder_.optional(items) : items, close});
    }
    const Part first = make();
    const Part further = builder_.times(
        [&] {
          return builder_.sequence({comma(), make()});
        },
        std::max(0, least - 1), most < 0 ? -1 : most - 1);
    const Part items = builder_.sequence({first, further});
    return builder_.sequence({open, least == 0 ? builder_.optional(items) : items, close});
  }

  Part array(Fields& fields, const std::string& at, int depth) {
    const Json* const items = fields.find("items");
    const int least = static_cast<int>(fields.integer("minItems", 0, kMostItems).value_or(0));
    const int most = static_cast<int>(fields.integer("maxItems", 0, kMostItems).value_or(-1));
    if (most >= 0 && most < least) throw fields.wrong("maxItems", "less than minItems");
    const auto make = [&] {
      return items == nullptr ? anything(kDeepest / 2) : value(*items, at + ".items", depth + 1);
    };
    return list_of(make, least, most);
  }

  /// The properties in their order, those that need not be there left out or not, with a comma between any two.
  Part object(Fields& fields, const std::string& at, int depth) {
    const Json* const properties = fields.find("properties");
    const Json* const required = fields.list("required", 512);
    const Json* const others = fields.find("additionalProperties");
    if (properties == nullptr) {
      if (required != nullptr && !required->empty()) throw fields.wrong("required", "without \"properties\"");
      if (others != nullptr && others->is_object()) return map_of(*others, at, depth);
      if (others != nullptr && *others == Json(false))
        return builder_.sequence({builder_.text("{"), space(), builder_.text("}")});
      return any_object(kDeepest / 2);
    }
    if (!properties->is_object())
      throw fields.wrong("properties", "expected an object, found {}", kind_of(*properties));
    if (others != nullptr && !others->is_boolean()) {
      throw fields.wrong("additionalProperties", "beside \"properties\" it may be true or false");
    }
    std::set<std::string> needed;
    for (std::size_t i = 0; required != nullptr && i < required->size(); ++i) {
      const Json& name = (*required)[i];
      if (!name.is_string() || !properties->contains(name.get<std::string>())) {
        throw fields.wrong("required", "{} is none of the properties", dump(name).substr(0, 60));
      }
      needed.insert(name.get<std::string>());
    }
    int fresh = builder_.place();   // no property yet
    int behind = builder_.place();  // some
    const Part open = builder_.sequence({builder_.text("{"), space()});
    builder_.lead(open.last, fresh);
    for (const auto& [name, schema] : properties->items()) {
      const Part member = builder_.sequence({builder_.text(dump(Json(name))), space(), builder_.text(":"), space(),
                                             value(schema, fmt::format("{}.properties.{}", at, name), depth + 1)});
      const Part between = comma();
      builder_.lead(fresh, member.first);
      builder_.lead(behind, between.first);
      builder_.lead(between.last, member.first);
      const int next_fresh = builder_.place();
      const int next_behind = builder_.place();
      builder_.lead(member.last, next_behind);
      if (!needed.contains(name)) {
        builder_.lead(fresh, next_fresh);
        builder_.lead(behind, next_behind);
      }
      fresh = next_fresh;
      behind = next_behind;
    }
    const Part close = builder_.sequence({space(), builder_.text("}")});
    builder_.lead(fresh, close.first);
    builder_.lead(behind, close.first);
    return {open.first, close.last};
  }

  Part map_of(const Json& schema, const std::string& at, int depth) {
    const Part pair = builder_.sequence({text_value(0, -1), space(), builder_.text(":"), space(),
                                         value(schema, at + ".additionalProperties", depth + 1)});
    return builder_.sequence({builder_.text("{"), space(), builder_.optional(builder_.separated(pair, comma())),
                              space(), builder_.text("}")});
  }

  AutomatonBuilder& builder_;
  const Json& root_;
  std::string field_;
  std::set<std::string> open_;
};

}  // namespace

ByteAutomaton language_of_schema(const Json& schema, const std::string& field) {
  AutomatonBuilder builder;
  try {
    return builder.build(add_schema(builder, schema, field));
  } catch (const Error& failure) {
    throw bad_request(field, "{}: {}", field, failure.what());
  }
}

ByteAutomaton language_of_objects() {
  AutomatonBuilder builder;
  return builder.build(add_objects(builder));
}

AutomatonBuilder::Part add_schema(AutomatonBuilder& builder, const Json& schema, const std::string& field) {
  return SchemaReader(builder, schema, field).value(schema, field, 0);
}

AutomatonBuilder::Part add_schema(AutomatonBuilder& builder, const Json& schema, const Json& root,
                                  const std::string& field, const std::string& at) {
  return SchemaReader(builder, root, field).value(schema, at, 0);
}

AutomatonBuilder::Part add_objects(AutomatonBuilder& builder) {
  const Json none = Json::object();
  return SchemaReader(builder, none, "").any_object(kDeepest - 1);
}

}  // namespace gyre::serve
