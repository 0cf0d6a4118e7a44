#include "engine/exits/kinds.hpp"
#include "engine/exits/latent.hpp"

namespace gyre {
namespace {

/// First-order rule: ‖Δ^(k)‖₂ below tau.
class StepExit : public LatentExit {
 public:
  StepExit(ConsecutiveHits hits, Form form) : LatentExit(hits, "step"), form_(form) {}

 protected:
  [[nodiscard]] std::optional<float> quantity(const LoopStep& step) const override {
    return step.step_norm / form_scale(form_, step, step.first_step_norm);
  }

 private:
  Form form_;
};

}  // namespace

ExitKind step_exit() {
  return {"step",
          "first order: the length of the step",
          {kTauHelp,
           kHitsHelp,
           {"form", "absolute, relative (to the state's norm, default) or normalised (by the group's first step)"}},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options);
            const Form form = read_form(options);
            return std::make_unique<StepExit>(hits, form);
          },
          leaves_below};
}

ExitKind latent_diff_exit() {
  return {"latent-diff",
          "Huginn's: the length of the step relative to the state's norm",
          {{"tau", "threshold (default 0.03)"}, kHitsHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            return std::make_unique<StepExit>(ConsecutiveHits(options, 0.03F), Form::relative);
          },
          leaves_below};
}

}  // namespace gyre
