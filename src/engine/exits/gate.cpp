#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// Ouro's trained gate (arXiv 2510.25741): λ_k = σ(gate) is the share of what is left that leaves after loop k; a token
/// leaves when 1 − Π (1 − λ_j) reaches the threshold. LoopUS (arXiv 2605.11011) looks at λ_k alone: of=loop.
class GateExit : public ExitRule {
 public:
  GateExit(float threshold, bool alone, const ModelSpec& spec) : threshold_(threshold), alone_(alone), spec_(spec) {}

  [[nodiscard]] ExitReads reads() const override { return {.gate = true}; }

  void enter_group(int /*group*/, int /*position*/) override { left_ = 1.0; }

  void see(const LoopStep& step) override {
    if (alone_) left_ = 1.0;
    left_ /= 1.0 + std::exp(static_cast<double>(step.gate));
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (!spec_.groups[static_cast<std::size_t>(step.group)].exit_gate) return {};
    if (1.0 - left_ < static_cast<double>(threshold_)) return {};
    return "gate";
  }

 private:
  float threshold_;
  bool alone_;
  const ModelSpec& spec_;
  double left_ = 1.0;
};

}  // namespace

ExitKind gate_exit() {
  return {"gate",
          "Ouro's trained gate: the share of probability that has left reaches a threshold",
          {{"threshold", "between 0 and 1 (default 0.5)"},
           {"of", "sum (default: the shares of all loops so far) or loop (that of this loop alone)"}},
          [](ExitOptions& options, const ExitContext& context) -> std::unique_ptr<ExitRule> {
            const auto& groups = context.spec.groups;
            if (std::none_of(groups.begin(), groups.end(), [](const Group& group) { return group.exit_gate; })) {
              throw Error("exit gate: this model has no exit gate; choose accel, step or kl");
            }
            constexpr std::array<std::string_view, 2> kOf = {"sum", "loop"};
            const float threshold = options.number("threshold", 0.5F, 0.0F, 1.0F);
            return std::make_unique<GateExit>(threshold, options.choice("of", kOf, 0) == 1, context.spec);
          }};
}

}  // namespace gyre
