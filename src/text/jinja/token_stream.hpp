#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "text/jinja/lexer.hpp"

namespace gyre::jinja {

/// The tokens of a template, read one after another.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  [[nodiscard]] const Token& now() const { return tokens_[at_]; }
  [[nodiscard]] const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  [[nodiscard]] int line() const { return now().line; }
  [[nodiscard]] bool at(Token::Kind kind) const { return now().kind == kind; }
  [[nodiscard]] bool at_name(std::string_view name) const { return at(Token::Kind::name) && now().text == name; }
  [[nodiscard]] bool at_sign(std::string_view sign) const { return at(Token::Kind::sign) && now().text == sign; }

  /// Goes on; gives the token that was passed. The end is never passed.
  const Token& next() {
    const Token& passed = now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return passed;
  }
  bool skip_name(std::string_view name) { return at_name(name) && (next(), true); }
  bool skip_sign(std::string_view sign) { return at_sign(sign) && (next(), true); }

  void expect_sign(std::string_view sign) {
    if (!skip_sign(sign)) fail(fmt::format("expected \"{}\", found {}", sign, found()));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) fail(fmt::format("expected \"{}\", found {}", name, found()));
  }
  const Token& expect(Token::Kind kind, std::string_view what) {
    if (!at(kind)) fail(fmt::format("expected {}, found {}", what, found()));
    return next();
  }

  /// The token now, in words.
  [[nodiscard]] std::string found() const {
    if (at(Token::Kind::end)) return "the end of the template";
    if (at(Token::Kind::data)) return "text";
    if (at(Token::Kind::variable_begin)) return "\"{{\"";
    if (at(Token::Kind::block_begin)) return "\"{%\"";
    return at(Token::Kind::text) ? "a text" : fmt::format("\"{}\"", now().text);
  }
  [[noreturn]] void fail(const std::string& message) const { throw SourceFailure(line(), message); }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace gyre::jinja
