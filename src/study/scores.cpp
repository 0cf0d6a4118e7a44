#include "study/scores.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.hpp"
#include "engine/probabilities.hpp"

namespace gyre {

void log_probabilities(std::span<const float> logits, std::span<float> out, std::int64_t place) {
  if (!std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); })) {
    throw Error(
        "token {} (from 0) of the text: the logits that predict it are not finite; the model's states overflow there, "
        "so its weights or the number of loops are not what it was trained for",
        place);
  }
  log_softmax(logits, out);
}

std::size_t likeliest(std::span<const float> values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

void ScoreSums::add(std::int32_t target, std::span<const float> log_p) {
  ++tokens;
  cross_entropy -= static_cast<double>(log_p[static_cast<std::size_t>(target)]);
}

void ScoreSums::compare(std::int32_t target, std::span<const float> log_reference, std::span<const float> log_p) {
  reference_cross_entropy -= static_cast<double>(log_reference[static_cast<std::size_t>(target)]);
  kl += kl_divergence(log_reference, log_p);
  same_choice += likeliest(log_p) == likeliest(log_reference) ? 1 : 0;
}

TextScore score_of(std::span<const ScoreSums> windows) {
  ScoreSums all;
  std::vector<double> losses;
  std::vector<double> references;
  std::vector<double> tokens;
  for (const ScoreSums& window : windows) {
    if (window.tokens == 0) continue;  // it says nothing, and a resample of nothing else has no ratio
    losses.push_back(window.cross_entropy);
    references.push_back(window.reference_cross_entropy);
    tokens.push_back(static_cast<double>(window.tokens));
    all.tokens += window.tokens;
    all.cross_entropy += window.cross_entropy;
    all.bytes += window.bytes;
    all.milliseconds += window.milliseconds;
    all.kl += window.kl;
    all.reference_cross_entropy += window.reference_cross_entropy;
    all.same_choice += window.same_choice;
  }
  const auto count = static_cast<double>(all.tokens);
  const Bootstrap bootstrap(tokens.size());
  const Interval interval = bootstrap.ratio(losses, tokens).interval;
  TextScore score;
  score.tokens = all.tokens;
  score.cross_entropy = all.cross_entropy / count;
  score.cross_entropy_low = interval.low;
  score.cross_entropy_high = interval.high;
  score.perplexity = std::exp(score.cross_entropy);
  score.bits_per_byte = all.cross_entropy / std::numbers::ln2 / all.bytes;
  score.milliseconds_per_token = all.milliseconds / count;
  score.kl = all.kl / count;
  score.reference_cross_entropy = all.reference_cross_entropy / count;
  score.same_choice = static_cast<double>(all.same_choice) / count;
  score.rise = bootstrap.difference(losses, references, tokens);
  return score;
}

}  // namespace gyre
