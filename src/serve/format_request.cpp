#include "base/error.hpp"
#include "serve/json_language.hpp"
#include "serve/request.hpp"
#include "text/regular_expression.hpp"

namespace gyre::serve {
namespace {

constexpr std::size_t kMostChoices = 512;
constexpr std::size_t kMostExpression = 4096;

ByteAutomaton of_choices(Fields& fields, std::string_view name) {
  const Json& list = *fields.list(name, kMostChoices);
  AutomatonBuilder builder;
  std::vector<AutomatonBuilder::Part> parts;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_string() || list[i].get_ref<const std::string&>().empty()) {
      throw fields.wrong(fmt::format("{}[{}]", name, i), "expected a text that is not empty");
    }
    parts.push_back(builder.text(list[i].get_ref<const std::string&>()));
  }
  if (parts.empty()) throw fields.wrong(name, "there is nothing to choose from");
  return builder.build(builder.any_of(parts));
}

ByteAutomaton of_expression(Fields& fields, std::string_view name) {
  const std::string text = fields.text(name).value_or("");
  if (text.empty() || text.size() > kMostExpression) {
    throw fields.wrong(name, "an expression has 1 to {} bytes", kMostExpression);
  }
  AutomatonBuilder builder;
  try {
    return builder.build(add_regular_expression(builder, text, fields.path_of(name)));
  } catch (const Error& failure) {
    throw bad_request(fields.path_of(name), "{}", failure.what());
  }
}

/// A schema, or the text of one.
ByteAutomaton of_schema(Fields& fields, std::string_view name) {
  const Json& value = *fields.find(name);
  const std::string path = fields.path_of(name);
  return language_of_schema(value.is_string() ? parse_text(value.get<std::string>(), path, path) : value, path);
}

std::optional<ByteAutomaton> of_format(Fields& around, std::string_view name) {
  std::optional<Fields> format = around.object(name);
  if (!format) return std::nullopt;
  const std::string type = format->text("type").value_or("");
  std::optional<ByteAutomaton> language;
  if (type == "json_object") {
    language = format->find("schema") == nullptr ? language_of_objects() : of_schema(*format, "schema");
  } else if (type == "json_schema") {
    if (std::optional<Fields> wrapped = format->object("json_schema")) {
      wrapped->ignore({"name", "description", "strict"});
      if (wrapped->find("schema") == nullptr) throw wrapped->wrong("schema", "it is missing");
      language = of_schema(*wrapped, "schema");
      wrapped->done();
    } else if (format->find("schema") != nullptr) {
      format->ignore({"name", "description", "strict"});  // as Responses have them
      language = of_schema(*format, "schema");
    } else {
      throw format->wrong("json_schema", "it is missing");
    }
  } else if (type != "text") {
    throw format->wrong("type", "choose text, json_object or json_schema");
  }
  format->done();
  return language;
}

std::optional<ByteAutomaton> language_asked(Fields& body) {
  std::optional<ByteAutomaton> language = of_format(body, "response_format");
  const auto add = [&](Fields& fields, std::string_view name, auto make) {
    if (fields.find(name) == nullptr) return;
    if (language) throw fields.wrong(name, "another field says already what the text has to be; leave one out");
    language = make(fields, name);
  };
  add(body, "json_schema", of_schema);
  add(body, "guided_json", of_schema);
  add(body, "guided_choice", of_choices);
  add(body, "guided_regex", of_expression);
  if (std::optional<Fields> outputs = body.object("structured_outputs")) {
    add(*outputs, "json", of_schema);
    add(*outputs, "choice", of_choices);
    add(*outputs, "regex", of_expression);
    if (outputs->boolean("json_object").value_or(false)) {
      add(*outputs, "json_object", [](Fields&, std::string_view) { return language_of_objects(); });
    }
    outputs->done();
  }
  return language;
}

}  // namespace

void read_format(Fields& body, FormatCache& formats, TextRequest& request) {
  Generation& generation = request.generation;
  // All that the language depends on, and the mask: tokens, and whether there are ends.
  std::string key = fmt::format("{} {} ", generation.model, generation.limits.ends.size());
  for (const char* name :
       {"response_format", "json_schema", "guided_json", "guided_choice", "guided_regex", "structured_outputs"}) {
    if (const Json* const value = body.find(name)) key += fmt::format("{}: {}, ", name, dump(*value));
  }
  if (!key.ends_with(", ")) return;
  generation.format = formats.get(key, [&]() -> std::shared_ptr<TokenMask> {
    std::optional<ByteAutomaton> language = language_asked(body);
    if (!language) return nullptr;
    return std::make_shared<TokenMask>(std::move(*language), generation.limits.ends);
  });
}

void read_text_format(Fields& text, FormatCache& formats, TextRequest& request) {
  Generation& generation = request.generation;
  const Json* const value = text.find("format");
  if (value == nullptr) return;
  if (generation.format != nullptr) throw text.wrong("format", "another field says already what the text has to be");
  const std::string key = fmt::format("{} {} {}", generation.model, generation.limits.ends.size(), dump(*value));
  generation.format = formats.get(key, [&]() -> std::shared_ptr<TokenMask> {
    std::optional<ByteAutomaton> language = of_format(text, "format");
    return language ? std::make_shared<TokenMask>(std::move(*language), generation.limits.ends) : nullptr;
  });
}

}  // namespace gyre::serve
