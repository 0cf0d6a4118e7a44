#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/exit_rule.hpp"

namespace gyre {

/// Every kind of rule, in the order of their list.
const std::vector<ExitKind>& exit_kinds();

/// A rule as a user wrote it: "accel:tau=0.02,hits=2,form=relative". `min` and `max` bound the loops of any rule,
/// and `every` = n lets it be asked after every n-th loop only.
struct ExitChoice {
  std::string text;
  std::string kind;
  std::map<std::string, std::string> options;
};

/// Splits and checks names and keys; values are checked when the rule is made. Throws Error listing what is right.
ExitChoice parse_exit(const std::string& text);

/// The number N of random:like=N, or 0. Throws Error when N is none of `rules`, counted from 1, or itself a like rule.
int rule_to_be_like(const ExitChoice& choice, std::span<const ExitChoice> rules);

/// A rule with its bounds, ready to be asked.
class BoundedExit {
 public:
  /// `stream` tells apart the draws of rules that are made from the same choice for different texts.
  BoundedExit(const ExitChoice& choice, const ExitContext& context, std::uint64_t stream = 0);

  void enter_group(int group, int position) { rule_->enter_group(group, position); }
  /// What it looks at after loop `loop`: logits only where the rule itself is asked.
  [[nodiscard]] ExitReads reads(int loop) const;
  /// Asked after every loop but a group's last.
  std::optional<std::string_view> leave_after(const LoopStep& step);

 private:
  [[nodiscard]] bool asks_after(int loop) const;

  std::unique_ptr<ExitRule> rule_;
  int least_;
  int most_;
  int every_;
};

/// The help text of all kinds and their options.
std::string exit_help();

}  // namespace gyre
