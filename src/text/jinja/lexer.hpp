#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// A failure in a line of the source.
class SourceFailure : public Failure {
 public:
  SourceFailure(int line, const std::string& message) : Failure("line {}: {}", line, message) {}
};

struct Token {
  enum class Kind { data, variable_begin, variable_end, block_begin, block_end, name, text, integer, real, sign, end };
  Kind kind;
  int line;
  std::string text;  ///< of data, names and texts (escapes resolved); a sign such as "//"
  Value number;      ///< of integers and reals
};

/// Cuts a template into tokens as Jinja does with trim_blocks and lstrip_blocks: a line break behind a block and the
/// blanks before one go, `-` takes all white space, `+` none. Comments and raw blocks are resolved. The last token is
/// of kind end. `source` must be valid UTF-8. Throws SourceFailure.
std::vector<Token> tokens_of(std::string_view source);

}  // namespace gyre::jinja
