#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"
#include "engine/exits/latent.hpp"

namespace gyre {
namespace {

/// The forms in circulation. The first three read the vector a^(k) = Δ^(k) − Δ^(k−1), and so does `maximum`; the others
/// the lengths of the steps alone: a spiral of constant radius, whose a^(k) stays, has none of them.
enum class Acceleration { absolute, relative, normalised, scalar, ratio, sign, maximum };
constexpr std::array<std::string_view, 7> kForms = {"absolute", "relative", "normalised", "scalar",
                                                    "ratio",    "sign",     "maximum"};

/// Second-order rule of arXiv 2509.23314: ‖a^(k)‖ below tau (Eq. 5); the paper's own has form = absolute, hits = 2.
class AccelerationExit : public LatentExit {
 public:
  AccelerationExit(ConsecutiveHits hits, Acceleration form) : LatentExit(hits, "acceleration"), form_(form) {}

 protected:
  [[nodiscard]] std::optional<float> quantity(const LoopStep& step) const override {
    if (step.steps < 2) return {};
    const float before = step.previous_step_norm;
    switch (form_) {
      case Acceleration::relative:
        return step.acceleration / form_scale(Form::relative, step, 0);
      case Acceleration::normalised:
        return step.acceleration / form_scale(Form::normalised, step, step.step_norm + before);
      case Acceleration::scalar:
        return std::abs(step.step_norm - before);
      case Acceleration::ratio:
        return std::abs(step.step_norm - before) / form_scale(Form::normalised, step, before);
      case Acceleration::sign:
        return step.step_norm < before ? 1.0F : 0.0F;
      case Acceleration::absolute:
      case Acceleration::maximum:
        break;
    }
    return step.acceleration;
  }

  void begin() override { most_ = 0; }

  bool lets_go(ConsecutiveHits& hits, float value) override {
    if (form_ != Acceleration::maximum) return hits.fires(value);
    most_ = std::max(most_, value);
    return hits.fires(most_ > 0 ? value / most_ : 0.0F);
  }

 private:
  Acceleration form_;
  float most_ = 0;  ///< the largest so far in this group
};

}  // namespace

ExitKind acceleration_exit() {
  return {
      "accel",
      "second order: the length of the second difference of the states (arXiv 2509.23314)",
      {kTauHelp,
       kHitsHelp,
       {"form",
        "absolute, relative (to the state's norm, default), normalised (by both steps' norms), maximum (share of\n"
        "                   the largest so far); of step norms alone: scalar (their difference), ratio (the same by\n"
        "                   the one before), sign (no tau: the steps shrink no more)"}},
      [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
        const auto form = static_cast<Acceleration>(options.choice("form", kForms, 1));
        const bool by_sign = form == Acceleration::sign;
        if (by_sign && options.has("tau")) {
          throw Error("exit accel: tau: form=sign has no threshold; leave it out, or choose ratio:side=above");
        }
        // Of tokens that leave as one the mean is the share whose steps shrink: less than half.
        const ConsecutiveHits hits(options, by_sign ? std::optional(0.5F) : std::nullopt);
        return std::make_unique<AccelerationExit>(hits, form);
      },
      leaves_below};
}

}  // namespace gyre
