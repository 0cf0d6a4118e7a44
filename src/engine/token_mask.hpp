#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.hpp"
#include "text/byte_automaton.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// The tokens of a vocabulary that stand for bytes of a text, in order of these, so that a walk through all of them
/// goes over every common beginning once. A special token stands for itself, never for the bytes of its name.
class TokenBytes {
 public:
  /// Of the first `vocabulary` tokens. `tokenizer` outlives it.
  TokenBytes(const Tokenizer& tokenizer, int vocabulary);

  struct Entry {
    std::string_view bytes;
    std::int32_t token;
    std::size_t shared;  ///< bytes that the one before begins with too
  };
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  [[nodiscard]] std::size_t vocabulary() const { return vocabulary_; }
  [[nodiscard]] bool special(std::int32_t token) const { return special_.contains(token); }
  /// Those of a token that is none.
  [[nodiscard]] std::string_view bytes(std::int32_t token) const { return tokenizer_.piece(token); }

 private:
  const Tokenizer& tokenizer_;
  std::unordered_set<std::int32_t> special_;
  std::vector<Entry> entries_;
  std::size_t vocabulary_;
};

/// A format that no text of the vocabulary has.
class UnspeakableFormat : public Error {
 public:
  using Error::Error;
};

/// Which tokens may come next in a text that is to be one of a language: as their bytes or, special ones in no other
/// way, as marks of their ids. What it works out for a state of the automaton it keeps, since texts come back to few of
/// them.
class TokenMask {
 public:
  /// `ends` are tokens that end a text; they may come where it is whole, or is with their mark.
  TokenMask(ByteAutomaton language, std::vector<std::int32_t> ends)
      : language_(std::move(language)), ends_(std::move(ends)) {}

  [[nodiscard]] int start() const { return language_.start(); }
  /// For every token of the vocabulary whether it may come; valid until the next call. Throws
  /// UnspeakableFormat when none may.
  std::span<const std::uint8_t> allowed(int state, const TokenBytes& tokens);
  /// The state behind a text that goes on with this token, which may come.
  int after(int state, std::int32_t token, const TokenBytes& tokens);
  /// Whether nothing can follow.
  bool complete(int state) { return language_.complete(state); }

 private:
  [[nodiscard]] std::vector<std::uint8_t> make(int state, const TokenBytes& tokens);
  [[nodiscard]] bool ends_with(int state, std::int32_t token);

  ByteAutomaton language_;
  std::vector<std::int32_t> ends_;
  std::unordered_map<int, std::vector<std::uint8_t>> masks_;
};

}  // namespace gyre
