#include "serve/tools.hpp"

#include <algorithm>

#include "serve/json_language.hpp"
#include "serve/named_language.hpp"

namespace gyre::serve {
namespace {

constexpr std::size_t kMostTools = 128;
constexpr std::size_t kMostName = 64;

std::string read_name(Fields& function) {
  const std::optional<std::string> name = function.text("name");
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (!name || name->empty() || name->size() > kMostName || !std::all_of(name->begin(), name->end(), fits)) {
    throw function.wrong("name", "a function is named by 1 to {} of a-z, A-Z, 0-9, _, - and .", kMostName);
  }
  return *name;
}

Tool read_function(Fields& function) {
  Tool tool{read_name(function)};
  function.text("description");
  tool.strict = function.boolean("strict").value_or(false);
  tool.field = function.path_of("parameters");
  if (const Json* const parameters = function.find("parameters")) {
    if (!parameters->is_object()) {
      throw function.wrong("parameters", "expected the schema of an object, found {}", kind_of(*parameters));
    }
    if (!parameters->empty()) tool.parameters = *parameters;
  }
  function.done();
  return tool;
}

/// One entry of "tools", which is shown to templates as Chat Completions write it.
void read_tool(const Json& json, const std::string& field, ToolStyle style, Tools& tools) {
  Fields entry(json, field);
  const std::string type = entry.text("type").value_or("");
  if (type != "function") throw entry.wrong("type", "\"{}\" is not offered; give a \"function\"", type.substr(0, 40));
  Json function = json;
  if (style == ToolStyle::nested) {
    std::optional<Fields> inner = entry.object("function");
    if (!inner) throw entry.wrong("function", "it is missing");
    tools.offered.push_back(read_function(*inner));
    entry.done();
    function = json.at("function");
  } else {
    tools.offered.push_back(read_function(entry));
    function.erase("type");
  }
  function.erase("strict");
  const std::string& name = tools.offered.back().name;
  const auto same = [&](const Tool& other) { return other.name == name; };
  if (std::count_if(tools.offered.begin(), tools.offered.end(), same) > 1) {
    throw bad_request(field, "{}: there is a function \"{}\" already", field, name);
  }
  tools.shown.push_back({{"type", "function"}, {"function", std::move(function)}});
}

void read_choice(Fields& body, ToolStyle style, Tools& tools) {
  const Json* const choice = body.find("tool_choice");
  if (choice == nullptr) return;
  if (choice->is_string()) {
    const auto& word = choice->get_ref<const std::string&>();
    if (word == "none") {
      tools.choice = Tools::Choice::none;
    } else if (word == "required") {
      tools.choice = Tools::Choice::required;
    } else if (word != "auto") {
      throw body.wrong("tool_choice", "choose none, auto, required or a function");
    }
    return;
  }
  Fields named(*choice, "tool_choice");
  if (named.text("type").value_or("") != "function") throw named.wrong("type", "choose a \"function\"");
  std::optional<Fields> inner = style == ToolStyle::nested ? named.object("function") : std::nullopt;
  if (style == ToolStyle::nested && !inner) throw named.wrong("function", "it is missing");
  Fields& function = inner ? *inner : named;
  tools.only = read_name(function);
  function.done();
  named.done();
  if (!tools.functions().contains(tools.only)) {
    throw function.wrong("name", "there is no \"{}\" among the tools", tools.only);
  }
  tools.choice = Tools::Choice::required;
}

using Part = AutomatonBuilder::Part;

/// What stands between the arguments of a call and its brace.
Part call_id(AutomatonBuilder& builder, const ToolForm& form) {
  if (!form.ids) return builder.text("");
  return builder.optional(builder.sequence({builder.text(R"(, "id": ")"), add_id(builder), builder.text("\"")}));
}

/// {"name": "...", "arguments": ...} of any of the functions that may be called.
Part call_object(AutomatonBuilder& builder, const Tools& tools, const ToolForm& form) {
  std::vector<Part> kinds;
  for (const Tool& tool : tools.offered) {
    if (!tools.may_call(tool)) continue;
    const Part head = builder.text(fmt::format(R"({{"name": "{}", "{}": )", tool.name, form.arguments));
    const Part arguments = !tools.checked(tool)        ? add_objects(builder)
                           : tool.parameters.is_null() ? builder.text("{}")
                                                       : add_schema(builder, tool.parameters, tool.field);
    kinds.push_back(builder.sequence({head, arguments, call_id(builder, form), builder.text("}")}));
  }
  return builder.any_of(kinds);
}

/// What follows the tag that opens a call, and further calls.
Part behind_open(AutomatonBuilder& builder, const Tools& tools, const ToolForm& form, const TagTokens& tags) {
  if (form.by_name()) return add_named_calls(builder, tools, form.named, tags);
  if (form.list) {
    std::vector<Part> parts = {builder.text(form.gap + "["), call_object(builder, tools, form)};
    if (tools.parallel) {
      const Part further = builder.sequence({builder.text(", "), call_object(builder, tools, form)});
      parts.push_back(builder.any_number_of(further));
    }
    parts.push_back(tags.last_tag(builder, "]" + form.close));
    return builder.sequence(parts);
  }
  const auto inside = [&] {
    return builder.sequence(
        {builder.text("\n"), call_object(builder, tools, form), tags.tag(builder, fmt::format("\n{}", form.close))});
  };
  const Part first = inside();
  if (!tools.parallel) return first;
  const Part further = builder.sequence({tags.tag(builder, fmt::format("\n{}", form.open)), inside()});
  return builder.sequence({first, builder.any_number_of(further)});
}

/// Any text that does not begin as a call does, or else one.
Part text_or_call(AutomatonBuilder& builder, Part call) {
  ByteSet any;
  any.set();
  ByteSet other = any;
  other.reset('{');
  const Part text = builder.sequence({builder.byte_of(other), builder.any_number_of(builder.byte_of(any))});
  return builder.any_of({builder.optional(text), call});
}

}  // namespace

bool Tools::may_call(const Tool& tool) const { return only.empty() || tool.name == only; }

bool Tools::checked(const Tool& tool) const { return choice == Choice::required || tool.strict; }

Functions Tools::functions() const {
  Functions functions;
  for (const Tool& tool : offered) functions.emplace(tool.name, tool.parameters);
  return functions;
}

std::optional<Tools> read_tools(Fields& body, ToolStyle style) {
  const Json* const list = body.list("tools", kMostTools);
  Tools tools;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    read_tool((*list)[i], fmt::format("tools[{}]", i), style, tools);
  }
  tools.parallel = body.boolean("parallel_tool_calls").value_or(true);
  if (tools.offered.empty()) {
    body.only("tool_choice", {"none", "auto"});
    return std::nullopt;
  }
  read_choice(body, style, tools);
  return tools;
}

std::optional<ByteAutomaton> language_of_calls(const Tools& tools, const ToolForm& form, const TagTokens& tags) {
  const auto strict = [](const Tool& tool) { return tool.strict; };
  const bool forced = tools.choice == Tools::Choice::required;
  const bool held = forced || !tools.parallel || std::any_of(tools.offered.begin(), tools.offered.end(), strict);
  if (tools.choice == Tools::Choice::none || !held) return std::nullopt;
  AutomatonBuilder builder;
  if (form.bare()) {
    const Part call = call_object(builder, tools, form);
    return builder.build(forced ? call : text_or_call(builder, call));
  }
  const Part behind = behind_open(builder, tools, form, tags);
  return builder.build(forced ? builder.sequence({tags.tag(builder, form.open), behind})
                              : tags.until(builder, form.open, behind));
}

}  // namespace gyre::serve
