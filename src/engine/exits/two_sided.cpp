#include <algorithm>
#include <array>
#include <vector>

#include "base/error.hpp"
#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"
#include "engine/exits/readout.hpp"
#include "engine/probabilities.hpp"

namespace gyre {
namespace {

enum class Measure { step, accel, entropy };
constexpr std::array<std::string_view, 3> kMeasures = {"step", "accel", "entropy"};

/// What a two-sided rule is set to.
struct TwoSides {
  Measure measure;
  LoopStep::Readout readout;
  int patience;
  float factor;
};

/// A stop on two sides, after Conformal Thinking (arXiv 2602.03814): settled, where the measure is below tau; hopeless,
/// where within `patience` askings it has not fallen below `factor` times what it was, so that more loops will not
/// settle it either.
class TwoSidedExit : public ExitRule {
 public:
  TwoSidedExit(ConsecutiveHits hits, TwoSides sides) : hits_(hits), sides_(sides) {}

  [[nodiscard]] ExitReads reads() const override {
    if (sides_.measure == Measure::entropy) return {.logits = sides_.readout};
    return {.norms = true};
  }

  void enter_group(int /*group*/, int /*position*/) override {
    hits_.reset();
    values_.clear();
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override { return leave_together({&step, 1}); }

  std::optional<std::string_view> leave_together(std::span<const LoopStep> steps) override {
    const std::optional<float> now = value(steps);
    if (!now) return {};
    values_.push_back(*now);
    if (hits_.fires(*now)) return "settled";
    const auto patience = static_cast<std::size_t>(sides_.patience);
    if (values_.size() <= patience) return {};
    if (*now >= sides_.factor * values_[values_.size() - 1 - patience]) return "hopeless";
    return {};
  }

  [[nodiscard]] int lookback() const override { return std::max(hits_.needed() - 1, sides_.patience); }

 private:
  /// The mean over tokens that leave as one; of what is read out, the last one's.
  std::optional<float> value(std::span<const LoopStep> steps) {
    if (sides_.measure == Measure::entropy) {
      log_probabilities_.resize(steps.back().logits.size());
      log_softmax(steps.back().logits, log_probabilities_);
      return static_cast<float>(entropy(log_probabilities_));
    }
    const bool accel = sides_.measure == Measure::accel;
    double sum = 0;
    for (const LoopStep& step : steps) {
      if (accel && step.steps < 2) return {};
      const float length = accel ? step.acceleration : step.step_norm;
      sum += static_cast<double>(length / form_scale(Form::relative, step, 0));
    }
    return static_cast<float>(sum / static_cast<double>(steps.size()));
  }

  ConsecutiveHits hits_;
  TwoSides sides_;
  std::vector<float> values_;  ///< of the askings so far in this group
  std::vector<float> log_probabilities_;
};

}  // namespace

ExitKind two_sided_exit() {
  return {"two-sided",
          "settled, or hopeless: a measure is below tau, or does not fall any more",
          {kTauHelp,
           kHitsHelp,
           {"measure", "step (relative, default), accel (relative) or entropy (costs a decode a loop)"},
           {"patience", "askings within which it has to fall (default 4)"},
           {"factor", "to below this share of what it was, or it is hopeless (default 0.9)"},
           kReadoutHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options);
            TwoSides sides{};
            sides.measure = static_cast<Measure>(options.choice("measure", kMeasures, 0));
            sides.readout = read_readout(options);
            sides.patience = options.integer("patience", 4, 1, 1000);
            sides.factor = options.number("factor", 0.9F, 0.0F, 1.0F);
            if (options.has("decode") && sides.measure != Measure::entropy) {
              throw Error("exit two-sided: decode: only measure=entropy decodes; leave it out");
            }
            return std::make_unique<TwoSidedExit>(hits, sides);
          },
          leaves_below};
}

}  // namespace gyre
