#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.hpp"

namespace gyre {

/// How the next token is drawn. Filters apply in this order: repetition penalty, temperature, top-k, top-p (of the
/// probability that top-k left), min-p.
struct SamplingOptions {
  float temperature = 0.8F;  ///< 0: greedy
  int top_k = 0;             ///< keep the k likeliest; 0: all
  float top_p = 1.0F;        ///< keep the likeliest tokens that together reach this probability
  float min_p = 0.0F;        ///< drop tokens below this share of the likeliest one's probability
  /// Above 1: logits of tokens in the text so far are divided (or, below 0, multiplied).
  float repetition_penalty = 1.0F;
  std::uint64_t seed = 1;
};

/// Draws tokens. The same seed, options and logits give the same tokens.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}

  /// `text` holds the tokens so far, for the repetition penalty. Throws Error when a logit is not finite.
  std::int32_t draw(std::span<const float> logits, std::span<const std::int32_t> text);

 private:
  struct Candidate {
    std::int32_t token;
    float value;  ///< a logit, then a probability
  };

  void penalise(std::span<const std::int32_t> text);
  void soften();
  void keep_likeliest();

  SamplingOptions options_;
  Random random_;
  std::vector<Candidate> candidates_;
};

}  // namespace gyre
