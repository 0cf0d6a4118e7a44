#include <limits>

#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// First-order rule: ‖Δ^(k)‖₂ below tau.
class StepExit : public ExitRule {
 public:
  StepExit(ConsecutiveHits hits, Form form) : hits_(hits), form_(form) {}

  void enter_group(int /*group*/, int /*position*/) override { hits_.reset(); }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (!hits_.fires(step.step_norm / scale(step))) return {};
    return "step";
  }

 private:
  [[nodiscard]] float scale(const LoopStep& step) const {
    constexpr float kTiny = std::numeric_limits<float>::min();
    switch (form_) {
      case Form::relative:
        return step.state_norm + kTiny;
      case Form::normalised:
        return step.first_step_norm + kTiny;
      case Form::absolute:
        break;
    }
    return 1.0F;
  }

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
            const auto form = static_cast<Form>(options.choice("form", kFormNames, std::size_t{1}));
            return std::make_unique<StepExit>(hits, form);
          }};
}

}  // namespace gyre
