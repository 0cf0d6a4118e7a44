#include "study/token_classes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "study/measures/token_kinds.hpp"

namespace gyre {
namespace {

void add_kinds(const Dynamics& dynamics, const Tokenizer& tokenizer, std::span<const std::size_t> taken,
               std::vector<TokenClass>& classes) {
  std::vector<TokenClass> kinds;
  for (const TokenKind kind : kTokenKinds) kinds.push_back({"kind", std::string(name_of(kind)), {}});
  for (const std::size_t t : taken) {
    const std::string before = t == 0 ? std::string() : tokenizer.piece(dynamics.inputs[t - 1]);
    const TokenKind kind = kind_of(tokenizer.piece(dynamics.inputs[t]), before);
    kinds[static_cast<std::size_t>(kind)].tokens.push_back(t);
  }
  std::erase_if(kinds, [](const TokenClass& one) { return one.tokens.empty(); });
  std::move(kinds.begin(), kinds.end(), std::back_inserter(classes));
}

void add_quartiles(const Dynamics& dynamics, std::vector<std::size_t> taken, std::vector<TokenClass>& classes) {
  std::stable_sort(taken.begin(), taken.end(),
                   [&](std::size_t a, std::size_t b) { return dynamics.losses[a] < dynamics.losses[b]; });
  for (std::size_t q = 0; q < 4; ++q) {
    TokenClass quartile{"loss", fmt::format("quartile {}", q + 1), {}};
    for (std::size_t i = q * taken.size() / 4; i < (q + 1) * taken.size() / 4; ++i) quartile.tokens.push_back(taken[i]);
    std::sort(quartile.tokens.begin(), quartile.tokens.end());
    if (!quartile.tokens.empty()) classes.push_back(std::move(quartile));
  }
}

}  // namespace

std::vector<TokenClass> token_classes(const Dynamics& dynamics, const Tokenizer& tokenizer, std::size_t most) {
  const std::size_t count = std::min(dynamics.losses.size(), dynamics.inputs.size());
  const std::size_t kept = std::min(count, most);
  std::vector<std::size_t> taken;
  for (std::size_t i = 0; i < kept; ++i) taken.push_back(i * count / kept);
  std::vector<TokenClass> classes;
  add_kinds(dynamics, tokenizer, taken, classes);
  add_quartiles(dynamics, std::move(taken), classes);
  return classes;
}

std::vector<std::vector<double>> values_by_window(std::span<const double> values, std::span<const std::size_t> tokens,
                                                  std::span<const std::size_t> windows) {
  std::vector<std::vector<double>> result;
  std::size_t window = 0;
  for (const std::size_t token : tokens) {
    if (token >= values.size()) break;
    if (result.empty() || windows[token] != window) result.emplace_back();
    window = windows[token];
    result.back().push_back(values[token]);
  }
  return result;
}

}  // namespace gyre
