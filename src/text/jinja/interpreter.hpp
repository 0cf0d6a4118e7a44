#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.hpp"
#include "text/jinja/scope.hpp"

namespace gyre::jinja {

/// Runs a template once.
class Interpreter {
 public:
  /// `variables` are what the template is given; `clock` is now, in seconds since 1970, of the machine when empty.
  Interpreter(const Dict& variables, std::optional<std::int64_t> clock);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// The text that the template writes. Throws Failure; `line()` is then where.
  std::string run(const Body& body);
  [[nodiscard]] int line() const { return line_; }

  // What objects, filters and tests need of the run.
  [[nodiscard]] Budget& budget() { return budget_; }
  /// Seconds since 1970.
  [[nodiscard]] std::int64_t clock() const;
  /// value.name, as Jinja looks it up: attributes first, then items.
  Value attribute(const Value& value, std::string_view name);
  /// value[key]: items first, then attributes.
  Value item(const Value& value, const Value& key);
  Value call(const Value& called, const Arguments& arguments);
  Value filter(std::string_view name, const Value& input, const Arguments& arguments);
  bool test(std::string_view name, const Value& input, const Arguments& arguments);
  /// Runs the body of a macro with these names set, and gives its text.
  Value run_macro(const MacroSource& macro, const std::shared_ptr<Scope>& scope);
  /// Gives the values of parameters that were not given; they may read those before them.
  void set_defaults(const MacroSource& macro, const std::shared_ptr<Scope>& scope, const std::vector<bool>& given);
  /// Keeps an object that may come to hold itself until the run ends, and lets go of what it holds then.
  template <typename T>
  std::shared_ptr<T> keep(std::shared_ptr<T> object) {
    budget_.step();
    kept_objects_.push_back(object);
    return object;
  }

 private:
  enum class Flow { on, leave_loop, next_in_loop };

  Flow run_body(const Body& body);
  Flow run_statement(const Statement& statement);
  Flow run_conditional(const Statement& statement);
  Flow run_loop(const Statement& statement);
  bool run_turns(const Statement& statement, const Value& source, std::vector<Value> items);
  std::vector<Value> chosen(const Statement& statement, std::vector<Value> items);
  Flow run_assign_block(const Statement& statement);
  Flow run_with(const Statement& statement);
  Flow run_filter_block(const Statement& statement);
  void run_call_block(const Statement& statement);
  void define_macro(const Statement& statement);
  void assign(const Expression& target, const Value& value);
  void unpack(const Expression& target, const Value& value);
  void write(std::string_view text);
  void keep_scope();
  /// A body in a scope and with an output of its own.
  Flow captured(const Body& body, std::string& text);
  /// Runs what follows in a scope inside the one now, for as long as it lives.
  class Inside;

  Value evaluate(const Expression& expression);
  Value evaluate_plain(const Expression& expression);
  Value evaluate_name(const Expression& expression);
  Value evaluate_item(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_list(const Expression& expression);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_call(const Expression& expression, const Value* caller);
  Value evaluate_filter(const Expression& expression, const Value* block);
  Value evaluate_test(const Expression& expression);
  Value evaluate_choice(const Expression& expression);
  Value evaluate_concatenation(const Expression& expression);
  Value evaluate_comparison(const Expression& expression);
  Arguments arguments_of(const CallArguments& arguments);

  const Dict& variables_;
  std::optional<std::int64_t> clock_;
  Budget budget_;
  std::shared_ptr<Scope> scope_;
  std::string output_;
  std::vector<std::shared_ptr<Object>> kept_objects_;
  std::vector<std::shared_ptr<Scope>> kept_scopes_;
  int line_ = 1;
};

}  // namespace gyre::jinja
