#include "engine/token_lens.hpp"

#include <cmath>

#include "engine/engine.hpp"
#include "kernels/kernels.hpp"

namespace gyre {

void LensTrace::follow(int position) {
  position_ = position;
  for (std::vector<float>& group : states_) group.clear();
}

void LensTrace::hear(const TracePoint& point) {
  const auto group = static_cast<std::size_t>(point.group);
  if (loops_[group] <= 1 || position_ < point.position) return;
  const auto row = static_cast<std::size_t>(position_ - point.position);
  if (row * hidden_ >= point.states.size()) return;
  const std::span<const float> state = point.states.subspan(row * hidden_, hidden_);
  states_[group].insert(states_[group].end(), state.begin(), state.end());
}

GroupLens LensTrace::steps_of(std::size_t group) const {
  GroupLens lens{static_cast<int>(group)};
  std::vector<float> step(hidden_, 0.0F);
  const std::vector<float>& states = states_[group];
  for (std::size_t k = 1; k * hidden_ < states.size(); ++k) {
    const float* const now = states.data() + k * hidden_;
    const StepStatistics sums = kernels().step_statistics(now, now - hidden_, step.data(), hidden_);
    lens.state_norms.push_back(std::sqrt(sums.state));
    lens.step_norms.push_back(std::sqrt(sums.step));
    if (k > 1) lens.accelerations.push_back(std::sqrt(sums.acceleration));
  }
  return lens;
}

TokenLens LensTrace::read(Engine& engine, int vocabulary, std::int32_t token, int count) const {
  TokenLens all;
  for (std::size_t group = 0; group < states_.size(); ++group) {
    if (states_[group].size() <= hidden_) continue;
    GroupLens lens = steps_of(group);
    const std::span<const float> logits = engine.head(std::span(states_[group]).subspan(hidden_));
    const std::size_t row = logits.size() / lens.step_norms.size();
    for (std::size_t k = 0; k < lens.step_norms.size(); ++k) {
      lens.words.push_back(
          probabilities_of(logits.subspan(k * row, static_cast<std::size_t>(vocabulary)), token, count));
    }
    all.push_back(std::move(lens));
  }
  return all;
}

}  // namespace gyre
