#include <algorithm>
#include <limits>

#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// 1 − cos(x^(k), x^(k−1)) below tau. By norms, ‖Δ‖² = (‖x‖ − ‖y‖)² + 2 ‖x‖‖y‖ (1 − cos), so that nothing cancels.
class CosineExit : public ExitRule {
 public:
  explicit CosineExit(ConsecutiveHits hits) : hits_(hits) {}

  [[nodiscard]] ExitReads reads() const override { return {.norms = true}; }

  void enter_group(int /*group*/, int /*position*/) override { hits_.reset(); }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    const float longer = step.state_norm - step.previous_state_norm;
    const float area = 2 * step.state_norm * step.previous_state_norm;
    if (area < std::numeric_limits<float>::min()) return {};  // a state of zeros points nowhere
    const float distance = std::max(0.0F, step.step_norm * step.step_norm - longer * longer) / area;
    if (!hits_.fires(distance)) return {};
    return "cosine";
  }

 private:
  ConsecutiveHits hits_;
};

}  // namespace

ExitKind cosine_exit() {
  return {"cosine",
          "Huginn's: 1 - cosine of the state and the one before",
          {{"tau", "threshold (default 0.001)"}, kHitsHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            return std::make_unique<CosineExit>(ConsecutiveHits(options, 1e-3F));
          }};
}

}  // namespace gyre
