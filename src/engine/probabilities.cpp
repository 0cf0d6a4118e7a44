#include "engine/probabilities.hpp"

#include <algorithm>
#include <cmath>

namespace gyre {

void log_softmax(std::span<const float> logits, std::span<float> out) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float value : logits) total += std::exp(static_cast<double>(value - largest));
  const float shift = largest + static_cast<float>(std::log(total));
  for (std::size_t i = 0; i < logits.size(); ++i) out[i] = logits[i] - shift;
}

double kl_divergence(std::span<const float> log_p, std::span<const float> log_q) {
  double sum = 0;
  for (std::size_t i = 0; i < log_p.size(); ++i) {
    const auto p = static_cast<double>(log_p[i]);
    sum += std::exp(p) * (p - static_cast<double>(log_q[i]));
  }
  return std::max(0.0, sum);  // rounding may leave a tiny negative number
}

double entropy(std::span<const float> log_p) {
  double sum = 0;
  for (const float value : log_p) sum -= std::exp(static_cast<double>(value)) * static_cast<double>(value);
  return sum;
}

}  // namespace gyre
