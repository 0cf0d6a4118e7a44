#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "study/dynamics.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// Measured tokens that have something in common: their numbers among Dynamics::inputs.
struct TokenClass {
  std::string by;    ///< "kind" or "loss"
  std::string name;  ///< a TokenKind, or "quartile 1" … "quartile 4", the easiest first
  std::vector<std::size_t> tokens;
};

/// Of at most `most` measured tokens, evenly spread: those of each kind that is there, by the token whose state it is,
/// and of each quartile of the loss of what follows it. Two partitions of the same tokens.
std::vector<TokenClass> token_classes(const Dynamics& dynamics, const Tokenizer& tokenizer, std::size_t most);

/// Values of the tokens of a class, by the windows that they stand in; windows without one are left out.
std::vector<std::vector<double>> values_by_window(std::span<const double> values, std::span<const std::size_t> tokens,
                                                  std::span<const std::size_t> windows);

}  // namespace gyre
