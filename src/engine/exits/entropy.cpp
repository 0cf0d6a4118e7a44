#include "engine/exits/confidence.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// The entropy of the read-out below tau, in nats (arXiv 2607.20519; BranchyNet's, arXiv 1709.01686). By the head alone
/// (decode=lens) that is the lens entropy.
class EntropyExit : public ConfidenceExit {
 public:
  EntropyExit(ConsecutiveHits hits, LoopStep::Readout readout) : ConfidenceExit(hits, readout, "entropy") {}

 protected:
  bool lets_go(ConsecutiveHits& hits, std::span<const float> log_probabilities) override {
    return hits.fires(static_cast<float>(entropy(log_probabilities)));
  }
};

}  // namespace

ExitKind entropy_exit() {
  return {"entropy",
          "the entropy of the decoded distribution, in nats, is below tau (costs a decode a loop)",
          {kTauHelp, kHitsHelp, kReadoutHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            const ConsecutiveHits hits(options);
            return std::make_unique<EntropyExit>(hits, read_readout(options));
          },
          leaves_below};
}

}  // namespace gyre
