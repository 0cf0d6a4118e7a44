#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// The expected logits over Ouro's trained gate (`use_weighted_exit` of its program): Σ p_t head(x^(t)) with
/// p_t = λ_t Π_{j<t} (1 − λ_j), what is left of the probability falling to the last loop. The head being linear, that
/// is the head of Σ p_t x^(t). All loops run.
class GateWeightedExit : public ExitRule {
 public:
  explicit GateWeightedExit(const ModelSpec& spec) : spec_(spec) {}

  [[nodiscard]] ExitReads reads() const override { return {.gate = true}; }

  void enter_group(int group, int /*position*/) override {
    gated_ = spec_.groups[static_cast<std::size_t>(group)].exit_gate;
    left_ = 1;
    seen_ = 0;
  }

  void see(const LoopStep& step) override {
    const auto gate = static_cast<double>(step.gate);
    before_ = left_;
    left_ = before_ / (1 + std::exp(gate));
    now_ = before_ / (1 + std::exp(-gate));
    seen_ = step.loop;
  }

  std::optional<std::string_view> leave_after(const LoopStep& /*step*/) override { return {}; }

  [[nodiscard]] std::optional<float> share(int loop, bool last) const override {
    if (!gated_) return {};
    if (!last) return static_cast<float>(now_);
    return static_cast<float>(loop == seen_ ? before_ : left_);  // its own gate does not count
  }

 private:
  const ModelSpec& spec_;
  bool gated_ = true;
  int seen_ = 0;       ///< the last loop that was seen
  double before_ = 1;  ///< probability that is left before it
  double now_ = 0;     ///< its own
  double left_ = 1;    ///< behind it
};

/// Whether logits are linear in the states of the one gated group.
bool reads_states_as_they_are(const ModelSpec& spec) {
  const Group& last = spec.groups.back();
  const auto gates = std::count_if(spec.groups.begin(), spec.groups.end(), [](const Group& g) { return g.exit_gate; });
  return gates == 1 && last.exit_gate && !last.exit_norm && !last.exit_linear && !spec.final_norm &&
         spec.logit_softcap == 0;
}

}  // namespace

ExitKind gate_weighted_exit() {
  return {"gate-weighted",
          "Ouro's: all loops run, and the logits of each count by the gate's probability that a token leaves there",
          {},
          [](ExitOptions& /*options*/, const ExitContext& context) -> std::unique_ptr<ExitRule> {
            const bool elsewhere =
                context.only && !context.spec.groups[static_cast<std::size_t>(*context.only)].exit_gate;
            if (elsewhere || !reads_states_as_they_are(context.spec)) {
              throw Error(
                  "exit gate-weighted: needs a model whose head reads the states of a gated last group as they are, as "
                  "Ouro's does; choose gate, accel, step or kl");
            }
            return std::make_unique<GateWeightedExit>(context.spec);
          }};
}

}  // namespace gyre
