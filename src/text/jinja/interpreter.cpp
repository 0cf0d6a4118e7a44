#include "text/jinja/interpreter.hpp"

#include <chrono>

#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/globals.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"
#include "text/jinja/subscripts.hpp"
#include "text/jinja/tests.hpp"

namespace gyre::jinja {
namespace {

using ExpressionKind = Expression::Kind;

}  // namespace

Interpreter::Interpreter(const Dict& variables, std::optional<std::int64_t> clock)
    : variables_(variables), clock_(clock), scope_(std::make_shared<Scope>(nullptr)) {}

/// Namespaces and macros may hold themselves: they are emptied, so that all of them go.
Interpreter::~Interpreter() {
  for (const auto& object : kept_objects_) object->forget();
  for (const auto& scope : kept_scopes_) scope->forget();
}

std::int64_t Interpreter::clock() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return clock_.value_or(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

Value Interpreter::call(const Value& called, const Arguments& arguments) {
  const Budget::Level level(budget_);
  budget_.step();
  if (called.is_undefined()) throw Failure("{}", called.message());
  if (!called.is(Value::Kind::object)) throw Failure("'{}' object is not callable", called.type());
  return called.object().call(*this, arguments);
}

Value Interpreter::filter(std::string_view name, const Value& input, const Arguments& arguments) {
  budget_.step(input.is_text() ? 1 + input.text().size() / 64 : 1);
  const Filter found = find_filter(name);
  if (found == nullptr) throw Failure("{}", unknown_filter(name));
  return found(*this, input, arguments);
}

bool Interpreter::test(std::string_view name, const Value& input, const Arguments& arguments) {
  budget_.step(input.is_text() ? 1 + input.text().size() / 64 : 1);
  const Test found = find_test(name);
  if (found == nullptr) throw Failure("{}", unknown_test(name));
  return found(*this, input, arguments);
}

Value Interpreter::attribute(const Value& value, std::string_view name) { return attribute_of(*this, value, name); }
Value Interpreter::item(const Value& value, const Value& key) { return item_of(*this, value, key); }

Value Interpreter::evaluate(const Expression& expression) {
  const Budget::Level level(budget_);
  budget_.step();
  line_ = expression.line;
  switch (expression.kind) {
    case ExpressionKind::name:
      return evaluate_name(expression);
    case ExpressionKind::item:
      return evaluate_item(expression);
    case ExpressionKind::slice:
      return evaluate_slice(expression);
    case ExpressionKind::list:
    case ExpressionKind::tuple:
      return evaluate_list(expression);
    case ExpressionKind::dict:
      return evaluate_dict(expression);
    case ExpressionKind::call:
      return evaluate_call(expression, nullptr);
    case ExpressionKind::filter:
      return evaluate_filter(expression, nullptr);
    case ExpressionKind::test:
      return evaluate_test(expression);
    case ExpressionKind::choice:
      return evaluate_choice(expression);
    case ExpressionKind::concatenate:
      return evaluate_concatenation(expression);
    case ExpressionKind::compare:
      return evaluate_comparison(expression);
    default:
      return evaluate_plain(expression);
  }
}

/// Expressions of one or two parts.
Value Interpreter::evaluate_plain(const Expression& expression) {
  if (expression.kind == ExpressionKind::constant) return expression.value;
  Value first = evaluate(*expression.parts.front());
  switch (expression.kind) {
    case ExpressionKind::attribute:
      line_ = expression.line;
      return attribute(first, expression.name);
    case ExpressionKind::negative:
      return negative(first);
    case ExpressionKind::positive:
      return positive(first);
    case ExpressionKind::logical_not:
      return Value::boolean(!truth(first));
    case ExpressionKind::both:
      return truth(first) ? evaluate(*expression.parts[1]) : first;
    case ExpressionKind::either:
      return truth(first) ? first : evaluate(*expression.parts[1]);
    default: {
      const Value second = evaluate(*expression.parts[1]);
      line_ = expression.line;
      return arithmetic(expression.operation, first, second, budget_);
    }
  }
}

Value Interpreter::evaluate_name(const Expression& expression) {
  if (const Value* found = scope_->find(expression.name)) return *found;
  if (const Value* found = variables_.find(expression.name)) return *found;
  if (const auto found = global_named(expression.name)) return *found;
  return Value::undefined(fmt::format("'{}' is undefined", expression.name));
}

Value Interpreter::evaluate_item(const Expression& expression) {
  const Value value = evaluate(*expression.parts[0]);
  const Value key = evaluate(*expression.parts[1]);
  line_ = expression.line;
  return item(value, key);
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  const Value value = evaluate(*expression.parts[0]);
  std::array<Value, 3> bounds;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (const ExpressionPtr& bound = expression.parts[i + 1]) bounds.at(i) = evaluate(*bound);
  }
  line_ = expression.line;
  return slice_of(value, bounds, budget_);
}

Value Interpreter::evaluate_list(const Expression& expression) {
  std::vector<Value> items;
  items.reserve(expression.parts.size());
  for (const ExpressionPtr& part : expression.parts) items.push_back(evaluate(*part));
  return Value::list(std::move(items),
                     expression.kind == ExpressionKind::list ? Value::Form::list : Value::Form::tuple);
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  Dict dict;
  for (std::size_t i = 0; i < expression.parts.size(); i += 2) {
    Value key = evaluate(*expression.parts[i]);
    dict.set(std::move(key), evaluate(*expression.parts[i + 1]));
  }
  return Value::dict(std::move(dict));
}

Arguments Interpreter::arguments_of(const CallArguments& arguments) {
  Arguments made;
  for (const ExpressionPtr& value : arguments.values) made.values.push_back(evaluate(*value));
  if (arguments.more_values) {
    for (Value& value : items_of(evaluate(*arguments.more_values), budget_)) made.values.push_back(std::move(value));
  }
  for (const auto& [name, value] : arguments.named) made.named.emplace_back(name, evaluate(*value));
  if (!arguments.more_named) return made;
  const Value more = evaluate(*arguments.more_named);
  if (!more.is_dict()) throw Failure("what stands behind ** must be a mapping, not {}", more.type());
  for (const auto& [key, value] : more.dict().entries()) {
    if (!key.is_text()) throw Failure("keywords must be strings");
    budget_.step(made.named.size());
    for (const auto& [name, other] : made.named) {
      if (name == key.text()) throw Failure("the argument \"{}\" is given twice", name);
    }
    made.named.emplace_back(key.text(), value);
  }
  return made;
}

/// A call; with `caller` it is that of a call block.
Value Interpreter::evaluate_call(const Expression& expression, const Value* caller) {
  const Value called = evaluate(*expression.parts.front());
  Arguments arguments = arguments_of(expression.arguments);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  line_ = expression.line;
  return call(called, arguments);
}

/// A filter; with `block` it is that of a block, whose text is what it filters.
Value Interpreter::evaluate_filter(const Expression& expression, const Value* block) {
  const Budget::Level level(budget_);
  const ExpressionPtr& inner = expression.parts.front();
  Value input;
  if (!inner) {
    input = *block;
  } else {
    input = inner->kind == ExpressionKind::filter ? evaluate_filter(*inner, block) : evaluate(*inner);
  }
  const Arguments arguments = arguments_of(expression.arguments);
  line_ = expression.line;
  return filter(expression.name, input, arguments);
}

Value Interpreter::evaluate_test(const Expression& expression) {
  const Value input = evaluate(*expression.parts.front());
  const Arguments arguments = arguments_of(expression.arguments);
  line_ = expression.line;
  return Value::boolean(test(expression.name, input, arguments));
}

Value Interpreter::evaluate_choice(const Expression& expression) {
  if (truth(evaluate(*expression.parts[0]))) return evaluate(*expression.parts[1]);
  if (expression.parts[2]) return evaluate(*expression.parts[2]);
  return Value::undefined("the choice was false and it has no else");
}

Value Interpreter::evaluate_concatenation(const Expression& expression) {
  std::string text;
  for (const ExpressionPtr& part : expression.parts) {
    const Value value = evaluate(*part);
    const std::string added = value.is_text() ? std::string() : text_of(value, budget_);
    const std::string& more = value.is_text() ? value.text() : added;
    if (text.size() + more.size() > kLongestText) budget_.text(kLongestText + 1);
    text += more;
  }
  budget_.text(text.size());
  return Value::text(std::move(text));
}

Value Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = evaluate(*expression.parts.front());
  for (std::size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = evaluate(*expression.parts[i + 1]);
    line_ = expression.line;
    if (!compare(expression.comparisons[i], left, right, budget_)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

}  // namespace gyre::jinja
