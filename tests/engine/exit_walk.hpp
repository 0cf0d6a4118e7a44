#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/exits.hpp"
#include "model_folder.hpp"

namespace gyre {

/// A token's way through one group of six loops: what a rule is asked, loop after loop.
class Walk {
 public:
  explicit Walk(const std::string& rule, std::uint64_t stream = 0)
      : spec_(one_group()), exit_(parse_exit(rule), {spec_, {1, 6}, {}}, stream) {}

  /// The loop after which the token leaves and why; 6 and "end" when it never does.
  std::pair<int, std::string> run(std::vector<LoopStep> steps, int position = 0) {
    exit_.enter_group(1, position);
    for (std::size_t k = 0; k < steps.size(); ++k) {
      steps[k].group = 1;
      steps[k].loop = static_cast<int>(k) + 1;
      steps[k].steps = static_cast<int>(k) + 1;
      if (k > 0) steps[k].previous_step_norm = steps[k - 1].step_norm;
      steps[k].first_step_norm = steps[0].step_norm;
      const auto how = exit_.reads(steps[k].loop).logits;
      if (how) read_.emplace_back(steps[k].loop, *how);
      if (!how) steps[k].logits = {};
      if (const auto reason = exit_.leave_after(steps[k])) return {steps[k].loop, std::string(*reason)};
    }
    return {6, "end"};
  }

  /// Loops after which it looked at logits, and how they were read.
  [[nodiscard]] const std::vector<std::pair<int, LoopStep::Readout>>& read() const { return read_; }

  static ModelSpec one_group() {
    ModelSpec spec = small_spec();
    spec.groups = {spec.groups[0], spec.groups[1]};
    spec.groups[1].loops = 6;
    return spec;
  }

 private:
  ModelSpec spec_;
  BoundedExit exit_;
  std::vector<std::pair<int, LoopStep::Readout>> read_;
};

using Left = std::pair<int, std::string>;

/// Five loops with these accelerations; states of norm 10 and steps of norm 2.
inline std::vector<LoopStep> accelerations(const std::vector<float>& values) {
  std::vector<LoopStep> steps(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    steps[k].acceleration = values[k];
    steps[k].state_norm = 10;
    steps[k].step_norm = 2;
  }
  return steps;
}

inline std::vector<LoopStep> step_norms(const std::vector<float>& values) {
  std::vector<LoopStep> steps(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    steps[k].step_norm = values[k];
    steps[k].state_norm = 10;
  }
  return steps;
}

/// Loops that decode to these logits.
inline std::vector<LoopStep> decoded(const std::vector<std::vector<float>>& logits) {
  std::vector<LoopStep> steps(logits.size());
  for (std::size_t k = 0; k < steps.size(); ++k) steps[k].logits = logits[k];
  return steps;
}

}  // namespace gyre
