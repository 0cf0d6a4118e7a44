#include "study/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"

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

double quantile(std::span<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators, std::uint64_t seed) {
  constexpr int kResamples = 1000;
  if (numerators.empty()) return {};
  Random random(seed);
  std::vector<double> ratios;
  for (int i = 0; i < kResamples; ++i) {
    double above = 0;
    double below = 0;
    for (std::size_t j = 0; j < numerators.size(); ++j) {
      const std::size_t pick = random.below(numerators.size());
      above += numerators[pick];
      below += denominators[pick];
    }
    ratios.push_back(above / below);
  }
  return {quantile(ratios, 0.025), quantile(ratios, 0.975)};
}

}  // namespace gyre
