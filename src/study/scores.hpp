#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "study/statistics.hpp"

namespace gyre {

/// log_softmax of the logits that predict token number `place` of what is measured. Throws Error naming it when they
/// are not finite.
void log_probabilities(std::span<const float> logits, std::span<float> out, std::int64_t place);

/// The likeliest token; the first of equals.
std::size_t likeliest(std::span<const float> values);

/// Sums over the scored positions of one window.
struct ScoreSums {
  std::int64_t tokens = 0;
  double cross_entropy = 0;            ///< nats
  double bytes = 0;                    ///< of the targets' text
  double milliseconds = 0;             ///< of the passes
  double kl = 0;                       ///< KL(reference ‖ model), nats
  double reference_cross_entropy = 0;  ///< nats
  std::int64_t same_choice = 0;        ///< positions where both find the same token likeliest

  /// A position whose target is `target`, by log-probabilities.
  void add(std::int32_t target, std::span<const float> log_p);
  /// What a reference, of log-probabilities `log_reference`, says at the same position.
  void compare(std::int32_t target, std::span<const float> log_reference, std::span<const float> log_p);
};

/// What windows say together.
struct TextScore {
  std::int64_t tokens = 0;
  double cross_entropy = 0;      ///< nats/token
  double cross_entropy_low = 0;  ///< 95 % interval, bootstrap over windows; NaN of a single window
  double cross_entropy_high = 0;
  double perplexity = 0;
  double bits_per_byte = 0;
  double milliseconds_per_token = 0;
  double kl = 0;                       ///< nats/token
  double reference_cross_entropy = 0;  ///< nats/token
  double same_choice = 0;              ///< share of positions
  Estimate rise;                       ///< of the cross-entropy over the reference's, paired window by window
};
TextScore score_of(std::span<const ScoreSums> windows);

}  // namespace gyre
