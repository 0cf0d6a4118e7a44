#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"
#include "engine/exits/readout.hpp"
#include "engine/probabilities.hpp"

namespace gyre {
namespace {

/// |H(p_k) − H(p_{k−1})| below tau, in nats. Decodes after every loop. With `start` that entropy stands before the
/// first.
class EntropyDiffExit : public ExitRule {
 public:
  EntropyDiffExit(ConsecutiveHits hits, LoopStep::Readout readout, std::optional<double> start)
      : hits_(hits), readout_(readout), start_(start) {}

  [[nodiscard]] ExitReads reads() const override { return {.logits = readout_}; }

  void enter_group(int /*group*/, int /*position*/) override {
    hits_.reset();
    previous_ = start_;
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    log_probabilities_.resize(step.logits.size());
    log_softmax(step.logits, log_probabilities_);
    const double now = entropy(log_probabilities_);
    const std::optional<double> before = std::exchange(previous_, now);
    if (!before || !hits_.fires(static_cast<float>(std::abs(now - *before)))) return {};
    return "entropy-diff";
  }

  [[nodiscard]] int lookback() const override { return hits_.needed(); }

 private:
  ConsecutiveHits hits_;
  LoopStep::Readout readout_;
  std::optional<double> start_;
  std::optional<double> previous_;
  std::vector<float> log_probabilities_;
};

}  // namespace

ExitKind entropy_diff_exit() {
  return {"entropy-diff",
          "Huginn's: change of the entropy of the decoded distribution, in nats (costs a decode a loop)",
          {{"tau", "threshold (default 0.001)"},
           kHitsHelp,
           kReadoutHelp,
           {"start", "an entropy that stands before the first (default: none; Huginn's is 100)"}},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options, 1e-3F);
            std::optional<double> start;
            if (options.has("start")) start = static_cast<double>(options.number("start", {}, 0.0F, 1e6F));
            return std::make_unique<EntropyDiffExit>(hits, read_readout(options), start);
          },
          leaves_below};
}

}  // namespace gyre
