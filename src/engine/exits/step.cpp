#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// First-order rule: ‖Δ^(k)‖₂ below tau.
class StepExit : public ExitRule {
 public:
  StepExit(ConsecutiveHits hits, Form form) : hits_(hits), form_(form) {}

  [[nodiscard]] ExitReads reads() const override { return {.norms = true}; }

  void enter_group(int /*group*/, int /*position*/) override { hits_.reset(); }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (!hits_.fires(step.step_norm / form_scale(form_, step, step.first_step_norm))) return {};
    return "step";
  }

 private:
  ConsecutiveHits hits_;
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
          }};
}

ExitKind latent_diff_exit() {
  return {"latent-diff",
          "Huginn's: the length of the step relative to the state's norm",
          {{"tau", "threshold (default 0.03)"}, kHitsHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            return std::make_unique<StepExit>(ConsecutiveHits(options, 0.03F), Form::relative);
          }};
}

}  // namespace gyre
