#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

constexpr std::array<std::string_view, 2> kDecodeNames = {"coda", "lens"};

std::vector<float> log_softmax(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float value : logits) total += std::exp(static_cast<double>(value - largest));
  const float shift = largest + static_cast<float>(std::log(total));
  std::vector<float> result(logits.begin(), logits.end());
  for (float& value : result) value -= shift;
  return result;
}

/// Output-space rule of Geiping et al. (arXiv 2502.05171): KL(p_{k−1} ‖ p_k) below tau. Decodes after every loop.
class KlExit : public ExitRule {
 public:
  KlExit(ConsecutiveHits hits, LoopStep::Decode decode) : hits_(hits), decode_(decode) {}

  void enter_group(int /*group*/, int /*position*/) override {
    hits_.reset();
    previous_.clear();
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    std::vector<float> now = log_softmax(step.logits(decode_));
    std::swap(now, previous_);
    const std::vector<float>& before = now;
    if (before.empty()) return {};
    double divergence = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      divergence += std::exp(static_cast<double>(before[i])) * static_cast<double>(before[i] - previous_[i]);
    }
    if (!hits_.fires(static_cast<float>(divergence))) return {};
    return "kl";
  }

 private:
  ConsecutiveHits hits_;
  LoopStep::Decode decode_;
  std::vector<float> previous_;  ///< log-probabilities after the last loop
};

}  // namespace

ExitKind kl_exit() {
  return {"kl",
          "KL divergence in nats between the distributions decoded after two loops (costs a decode a loop)",
          {kTauHelp,
           kHitsHelp,
           {"decode", "coda (every later group once, then the head; default) or lens (the head alone)"}},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options);
            const auto decode = static_cast<LoopStep::Decode>(options.choice("decode", kDecodeNames, std::size_t{0}));
            return std::make_unique<KlExit>(hits, decode);
          }};
}

}  // namespace gyre
