#include "text/jinja/macro.hpp"

#include <algorithm>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/python_text.hpp"

namespace gyre::jinja {
namespace {

using Named = std::vector<std::pair<std::string, Value>>;

/// Takes the argument of a name out of those that were given.
std::optional<Value> take(Named& named, std::string_view name) {
  const auto found = std::find_if(named.begin(), named.end(), [&](const auto& one) { return one.first == name; });
  if (found == named.end()) return std::nullopt;
  Value value = found->second;
  named.erase(found);
  return value;
}

}  // namespace

std::string Macro::title() const { return source_->name.empty() ? "a call block" : "macro '" + source_->name + "'"; }

std::string Macro::shown(Budget& /*budget*/) const {
  return source_->name.empty() ? "<Macro anonymous>" : fmt::format("<Macro {}>", in_quotes(source_->name));
}

std::optional<Value> Macro::attribute(std::string_view name) {
  if (name == "name") return source_->name.empty() ? Value() : Value::text(source_->name);
  if (name == "catch_kwargs") return Value::boolean(source_->reads_named);
  if (name == "catch_varargs") return Value::boolean(source_->reads_values);
  if (name == "caller") return Value::boolean(source_->reads_caller);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names;
  for (const Parameter& parameter : source_->parameters) names.push_back(Value::text(parameter.name));
  return Value::list(std::move(names), Value::Form::tuple);
}

Value Macro::call(Interpreter& interpreter, const Arguments& arguments) {
  const auto scope = std::make_shared<Scope>(scope_);
  Named named = arguments.named;
  const std::vector<Parameter>& parameters = source_->parameters;
  std::vector<bool> given(parameters.size());
  const std::size_t positional = std::min(arguments.values.size(), parameters.size());
  bool found_caller = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters[i].name;
    found_caller = found_caller || name == "caller";
    auto value = i < positional ? std::optional(arguments.values[i]) : take(named, name);
    given[i] = value.has_value();
    scope->set(name, value ? *value : Value::undefined(fmt::format("parameter '{}' was not provided", name)));
  }
  interpreter.set_defaults(*source_, scope, given);
  if (source_->reads_caller && !found_caller) {
    const auto caller = take(named, "caller");
    scope->set("caller", caller && !caller->is_none() ? *caller : Value::undefined("No caller defined"));
  }
  if (source_->reads_named) {
    Dict rest;
    for (auto& [name, value] : named) rest.set(Value::text(name), value);
    scope->set("kwargs", Value::dict(std::move(rest)));
  } else if (!named.empty()) {
    throw Failure("{} takes no keyword argument '{}'", title(), named.front().first);
  }
  if (source_->reads_values) {
    const auto rest = arguments.values.begin() + static_cast<std::ptrdiff_t>(positional);
    scope->set("varargs", Value::list({rest, arguments.values.end()}, Value::Form::tuple));
  } else if (arguments.values.size() > parameters.size()) {
    throw Failure("{} takes not more than {} argument(s)", title(), parameters.size());
  }
  return interpreter.run_macro(*source_, scope);
}

}  // namespace gyre::jinja
