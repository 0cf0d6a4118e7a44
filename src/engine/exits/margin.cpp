#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/exits/confidence.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// CALM's softmax response (arXiv 2207.07061): the two largest probabilities of the read-out lie tau apart or further.
class MarginExit : public ConfidenceExit {
 public:
  MarginExit(ConsecutiveHits hits, LoopStep::Readout readout) : ConfidenceExit(hits, readout, "margin") {}

 protected:
  bool lets_go(ConsecutiveHits& hits, std::span<const float> log_probabilities) override {
    float first = -std::numeric_limits<float>::infinity();
    float second = first;
    for (const float value : log_probabilities) {
      if (value <= second) continue;
      second = std::min(value, first);
      first = std::max(value, first);
    }
    return hits.fires_above(std::exp(first) - std::exp(second));
  }
};

}  // namespace

ExitKind margin_exit() {
  return {"margin",
          "CALM's: the two likeliest tokens' probabilities lie at least tau apart (costs a decode a loop)",
          {kTauHelp, kHitsHelp, kReadoutHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options, {}, 1.0F);
            return std::make_unique<MarginExit>(hits, read_readout(options));
          },
          leaves_from};
}

}  // namespace gyre
