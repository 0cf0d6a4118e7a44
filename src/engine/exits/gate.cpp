#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// Ouro's trained gate (arXiv 2510.25741): λ_k = σ(gate) is the share of what is left that leaves after loop k; a token
/// leaves when 1 − Π (1 − λ_j) reaches the threshold. LoopUS (arXiv 2605.11011) looks at λ_k alone: of=loop. Of tokens
/// that leave as one, the last one's gate decides, or (over=mean) that of the mean of their states, Dynamic Halt's
/// global halting (arXiv 2402.00976): w · mean x + b is the mean of their gates.
class GateExit : public ExitRule {
 public:
  struct Reading {
    bool of_loop = false;
    bool of_mean = false;
  };
  GateExit(float threshold, Reading reading, const ModelSpec& spec)
      : threshold_(threshold), reading_(reading), spec_(spec) {}

  [[nodiscard]] ExitReads reads() const override { return {.gate = true, .gate_of_all = reading_.of_mean}; }

  void enter_group(int /*group*/, int /*position*/) override { left_ = 1.0; }

  void see(const LoopStep& step) override { take(static_cast<double>(step.gate)); }

  void see_together(std::span<const LoopStep> steps) override {
    if (!reading_.of_mean) return see(steps.back());
    double sum = 0;
    for (const LoopStep& step : steps) sum += static_cast<double>(step.gate);
    take(sum / static_cast<double>(steps.size()));
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (!spec_.groups[static_cast<std::size_t>(step.group)].exit_gate) return {};
    if (1.0 - left_ < static_cast<double>(threshold_)) return {};
    return "gate";
  }

 private:
  void take(double gate) {
    if (reading_.of_loop) left_ = 1.0;
    left_ /= 1.0 + std::exp(gate);
  }

  float threshold_;
  Reading reading_;
  const ModelSpec& spec_;
  double left_ = 1.0;
};

constexpr std::array<std::string_view, 2> kOf = {"sum", "loop"};
constexpr std::array<std::string_view, 2> kOver = {"last", "mean"};

void require_gate(const ExitContext& context) {
  const auto& groups = context.spec.groups;
  if (std::none_of(groups.begin(), groups.end(), [](const Group& group) { return group.exit_gate; })) {
    throw Error("exit gate: this model has no exit gate; choose accel, step or kl");
  }
  if (context.only && !groups[static_cast<std::size_t>(*context.only)].exit_gate) {
    throw Error("exit gate: group {} has no exit gate; choose accel, step or kl", *context.only);
  }
}

}  // namespace

ExitKind gate_exit() {
  return {
      "gate",
      "Ouro's trained gate: the share of probability that has left reaches a threshold",
      {{"threshold", "between 0 and 1 (default 0.5)"},
       {"of", "sum (default: the shares of all loops so far) or loop (that of this loop alone)"},
       {"over", "of a prompt that leaves as one: its last token (default) or the mean of its states (Dynamic Halt)"}},
      [](ExitOptions& options, const ExitContext& context) -> std::unique_ptr<ExitRule> {
        require_gate(context);
        const float threshold = options.number("threshold", 0.5F, 0.0F, 1.0F);
        const GateExit::Reading reading{options.choice("of", kOf, 0) == 1, options.choice("over", kOver, 0) == 1};
        return std::make_unique<GateExit>(threshold, reading, context.spec);
      },
      [](const ExitChoice&) -> ThresholdOption {
        return {"threshold", false, false, 1, 0};
      }};
}

}  // namespace gyre
