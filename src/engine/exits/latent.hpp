#pragma once

#include "engine/exits/hits.hpp"

namespace gyre {

/// A rule that holds a quantity of a token's states against a threshold; of tokens that leave as one, its mean.
class LatentExit : public ExitRule {
 public:
  LatentExit(ConsecutiveHits hits, std::string_view reason) : hits_(hits), reason_(reason) {}

  [[nodiscard]] ExitReads reads() const override { return {.norms = true}; }
  void enter_group(int /*group*/, int /*position*/) override {
    hits_.reset();
    begin();
  }
  std::optional<std::string_view> leave_after(const LoopStep& step) override { return leave_together({&step, 1}); }

  std::optional<std::string_view> leave_together(std::span<const LoopStep> steps) override {
    double sum = 0;
    for (const LoopStep& step : steps) {
      const std::optional<float> one = quantity(step);
      if (!one) return {};
      sum += static_cast<double>(*one);
    }
    if (!lets_go(hits_, static_cast<float>(sum / static_cast<double>(steps.size())))) return {};
    return reason_;
  }

 protected:
  /// Nothing where it is undefined.
  [[nodiscard]] virtual std::optional<float> quantity(const LoopStep& step) const = 0;
  /// A token, or all that leave as one, enter a group.
  virtual void begin() {}
  /// Whether the quantity, or the mean of it, is on the right side of the threshold, and has been often enough.
  virtual bool lets_go(ConsecutiveHits& hits, float value) { return hits.fires(value); }

 private:
  ConsecutiveHits hits_;
  std::string_view reason_;
};

}  // namespace gyre
