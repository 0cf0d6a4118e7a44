#include <array>
#include <span>

#include "engine/exits/hits.hpp"
#include "engine/exits/kinds.hpp"
#include "engine/probabilities.hpp"

namespace gyre {
namespace {

constexpr std::array<std::string_view, 2> kDecodeNames = {"coda", "lens"};

/// Output-space rule of Geiping et al. (arXiv 2502.05171): KL(p_{k−1} ‖ p_k) below tau. Decodes after every loop.
class KlExit : public ExitRule {
 public:
  KlExit(ConsecutiveHits hits, LoopStep::Decode decode) : hits_(hits), decode_(decode) {}

  void enter_group(int /*group*/, int /*position*/) override {
    hits_.reset();
    previous_.clear();
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    const std::span<const float> logits = step.logits(decode_);
    now_.resize(logits.size());
    log_softmax(logits, now_);
    std::swap(now_, previous_);
    if (now_.empty()) return {};
    if (!hits_.fires(static_cast<float>(kl_divergence(now_, previous_)))) return {};
    return "kl";
  }

 private:
  ConsecutiveHits hits_;
  LoopStep::Decode decode_;
  // Log-probabilities after the loop before, and room for those after this one.
  std::vector<float> previous_;
  std::vector<float> now_;
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
