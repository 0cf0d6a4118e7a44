#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using Body = std::vector<std::unique_ptr<Statement>>;

/// What stands between the parentheses of a call.
struct CallArguments {
  std::vector<ExpressionPtr> values;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr more_values;  ///< behind *
  ExpressionPtr more_named;   ///< behind **
};

enum class Operation { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Comparison { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

struct Expression {
  enum class Kind {
    constant,             ///< value
    name,                 ///< name
    attribute,            ///< parts[0].name
    item,                 ///< parts[0][parts[1]]
    slice,                ///< parts[0][parts[1]:parts[2]:parts[3]], each of the three perhaps nullptr
    list,                 ///< parts
    tuple,                ///< parts
    dict,                 ///< parts: key, value, key, value, ...
    call,                 ///< parts[0](arguments)
    filter,               ///< parts[0]|name(arguments); parts[0] is nullptr where a block is what is filtered
    test,                 ///< parts[0] is name(arguments)
    negative,             ///< -parts[0]
    positive,             ///< +parts[0]
    logical_not,          ///< not parts[0]
    both,                 ///< parts[0] and parts[1]
    either,               ///< parts[0] or parts[1]
    choice,               ///< parts[1] if parts[0] else parts[2], which may be nullptr
    arithmetic,           ///< parts[0] operation parts[1]
    concatenate,          ///< parts joined by ~
    compare,              ///< parts[0] comparisons[0] parts[1] comparisons[1] parts[2] ...
    namespace_attribute,  ///< name.attribute, to assign to
  };
  Kind kind = Kind::constant;
  int line = 0;
  int depth = 1;  ///< how many expressions lie in one another
  Value value;
  std::string name;
  std::string attribute;
  Operation operation = Operation::add;
  std::vector<Comparison> comparisons;
  std::vector<ExpressionPtr> parts;
  CallArguments arguments;
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  ///< nullptr when it has no default
};

/// A macro or the body of a call block.
struct MacroSource {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  // Special names that its body reads, which decide what it may be given.
  bool reads_caller = false;
  bool reads_named = false;
  bool reads_values = false;
};

struct Statement {
  enum class Kind {
    text,          ///< text
    print,         ///< expressions
    conditional,   ///< bodies[i] where expressions[i] is the first true one; a last body without one is else
    loop,          ///< for expressions[0] in expressions[1] if expressions[2]: bodies[0], else bodies[1]
    assign,        ///< expressions[0] = expressions[1]
    assign_block,  ///< expressions[0] = bodies[0], through the filter expressions[1] if there is one
    with,          ///< pairs of target and value in expressions, then bodies[0]
    macro,         ///< macro
    call,          ///< expressions[0], a call, with macro as its caller
    filter,        ///< expressions[0] of bodies[0]
    generation,    ///< bodies[0], marked for training elsewhere
    leave_loop,    ///< break
    next_in_loop,  ///< continue
  };
  Kind kind = Kind::text;
  int line = 0;
  std::string text;
  std::vector<ExpressionPtr> expressions;
  std::vector<Body> bodies;
  std::shared_ptr<const MacroSource> macro;
};

}  // namespace gyre::jinja
