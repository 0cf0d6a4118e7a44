#include <cmath>

#include "base/error.hpp"
#include "engine/exit_head.hpp"
#include "engine/exits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// What was learned on the frozen model: leaves where the loss that all further loops would save is predicted to be
/// below tau; or, of a gate, where 1 − Π (1 − λ_j), λ = σ(s), reaches the threshold. Of tokens that leave as one, the
/// last one's state decides.
class HeadExit : public ExitRule {
 public:
  HeadExit(std::shared_ptr<const ExitHead> head, float bound) : head_(std::move(head)), bound_(bound) {}

  [[nodiscard]] ExitReads reads() const override { return {.norms = true, .state = true}; }

  void enter_group(int group, int /*position*/) override {
    group_ = head_->of_group(group);
    left_ = 1;
  }

  void see(const LoopStep& step) override {
    if (group_ == nullptr) return;
    score_ = group_->score(step.state, step.state_norm, step.step_norm, step.loop);
    left_ /= 1 + std::exp(score_);
  }

  std::optional<std::string_view> leave_after(const LoopStep& /*step*/) override {
    if (group_ == nullptr) return {};
    const auto bound = static_cast<double>(bound_);
    const bool leaves = head_->kind == HeadKind::gate ? 1 - left_ >= bound : score_ < bound;
    if (!leaves) return {};
    return "head";
  }

 private:
  std::shared_ptr<const ExitHead> head_;
  float bound_;
  const GroupHead* group_ = nullptr;  ///< of the group that the token is in
  double score_ = 0;                  ///< after the last loop
  double left_ = 1;                   ///< of a gate: probability that has not left yet
};

constexpr float kMostNats = 1000;

std::string_view key_of(HeadKind kind) { return kind == HeadKind::gate ? "threshold" : "tau"; }

ThresholdOption head_threshold(const ExitChoice& rule) {
  const std::string key(key_of(rule.head->kind));
  if (rule.head->kind == HeadKind::gate) return {key, false, false, 1, 0};
  return {key, true, false, -static_cast<double>(kMostNats), static_cast<double>(kMostNats)};
}

/// A head has one of the two bounds.
void require_own_bound(const ExitOptions& options, const ExitHead& head) {
  const HeadKind other = head.kind == HeadKind::gate ? HeadKind::drop : HeadKind::gate;
  const std::string key(key_of(other));
  if (!options.has(key)) return;
  throw Error("exit head: {}: {} holds a {}, which has {} instead", key, head.file, name_of(head.kind),
              key_of(head.kind));
}

std::unique_ptr<ExitRule> make_head(ExitOptions& options, const ExitContext& context) {
  const std::shared_ptr<const ExitHead>& head = options.head();
  require_own_bound(options, *head);
  require_shape(*head, context.spec, context.loops, context.only);
  const float bound = head->kind == HeadKind::gate ? options.number("threshold", 0.5F, 0.0F, 1.0F)
                                                   : options.number("tau", {}, -kMostNats, kMostNats);
  return std::make_unique<HeadExit>(head, bound);
}

}  // namespace

ExitKind head_exit() {
  return {"head",
          "what gyre train-exit learned of this model: what more loops would save is below tau, or its gate",
          {{"file", "the file it wrote (needed)"},
           {"tau", "of a head that predicts a drop: nats of the loss below which it leaves (needed)"},
           {"threshold", "of a gate: between 0 and 1 (default 0.5)"}},
          make_head,
          head_threshold,
          [](ExitOptions& options) -> std::shared_ptr<const ExitHead> {
            return std::make_shared<const ExitHead>(read_exit_head(options.text("file", {})));
          }};
}

}  // namespace gyre
