#include "engine/exits/kinds.hpp"
#include "engine/exits/latent.hpp"

namespace gyre {
namespace {

/// Second-order rule of arXiv 2509.23314: a^(k) = ‖Δ^(k) − Δ^(k−1)‖₂ below tau; the paper's own has hits = 2.
class AccelerationExit : public LatentExit {
 public:
  AccelerationExit(ConsecutiveHits hits, Form form) : LatentExit(hits, "acceleration"), form_(form) {}

 protected:
  [[nodiscard]] std::optional<float> quantity(const LoopStep& step) const override {
    if (step.steps < 2) return {};
    return step.acceleration / form_scale(form_, step, step.step_norm + step.previous_step_norm);
  }

 private:
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
