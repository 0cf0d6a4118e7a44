#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/exit_rule.hpp"

namespace gyre {

/// Rules that decide together. All see every loop and all are asked at every asking, since some count or compare.
class JoinedExit : public ExitRule {
 public:
  JoinedExit(std::vector<std::unique_ptr<ExitRule>> rules, const std::string& text) : rules_(std::move(rules)) {
    for (const auto& rule : rules_) {
      const ExitReads one = rule->reads();
      reads_.norms = reads_.norms || one.norms;
      reads_.state = reads_.state || one.state;
      reads_.gate = reads_.gate || one.gate;
      reads_.gate_of_all = reads_.gate_of_all || one.gate_of_all;
      if (one.logits && reads_.logits && one.logits != reads_.logits) {
        throw Error("exit {}: one rule decodes by the coda, another by the head alone; give all the same decode=",
                    text);
      }
      if (one.logits) reads_.logits = one.logits;
      if (rule->share(1, true)) throw Error("exit {}: gate-weighted runs all loops; it cannot be joined", text);
    }
  }

  [[nodiscard]] ExitReads reads() const override { return reads_; }
  void enter_group(int group, int position) override {
    for (const auto& rule : rules_) rule->enter_group(group, position);
  }
  void see_together(std::span<const LoopStep> steps) override {
    for (const auto& rule : rules_) rule->see_together(steps);
  }
  std::optional<std::string_view> leave_after(const LoopStep& step) override { return leave_together({&step, 1}); }
  [[nodiscard]] int lookback() const override {
    int most = 0;
    for (const auto& rule : rules_) most = std::max(most, rule->lookback());
    return most;
  }

 protected:
  [[nodiscard]] const std::vector<std::unique_ptr<ExitRule>>& rules() const { return rules_; }

 private:
  std::vector<std::unique_ptr<ExitRule>> rules_;
  ExitReads reads_;
};

}  // namespace gyre
