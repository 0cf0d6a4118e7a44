#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/random.hpp"

namespace gyre {

/// How the next token is drawn. Filters apply in this order: bias, penalties, mask, temperature, top-k, top-p (of the
/// probability that top-k left), min-p.
struct SamplingOptions {
  float temperature = 0.8F;  ///< 0: greedy
  int top_k = 0;             ///< keep the k likeliest; 0: all
  float top_p = 1.0F;        ///< keep the likeliest tokens that together reach this probability
  float min_p = 0.0F;        ///< drop tokens below this share of the likeliest one's probability
  /// Above 1: logits of tokens in the text so far are divided (or, below 0, multiplied).
  float repetition_penalty = 1.0F;
  float presence_penalty = 0.0F;   ///< taken from the logits of tokens that were drawn before
  float frequency_penalty = 0.0F;  ///< and this for every time that they were
  std::size_t drawn_from = 0;      ///< tokens of the text before this place (its prompt) were not drawn
  std::vector<std::pair<std::int32_t, float>> bias = {};  ///< added to the logits of these tokens
  std::uint64_t seed = 1;
};

/// Draws tokens. The same seed, options and logits give the same tokens. Every step takes time linear in the vocabulary
/// or less.
class Sampler {
 public:
  explicit Sampler(SamplingOptions options) : options_(std::move(options)), random_(options_.seed) {}

  /// `text` holds the tokens so far, for the penalties. `allowed` says of every token whether it may be drawn
  /// (a grammar, say); empty: all may. Throws Error when a logit is not finite, or no token is allowed.
  std::int32_t draw(std::span<const float> logits, std::span<const std::int32_t> text,
                    std::span<const std::uint8_t> allowed = {});
  /// The probability of every token that draw() would draw it.
  std::vector<double> probabilities(std::span<const float> logits, std::span<const std::int32_t> text,
                                    std::span<const std::uint8_t> allowed = {});
  /// A token of these probabilities (or of anything in proportion to them).
  std::int32_t draw(std::span<const double> probabilities);
  /// The next random number, between 0 and 1.
  double uniform() { return random_.uniform(); }
  [[nodiscard]] const SamplingOptions& options() const { return options_; }

 private:
  struct Candidate {
    std::int32_t token;
    float value;  ///< a logit, then a probability but for a factor
  };

  /// Leaves either shares_ or, sorted, candidates_.
  void filter(std::span<const float> logits, std::span<const std::int32_t> text, std::span<const std::uint8_t> allowed);
  void add_bias();
  void penalise_repetition(std::span<const std::int32_t> text);
  void penalise_drawn(std::span<const std::int32_t> drawn);
  void keep_allowed(std::span<const std::uint8_t> allowed);
  [[nodiscard]] std::int32_t token_at(std::size_t place) const;
  void share_among_all(float largest);
  void share_among_likeliest(float largest);
  [[nodiscard]] std::int32_t draw_from_all();
  [[nodiscard]] std::int32_t draw_from_likeliest();
  void keep(std::size_t count);

  SamplingOptions options_;
  Random random_;
  std::vector<float> values_;         ///< logits of the tokens that are left
  std::vector<std::int32_t> tokens_;  ///< which these are; empty: all, in their order
  std::vector<float> shares_;         ///< exponentials of the logits
  std::vector<double> sums_;          ///< of each block of shares
  std::vector<Candidate> candidates_;
};

/// What a model says of one token: the natural logarithm of its probability, before anything that sampling does.
struct TokenProbability {
  std::int32_t token = 0;
  float log_probability = 0;
};
/// That of `token`, and behind it those of the `count` likeliest, the likeliest first.
std::vector<TokenProbability> probabilities_of(std::span<const float> logits, std::int32_t token, int count);

}  // namespace gyre
