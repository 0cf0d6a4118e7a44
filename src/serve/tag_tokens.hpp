#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "text/byte_automaton.hpp"
#include "text/tokenizer.hpp"

namespace gyre::serve {

/// Writes the tags of a form of calls into an automaton as a model does: what its tokenizer takes for tokens that were
/// added to the vocabulary, special or not, as marks of their ids, which no text can spell, and all else by its bytes.
class TagTokens {
 public:
  /// Of a model without such tokens.
  TagTokens() = default;
  /// Of the first `vocabulary` tokens; a token that ends a text stands in no tag but at the end of the last.
  TagTokens(const Tokenizer& tokenizer, int vocabulary, std::span<const std::int32_t> ends);

  /// The one way to write a piece of the form.
  [[nodiscard]] AutomatonBuilder::Part tag(AutomatonBuilder& builder, std::string_view text) const;
  /// The same of what a text ends with.
  [[nodiscard]] AutomatonBuilder::Part last_tag(AutomatonBuilder& builder, std::string_view text) const;
  /// Any text in which `text` is not spelled out, or one up to its first tag of that, with `then` behind it.
  [[nodiscard]] AutomatonBuilder::Part until(AutomatonBuilder& builder, std::string_view text,
                                             AutomatonBuilder::Part then) const;
  /// Any text up to and with its first tag of `text`.
  [[nodiscard]] AutomatonBuilder::Part through(AutomatonBuilder& builder, std::string_view text) const;

 private:
  [[nodiscard]] std::vector<TextSection> sections(std::string_view text, bool last) const;
  [[nodiscard]] bool has_token(std::string_view text) const;
  [[nodiscard]] static AutomatonBuilder::Part written(AutomatonBuilder& builder, std::span<const TextSection> sections);

  AddedTokenFinder finder_{{}};
  std::set<std::int32_t> tokens_ = {};
  std::set<std::int32_t> ends_ = {};
};

}  // namespace gyre::serve
