#pragma once

#include <span>
#include <vector>

#include "raman/metrics.hpp"

namespace gyre::raman {

/// Opinions on the class of each of some items: `parts` numbers a class (log-probabilities), mixed as
/// softmax(Σ weight · part).
struct Opinions {
  std::size_t classes = 0;
  std::size_t parts = 0;
  std::vector<float> values;  ///< [items, classes, parts]

  [[nodiscard]] std::size_t items() const { return classes == 0 ? 0 : values.size() / (classes * parts); }
};

/// The weights of least log loss on these items, by Newton's method; the loss is convex in them. A small penalty draws
/// them to 1 / parts, which decides where the items do not.
std::vector<double> fit_log_linear(const Opinions& opinions, std::span<const int> truth,
                                   std::span<const std::size_t> items);

Probabilities mix_log_linear(const Opinions& opinions, std::span<const double> weights);

/// The temperature of least log loss: probabilities become softmax(log p / T). No ranking changes with it, so that
/// accuracy does not either.
double fit_temperature(const Probabilities& probabilities, std::span<const int> truth);
Probabilities at_temperature(const Probabilities& probabilities, double temperature);

}  // namespace gyre::raman
