#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"
#include "engine/exits/readout.hpp"
#include "engine/probabilities.hpp"

namespace gyre {
namespace {

constexpr std::array<std::string_view, 2> kStarts = {"none", "uniform"};
constexpr ExitOptionHelp kStartHelp = {
    "start", "what stands before the first distribution: none (default) or uniform (Huginn's)"};

bool read_start(ExitOptions& options) { return options.choice("start", kStarts, 0) == 1; }

/// Probabilities below `share` of the largest become those of the uniform distribution; then all are normalised anew.
void flatten_tail(std::span<float> log_probabilities, float share) {
  const auto count = static_cast<float>(log_probabilities.size());
  const float limit = *std::max_element(log_probabilities.begin(), log_probabilities.end()) + std::log(share);
  for (float& value : log_probabilities) {
    if (value < limit) value = -std::log(count);
  }
  log_softmax(log_probabilities, log_probabilities);
}

/// Output-space rule of Geiping et al. (arXiv 2502.05171): KL(p_{k−1} ‖ p_k) below tau. Decodes after every loop. With
/// `min_p` above 0 the unlikely tail of both counts as uniform; with `uniform` the first distribution has the uniform
/// one before it, as Huginn's program has it.
class KlExit : public ExitRule {
 public:
  KlExit(ConsecutiveHits hits, LoopStep::Readout readout, float min_p, bool uniform)
      : hits_(hits), readout_(readout), min_p_(min_p), uniform_(uniform) {}

  [[nodiscard]] ExitReads reads() const override { return {.logits = readout_}; }

  void enter_group(int /*group*/, int /*position*/) override {
    hits_.reset();
    previous_.clear();
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    now_.resize(step.logits.size());
    log_softmax(step.logits, now_);
    if (min_p_ > 0) flatten_tail(now_, min_p_);
    if (previous_.empty() && uniform_) previous_.assign(now_.size(), -std::log(static_cast<float>(now_.size())));
    std::swap(now_, previous_);
    if (now_.empty()) return {};
    if (!hits_.fires(static_cast<float>(kl_divergence(now_, previous_)))) return {};
    return min_p_ > 0 ? "minp-kl" : "kl";
  }

  [[nodiscard]] int lookback() const override { return hits_.needed(); }

 private:
  ConsecutiveHits hits_;
  LoopStep::Readout readout_;
  float min_p_;
  bool uniform_;
  // Log-probabilities after the loop before, and room for those after this one.
  std::vector<float> previous_;
  std::vector<float> now_;
};

}  // namespace

ExitKind kl_exit() {
  return {"kl",
          "KL divergence in nats between the distributions decoded after two loops (costs a decode a loop)",
          {{"tau", "threshold (default 0.001)"}, kHitsHelp, kReadoutHelp, kStartHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options, 1e-3F);
            return std::make_unique<KlExit>(hits, read_readout(options), 0.0F, read_start(options));
          },
          leaves_below};
}

ExitKind minp_kl_exit() {
  return {"minp-kl",
          "Huginn's: as kl, where tokens below a share of the likeliest one's probability count as uniform",
          {{"tau", "threshold (default 0.00001)"},
           kHitsHelp,
           kReadoutHelp,
           {"minp", "that share (default 0.1)"},
           kStartHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options, 1e-5F);
            const float share = options.number("minp", 0.1F, 1e-6F, 1.0F);
            return std::make_unique<KlExit>(hits, read_readout(options), share, read_start(options));
          },
          leaves_below};
}

}  // namespace gyre
