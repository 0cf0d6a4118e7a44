#pragma once

#include <string_view>
#include <vector>

#include "engine/exits/hits.hpp"
#include "engine/exits/readout.hpp"
#include "engine/probabilities.hpp"

namespace gyre {

/// A rule that holds against a threshold how sure a read-out is by itself, whatever the loops before said.
class ConfidenceExit : public ExitRule {
 public:
  ConfidenceExit(ConsecutiveHits hits, LoopStep::Readout readout, std::string_view reason)
      : hits_(hits), readout_(readout), reason_(reason) {}

  [[nodiscard]] ExitReads reads() const override { return {.logits = readout_}; }
  void enter_group(int /*group*/, int /*position*/) override { hits_.reset(); }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    log_probabilities_.resize(step.logits.size());
    log_softmax(step.logits, log_probabilities_);
    if (!lets_go(hits_, log_probabilities_)) return {};
    return reason_;
  }

  [[nodiscard]] int lookback() const override { return hits_.needed() - 1; }

 protected:
  virtual bool lets_go(ConsecutiveHits& hits, std::span<const float> log_probabilities) = 0;

 private:
  ConsecutiveHits hits_;
  LoopStep::Readout readout_;
  std::string_view reason_;
  std::vector<float> log_probabilities_;
};

}  // namespace gyre
