#include <algorithm>

#include "text/jinja/compare.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/loop.hpp"
#include "text/jinja/macro.hpp"
#include "text/jinja/namespace.hpp"
#include "text/jinja/python_text.hpp"

// How statements run.
namespace gyre::jinja {

using StatementKind = Statement::Kind;

class Interpreter::Inside {
 public:
  Inside(Interpreter& interpreter, std::shared_ptr<Scope> scope)
      : interpreter_(interpreter), outer_(std::exchange(interpreter.scope_, std::move(scope))) {}
  explicit Inside(Interpreter& interpreter) : Inside(interpreter, std::make_shared<Scope>(interpreter.scope_)) {}
  ~Inside() { interpreter_.scope_ = std::move(outer_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Interpreter& interpreter_;
  std::shared_ptr<Scope> outer_;
};

std::string Interpreter::run(const Body& body) {
  run_body(body);
  return std::move(output_);
}

void Interpreter::write(std::string_view text) {
  if (output_.size() + text.size() > kLongestText) budget_.text(kLongestText + 1);
  budget_.text(text.size());
  output_ += text;
}

Interpreter::Flow Interpreter::run_body(const Body& body) {
  const Budget::Level level(budget_);
  for (const auto& statement : body) {
    budget_.step();
    if (const Flow flow = run_statement(*statement); flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement) {
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::text:
      write(statement.text);
      return Flow::on;
    case StatementKind::print:
      for (const ExpressionPtr& part : statement.expressions) {
        const Value value = evaluate(*part);
        write(value.is_text() ? value.text() : text_of(value, budget_));
      }
      return Flow::on;
    case StatementKind::conditional:
      return run_conditional(statement);
    case StatementKind::loop:
      return run_loop(statement);
    case StatementKind::assign:
      assign(*statement.expressions[0], evaluate(*statement.expressions[1]));
      return Flow::on;
    case StatementKind::assign_block:
      return run_assign_block(statement);
    case StatementKind::with:
      return run_with(statement);
    case StatementKind::macro:
      define_macro(statement);
      return Flow::on;
    case StatementKind::call:
    case StatementKind::generation:
      run_call_block(statement);
      return Flow::on;
    case StatementKind::filter:
      return run_filter_block(statement);
    case StatementKind::leave_loop:
      return Flow::leave_loop;
    case StatementKind::next_in_loop:
      return Flow::next_in_loop;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run_conditional(const Statement& statement) {
  for (std::size_t i = 0; i < statement.expressions.size(); ++i) {
    if (truth(evaluate(*statement.expressions[i]))) return run_body(statement.bodies[i]);
  }
  return statement.bodies.size() > statement.expressions.size() ? run_body(statement.bodies.back()) : Flow::on;
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement) {
  const Value source = evaluate(*statement.expressions[1]);
  std::vector<Value> items = items_of(source, budget_);
  if (statement.expressions[2]) items = chosen(statement, std::move(items));
  const bool finished = run_turns(statement, source, std::move(items));
  if (finished || statement.bodies.size() < 2) return Flow::on;
  const Inside inside(*this);
  return run_body(statement.bodies[1]);
}

/// The items for which the condition of the loop holds.
std::vector<Value> Interpreter::chosen(const Statement& statement, std::vector<Value> items) {
  std::vector<Value> kept;
  for (Value& item : items) {
    const Inside inside(*this);
    assign(*statement.expressions[0], item);
    if (truth(evaluate(*statement.expressions[2]))) kept.push_back(std::move(item));
  }
  return kept;
}

/// Every turn has a scope of its own: what it sets is gone in the next. Gives whether a turn came to its end; unlike
/// Python, Jinja runs `else` when all of them were left by break or continue.
bool Interpreter::run_turns(const Statement& statement, const Value& source, std::vector<Value> items) {
  const auto loop = keep(std::make_shared<Loop>(std::move(items)));
  bool finished = false;
  Flow flow = Flow::on;
  while (loop->next()) {
    const Inside inside(*this);
    scope_->set("loop", Value::object(loop));
    assign(*statement.expressions[0], loop->item());
    flow = run_body(statement.bodies[0]);
    if (flow == Flow::leave_loop) break;
    finished = finished || flow == Flow::on;
  }
  if (auto* generator = source.as<Generator>(); generator != nullptr && flow == Flow::leave_loop) {
    if (!statement.expressions[2]) generator->put_back(loop->left());
  }
  // Where nothing else holds the loop, it need not be kept.
  if (kept_objects_.back() == loop && loop.use_count() == 2) kept_objects_.pop_back();
  return finished;
}

Interpreter::Flow Interpreter::captured(const Body& body, std::string& text) {
  std::string outer = std::exchange(output_, {});
  const Flow flow = run_body(body);
  text = std::exchange(output_, std::move(outer));
  return flow;
}

Interpreter::Flow Interpreter::run_assign_block(const Statement& statement) {
  Value value;
  {
    const Inside inside(*this);
    std::string text;
    if (const Flow flow = captured(statement.bodies[0], text); flow != Flow::on) return flow;
    value = Value::text(std::move(text));
    if (const ExpressionPtr& filters = statement.expressions[1]) value = evaluate_filter(*filters, &value);
  }
  assign(*statement.expressions[0], value);
  return Flow::on;
}

Interpreter::Flow Interpreter::run_with(const Statement& statement) {
  std::vector<Value> values;
  for (std::size_t i = 1; i < statement.expressions.size(); i += 2)
    values.push_back(evaluate(*statement.expressions[i]));
  const Inside inside(*this);
  for (std::size_t i = 0; i < values.size(); ++i) assign(*statement.expressions[2 * i], values[i]);
  return run_body(statement.bodies[0]);
}

Interpreter::Flow Interpreter::run_filter_block(const Statement& statement) {
  const Inside inside(*this);
  std::string text;
  if (const Flow flow = captured(statement.bodies[0], text); flow != Flow::on) return flow;
  const Value value = Value::text(std::move(text));
  write(text_of(evaluate_filter(*statement.expressions[0], &value), budget_));
  return Flow::on;
}

/// The body is handed to the called macro as `caller`; a generation block calls it itself.
void Interpreter::run_call_block(const Statement& statement) {
  keep_scope();
  const Value body = Value::object(std::make_shared<Macro>(statement.macro, scope_));
  const Value made =
      statement.kind == StatementKind::generation ? call(body, {}) : evaluate_call(*statement.expressions[0], &body);
  write(text_of(made, budget_));
}

void Interpreter::keep_scope() {
  if (kept_scopes_.empty() || kept_scopes_.back() != scope_) kept_scopes_.push_back(scope_);
}

void Interpreter::define_macro(const Statement& statement) {
  keep_scope();
  scope_->set(statement.macro->name, Value::object(std::make_shared<Macro>(statement.macro, scope_)));
}

Value Interpreter::run_macro(const MacroSource& macro, const std::shared_ptr<Scope>& scope) {
  const Inside inside(*this, scope);
  std::string text;
  captured(macro.body, text);
  return Value::text(std::move(text));
}

void Interpreter::set_defaults(const MacroSource& macro, const std::shared_ptr<Scope>& scope,
                               const std::vector<bool>& given) {
  const Inside inside(*this, scope);
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    if (!given[i] && parameter.otherwise) scope->set(parameter.name, evaluate(*parameter.otherwise));
  }
}

void Interpreter::assign(const Expression& target, const Value& value) {
  if (target.kind == Expression::Kind::name) {
    scope_->set(target.name, value);
  } else if (target.kind == Expression::Kind::tuple) {
    unpack(target, value);
  } else {
    Expression name;
    name.kind = Expression::Kind::name;
    name.name = target.name;
    auto* space = evaluate_name(name).as<Namespace>();
    if (space == nullptr) throw Failure("cannot assign to an attribute of {}, which is no namespace", target.name);
    space->set(target.attribute, value);
  }
}

void Interpreter::unpack(const Expression& target, const Value& value) {
  if (value.is_undefined()) throw Failure("{}", value.message());
  const std::vector<Value> items = items_of(value, budget_);
  if (items.size() != target.parts.size()) {
    throw Failure("there are {} values for {} names", items.size(), target.parts.size());
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i]);
}

}  // namespace gyre::jinja
