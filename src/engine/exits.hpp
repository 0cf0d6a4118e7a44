#pragma once

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/exit_rule.hpp"

namespace gyre {

/// Every kind of rule, in the order of their list.
const std::vector<ExitKind>& exit_kinds();
/// Throws Error listing all names where there is none, and `also`; `text` is what the user wrote.
const ExitKind& exit_kind_named(const std::string& name, const std::string& text, std::string_view also = {});

/// A rule as a user wrote it: "accel:tau=0.02,hits=2,form=relative". The options of every rule are those of
/// BoundedExit. Rules may be joined, "any(accel:tau=0.02;kl:tau=0.01):min=2", and each group may have its own,
/// "groups(loop a=accel:tau=0.02;3=fixed:loops=2)".
struct ExitChoice {
  std::string text;
  std::string kind;
  std::map<std::string, std::string> options;
  std::vector<ExitChoice> parts = {};         ///< of any, all, groups: the rules in the parentheses
  std::vector<std::string> groups = {};       ///< of groups: the group of each, by name or number
  std::shared_ptr<const ExitHead> head = {};  ///< of a learned rule
};

/// The name of the kind that has a rule for each group.
inline constexpr std::string_view kGroupsExit = "groups";

/// Whether every rule has an option of this name.
bool is_option_of_all(std::string_view key);
/// Their names, for messages.
std::string options_of_all();

/// Splits and checks names and keys, and reads the file of a learned rule; other values are checked when the rule is
/// made. Throws Error listing what is right; `also` is what else the caller takes in place of a rule.
ExitChoice parse_exit(const std::string& text, std::string_view also = {});

/// The number N of random:like=N, or 0. Throws Error when N is none of `rules`, counted from 1, or itself a like rule.
int rule_to_be_like(const ExitChoice& choice, std::span<const ExitChoice> rules);

/// What a token takes out of a group if it leaves now: `kept` times what it would have taken a loop ago, plus `state`
/// times its state.
struct Reading {
  float kept = 0;
  float state = 1;
};

/// A rule with what holds for every rule, ready to be asked: bounds of the loops (`min`, `max`), the loops after which
/// it is asked (`every` = n, from loop `first` on), what it compares with (`against`), and the loop that is read
/// (`end`, `save`). Of groups(…) each group's rule has its own.
class BoundedExit {
 public:
  /// `stream` tells apart the draws of rules that are made from the same choice for different texts.
  BoundedExit(const ExitChoice& choice, const ExitContext& context, std::uint64_t stream = 0);
  /// A rule that a program made itself, asked after every loop.
  explicit BoundedExit(std::unique_ptr<ExitRule> rule) : rule_(std::move(rule)) {}

  void enter_group(int group, int position);
  /// What it looks at after loop `loop`, or of the state that enters a group (0): logits only where the rule itself is
  /// asked, and norms since the last check only where there is another.
  [[nodiscard]] ExitReads reads(int loop) const;
  /// Asked after every loop but a group's last.
  std::optional<std::string_view> leave_after(const LoopStep& step) { return leave_together({&step, 1}); }
  /// The same of tokens that leave as one.
  std::optional<std::string_view> leave_together(std::span<const LoopStep> steps);
  /// Whether a token that leaves skips the loops behind; else they run, and only its state is read early.
  [[nodiscard]] bool saves() const { return rule_ ? saves_ : part().saves(); }
  /// Whether what a token leaves a group with may be another than its last state.
  [[nodiscard]] bool keeps() const;
  /// What it would leave with after loop `loop`, once that was asked; `last` says that it does leave.
  [[nodiscard]] Reading reading(int loop, bool last) const;

 private:
  void make_parts(const ExitChoice& choice, ExitContext context, std::uint64_t stream);
  void read_schedule(ExitOptions& options, const std::string& text);
  void read_comparison(ExitOptions& options, const std::string& text);
  [[nodiscard]] bool is_check(int loop) const { return loop >= first_ && (loop - first_) % every_ == 0; }
  [[nodiscard]] bool asks_after(int loop) const;

  [[nodiscard]] BoundedExit& part() { return parts_[group_]; }
  [[nodiscard]] const BoundedExit& part() const { return parts_[group_]; }

  std::unique_ptr<ExitRule> rule_;       ///< of no rule where each group has its own
  std::vector<BoundedExit> parts_ = {};  ///< those, one a group of the model
  std::size_t group_ = 0;                ///< the group the token is in
  int least_ = 1;
  int most_ = std::numeric_limits<int>::max();
  int every_ = 1;
  int first_ = 1;
  bool since_check_ = false;
  bool ends_at_check_ = false;
  bool saves_ = true;
  int left_after_ = 0;  ///< the loop after which the token left; 0: not yet
};

/// The help text of all kinds and their options.
std::string exit_help();

}  // namespace gyre
