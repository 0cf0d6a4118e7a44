#include <array>

#include "base/error.hpp"
#include "engine/exits.hpp"
#include "engine/exits/kinds.hpp"
#include "engine/exits/latent.hpp"

namespace gyre {
namespace {

/// The contraction of the loop, ‖Δ^(k)‖ / ‖Δ^(k−1)‖, below tau; or (`above`) at least tau: with tau = 1 the steps grow,
/// and the loop has ceased to contract.
class RatioExit : public LatentExit {
 public:
  RatioExit(ConsecutiveHits hits, bool above) : LatentExit(hits, "ratio"), above_(above) {}

 protected:
  [[nodiscard]] std::optional<float> quantity(const LoopStep& step) const override {
    if (step.steps < 2) return {};
    return step.step_norm / form_scale(Form::normalised, step, step.previous_step_norm);
  }

  bool lets_go(ConsecutiveHits& hits, float value) override {
    return above_ ? hits.fires_above(value) : hits.fires(value);
  }

 private:
  bool above_;
};

constexpr std::array<std::string_view, 2> kSides = {"below", "above"};

ThresholdOption ratio_threshold(const ExitChoice& rule) {
  const auto side = rule.options.find("side");
  if (side != rule.options.end() && side->second == "above") {
    throw Error("exit {}: tokens leave where their steps grow, which no threshold makes safe; choose side=below",
                rule.text);
  }
  return leaves_below(rule);
}

}  // namespace

ExitKind ratio_exit() {
  return {"ratio",
          "contraction: the length of the step by that of the step before",
          {kTauHelp, kHitsHelp, {"side", "of tau where it leaves: below (default) or above (with tau=1: steps grow)"}},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options);
            return std::make_unique<RatioExit>(hits, options.choice("side", kSides, 0) == 1);
          },
          ratio_threshold};
}

}  // namespace gyre
