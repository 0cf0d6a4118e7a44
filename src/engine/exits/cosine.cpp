#include <algorithm>
#include <limits>

#include "engine/exits/kinds.hpp"
#include "engine/exits/latent.hpp"

namespace gyre {
namespace {

/// 1 − cos(x^(k), x^(k−1)) below tau; CALM's state saturation (arXiv 2207.07061). By norms, ‖Δ‖² = (‖x‖ − ‖y‖)² + 2
/// ‖x‖‖y‖ (1 − cos), so that nothing cancels.
class CosineExit : public LatentExit {
 public:
  explicit CosineExit(ConsecutiveHits hits) : LatentExit(hits, "cosine") {}

 protected:
  [[nodiscard]] std::optional<float> quantity(const LoopStep& step) const override {
    const float longer = step.state_norm - step.previous_state_norm;
    const float area = 2 * step.state_norm * step.previous_state_norm;
    if (area < std::numeric_limits<float>::min()) return {};  // a state of zeros points nowhere
    return std::max(0.0F, step.step_norm * step.step_norm - longer * longer) / area;
  }
};

}  // namespace

ExitKind cosine_exit() {
  return {"cosine",
          "Huginn's: 1 - cosine of the state and the one before (CALM's state saturation)",
          {{"tau", "threshold (default 0.001)"}, kHitsHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            return std::make_unique<CosineExit>(ConsecutiveHits(options, 1e-3F));
          },
          leaves_below};
}

}  // namespace gyre
