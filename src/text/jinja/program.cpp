#include "text/jinja/program.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/lexer.hpp"
#include "text/jinja/parser.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {

namespace {

/// Messages are one line, whatever a template says.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

}  // namespace

struct Program::Tree {
  Body body;
};

Program::Program(std::string_view source, std::string where) : where_(std::move(where)) {
  require_utf8(source, where_);
  try {
    tree_ = std::make_unique<Tree>(Tree{parse(source)});
  } catch (const Failure& failure) {
    throw Error("{}: {}", where_, one_line(failure.what()));
  }
}

Program::~Program() = default;
Program::Program(Program&& other) noexcept = default;
Program& Program::operator=(Program&& other) noexcept = default;

std::string Program::render(const Dict& variables, std::optional<std::int64_t> clock) const {
  Interpreter interpreter(variables, clock);
  try {
    return interpreter.run(tree_->body);
  } catch (const Raised& raised) {
    throw Error("{}: the template refuses this conversation: {}", where_, one_line(raised.what()));
  } catch (const LimitReached& limit) {
    throw Error("{}: line {}: the template is stopped: {}", where_, interpreter.line(), one_line(limit.what()));
  } catch (const Failure& failure) {
    throw Error("{}: line {}: {}", where_, interpreter.line(), one_line(failure.what()));
  }
}

}  // namespace gyre::jinja
