#include "engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.hpp"

namespace gyre {

std::int32_t Sampler::draw(std::span<const float> logits, std::span<const std::int32_t> text) {
  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i])) {
      throw Error("the logit of token {} is {}: the model's numbers are out of the range of floats; check its weights",
                  i, logits[i]);
    }
    candidates_.push_back({static_cast<std::int32_t>(i), logits[i]});
  }
  penalise(text);
  const auto less = [](const Candidate& a, const Candidate& b) { return a.value < b.value; };
  if (options_.temperature <= 0) return std::max_element(candidates_.begin(), candidates_.end(), less)->token;
  soften();
  keep_likeliest();
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.value;
  double left = total * random_.uniform();
  for (const Candidate& candidate : candidates_) {
    left -= candidate.value;
    if (left <= 0) return candidate.token;
  }
  return candidates_.back().token;
}

void Sampler::penalise(std::span<const std::int32_t> text) {
  if (options_.repetition_penalty == 1.0F) return;
  for (const std::int32_t token : std::set<std::int32_t>(text.begin(), text.end())) {
    if (token < 0 || static_cast<std::size_t>(token) >= candidates_.size()) continue;
    float& logit = candidates_[static_cast<std::size_t>(token)].value;
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
}

/// Logits to probabilities at the temperature, likeliest first.
void Sampler::soften() {
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.value > b.value || (a.value == b.value && a.token < b.token);
  });
  const float largest = candidates_.front().value;
  double total = 0;
  for (Candidate& candidate : candidates_) {
    candidate.value = std::exp((candidate.value - largest) / options_.temperature);
    total += candidate.value;
  }
  for (Candidate& candidate : candidates_) candidate.value = static_cast<float>(candidate.value / total);
}

void Sampler::keep_likeliest() {
  std::size_t kept = candidates_.size();
  if (options_.top_k > 0) kept = std::min(kept, static_cast<std::size_t>(options_.top_k));
  if (options_.top_p < 1.0F) {
    double whole = 0;
    for (std::size_t i = 0; i < kept; ++i) whole += static_cast<double>(candidates_[i].value);
    const double wanted = whole * static_cast<double>(options_.top_p);
    double sum = 0;
    std::size_t count = 0;
    while (count < kept && sum < wanted) sum += static_cast<double>(candidates_[count++].value);
    kept = std::max<std::size_t>(1, count);
  }
  const float least = options_.min_p * candidates_.front().value;
  while (kept > 1 && candidates_[kept - 1].value < least) --kept;
  candidates_.resize(kept);
}

}  // namespace gyre
