#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// Second-order rule of arXiv 2509.23314: a^(k) = ‖Δ^(k) − Δ^(k−1)‖₂ below tau; the paper's own has hits = 2.
class AccelerationExit : public ExitRule {
 public:
  AccelerationExit(ConsecutiveHits hits, Form form) : hits_(hits), form_(form) {}

  [[nodiscard]] ExitReads reads() const override { return {.norms = true}; }

  void enter_group(int /*group*/, int /*position*/) override { hits_.reset(); }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (step.loop < 2) return {};
    if (!hits_.fires(step.acceleration / form_scale(form_, step, step.step_norm + step.previous_step_norm))) return {};
    return "acceleration";
  }

 private:
  ConsecutiveHits hits_;
  Form form_;
};

}  // namespace

ExitKind acceleration_exit() {
  return {"accel",
          "second order: the length of the second difference of the states (arXiv 2509.23314)",
          {kTauHelp,
           kHitsHelp,
           {"form", "absolute, relative (to the state's norm, default) or normalised (by both steps' norms)"}},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options);
            const Form form = read_form(options);
            return std::make_unique<AccelerationExit>(hits, form);
          }};
}

}  // namespace gyre
