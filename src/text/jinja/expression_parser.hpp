#pragma once

#include <string_view>

#include "text/jinja/ast.hpp"
#include "text/jinja/token_stream.hpp"

namespace gyre::jinja {

/// Special names that were read since a macro began.
struct SpecialNames {
  bool caller = false;
  bool named = false;
  bool values = false;
};

/// Reads expressions with Jinja's precedence.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& stream) : stream_(stream) {}

  ExpressionPtr expression(bool with_choice = true);
  /// Several expressions with commas between them are a tuple.
  ExpressionPtr tuple(bool with_choice = true);
  /// A name, a tuple of them, or `namespace.attribute`, to assign to.
  ExpressionPtr target(bool with_attributes);
  /// A name to assign to.
  std::string target_name();
  /// Filters behind a block: with `first` the first has no bar before it. nullptr when there is none.
  ExpressionPtr filters(ExpressionPtr input, bool first);

  /// Throws SourceFailure when filters or tests that are not known were named outside a branch.
  void require_known() const;

  /// Where unknown filters and tests are no fault before they run.
  bool in_branch = false;
  /// What the macros around have read, the innermost last.
  std::vector<SpecialNames> special_names;

 private:
  class Nested;

  ExpressionPtr either();
  ExpressionPtr both();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters);
  ExpressionPtr primary(bool with_attributes);
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr name(bool with_attributes);
  ExpressionPtr elements(bool names_only, bool with_choice, bool parenthesized, bool with_attributes);
  ExpressionPtr postfix(ExpressionPtr inner);
  ExpressionPtr filtered(ExpressionPtr inner);
  ExpressionPtr subscript(ExpressionPtr inner);
  ExpressionPtr bracketed(ExpressionPtr inner, int line);
  ExpressionPtr slice_of(ExpressionPtr inner, ExpressionPtr first, int line);
  ExpressionPtr call(ExpressionPtr inner);
  ExpressionPtr test(ExpressionPtr inner);
  CallArguments arguments();
  std::string dotted_name();
  ExpressionPtr finish(ExpressionPtr made) const;
  ExpressionPtr binary(Expression::Kind kind, ExpressionPtr left, ExpressionPtr right, int line) const;
  void require_target(const Expression& made) const;
  void note_unknown(int line, const std::string& message);

  TokenStream& stream_;
  int depth_ = 0;
  std::vector<SourceFailure> unknown_;
};

}  // namespace gyre::jinja
