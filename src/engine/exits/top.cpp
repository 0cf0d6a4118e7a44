#include <algorithm>
#include <cmath>

#include "engine/exits/confidence.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// The largest probability of the read-out, at least tau (arXiv 2607.20519).
class TopExit : public ConfidenceExit {
 public:
  TopExit(ConsecutiveHits hits, LoopStep::Readout readout) : ConfidenceExit(hits, readout, "top") {}

 protected:
  bool lets_go(ConsecutiveHits& hits, std::span<const float> log_probabilities) override {
    return hits.fires_above(std::exp(*std::max_element(log_probabilities.begin(), log_probabilities.end())));
  }
};

}  // namespace

ExitKind top_exit() {
  return {"top",
          "the likeliest token's probability is at least tau (costs a decode a loop)",
          {kTauHelp, kHitsHelp, kReadoutHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options, {}, 1.0F);
            return std::make_unique<TopExit>(hits, read_readout(options));
          },
          leaves_from};
}

}  // namespace gyre
