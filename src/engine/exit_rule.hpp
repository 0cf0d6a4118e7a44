#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

struct ExitChoice;
struct ExitHead;

/// What an exit rule sees of one token after a loop of one group. With x^(k) the state after k loops and
/// Δ^(k) = x^(k) − x^(k−1): the quantities of arXiv 2509.23314, second differences in f32. Where a rule compares with
/// the state of its last check, k counts checks, x^(0) being the state the token entered with.
struct LoopStep {
  int group = 0;
  int loop = 0;                        ///< loops done in this group, from 1
  int steps = 0;                       ///< k: Δ that were measured, this one counted
  float state_norm = 0;                ///< ‖x^(k)‖₂
  float previous_state_norm = 0;       ///< ‖x^(k−1)‖₂
  float step_norm = 0;                 ///< ‖Δ^(k)‖₂
  float first_step_norm = 0;           ///< ‖Δ^(1)‖₂
  float previous_step_norm = 0;        ///< ‖Δ^(k−1)‖₂; defined from the second on
  float acceleration = 0;              ///< ‖Δ^(k) − Δ^(k−1)‖₂ (Eq. 5); defined from the second on
  float gate = 0;                      ///< w·x^(k) + b, in a group with an exit gate
  std::span<const float> state = {};   ///< x^(k) [hidden]; valid while the rule is asked
  std::span<const float> logits = {};  ///< of the state, by the rule's readout; valid while the rule is asked

  /// How logits are read off an unfinished state.
  enum class Readout {
    coda,  ///< every later group once, then norm and head
    lens,  ///< norm and head at once (logit lens)
  };
};

/// What a rule looks at of a LoopStep. The engine makes it for all rows that ask at once, and nothing else.
struct ExitReads {
  bool norms = false;        ///< the norms of states and steps
  bool since_check = false;  ///< steps from the state of the last check, not from that of the loop before
  bool state = false;        ///< the state itself
  bool gate = false;
  bool gate_of_all = false;  ///< of tokens that leave as one, the gate of each, not of the last alone
  std::optional<LoopStep::Readout> logits = {};
};

/// Decides after each loop whether a token leaves its group. One object serves one sequence, token after token.
class ExitRule {
 public:
  virtual ~ExitRule() = default;

  [[nodiscard]] virtual ExitReads reads() const = 0;
  /// A token enters a looped group.
  virtual void enter_group(int group, int position) = 0;
  /// A loop is done, whether or not the rule is asked after it: for what adds up over all loops.
  virtual void see(const LoopStep& /*step*/) {}
  /// The same of tokens that leave as one.
  virtual void see_together(std::span<const LoopStep> steps) { see(steps.back()); }
  /// A word that says why the token leaves now, or nothing to go on. Not asked after a group's last loop.
  virtual std::optional<std::string_view> leave_after(const LoopStep& step) = 0;
  /// The same of tokens that leave as one. Unless a rule has something to say of them all, the last one decides.
  virtual std::optional<std::string_view> leave_together(std::span<const LoopStep> steps) {
    return leave_after(steps.back());
  }
  /// The share of the state after loop `loop` in what a token leaves with, where that is a sum over loops; `last` says
  /// that no other follows. Known once the loop was seen, or is a group's last.
  [[nodiscard]] virtual std::optional<float> share(int /*loop*/, bool /*last*/) const { return {}; }
  /// How often the rule has to have been asked before it can say that a token leaves: below `min` it is asked no
  /// earlier. Rules whose answer costs little want to be asked always.
  [[nodiscard]] virtual int lookback() const { return std::numeric_limits<int>::max(); }
};

/// Loops that tokens ran in one group: counts[k - 1] tokens ran k loops.
struct DepthHistogram {
  int group = 0;
  std::vector<double> counts;
};

/// Depths of tokens, of all looped groups together since they depend on one another: counts[i] tokens ran
/// depths[i][j] loops in group groups[j].
struct DepthVectors {
  std::vector<int> groups;
  std::vector<std::vector<int>> depths;
  std::vector<double> counts;
};

/// What rules are made from.
struct ExitContext {
  const ModelSpec& spec;
  std::vector<int> loops;              ///< the most a token runs in each group
  std::vector<DepthVectors> measured;  ///< of the rules that ran before this one, for random:like=N
  std::optional<int> only = {};        ///< the one group that the rule is for; else it is for all
};

/// The options a user gave a rule. Every getter throws Error naming rule, key and value.
class ExitOptions {
 public:
  ExitOptions(std::string rule, std::map<std::string, std::string> given, std::uint64_t stream,
              std::shared_ptr<const ExitHead> head = {})
      : rule_(std::move(rule)), given_(std::move(given)), stream_(stream), head_(std::move(head)) {}

  float number(const std::string& key, std::optional<float> otherwise, float least, float most);
  int integer(const std::string& key, std::optional<int> otherwise, int least, int most);
  std::string text(const std::string& key, std::optional<std::string> otherwise);
  /// One of `names`; returns its index.
  std::size_t choice(const std::string& key, std::span<const std::string_view> names, std::size_t otherwise);
  [[nodiscard]] bool has(const std::string& key) const { return given_.contains(key); }
  /// Different for every text a rule is made for, so that draws are independent.
  [[nodiscard]] std::uint64_t stream() const { return stream_; }
  /// What ExitKind::read_head read.
  [[nodiscard]] const std::shared_ptr<const ExitHead>& head() const { return head_; }

 private:
  std::string rule_;
  std::map<std::string, std::string> given_;
  std::uint64_t stream_;
  std::shared_ptr<const ExitHead> head_;
};

struct ExitOptionHelp {
  std::string_view key;
  std::string_view help;
};

/// The option that says how bold a rule is: how readily tokens leave.
struct ThresholdOption {
  std::string key;
  bool bolder_when_larger = true;
  bool whole = false;  ///< whole numbers only
  double safest = 0;   ///< the ends of what the rule takes
  double boldest = 0;
};

/// One kind of rule: its name, what it does, its options, and how one is made.
struct ExitKind {
  std::string_view name;
  std::string_view help;
  std::vector<ExitOptionHelp> options;
  std::unique_ptr<ExitRule> (*make)(ExitOptions& options, const ExitContext& context) = nullptr;
  /// Its threshold, of a kind that has one. Throws Error where the other options leave nothing to choose.
  ThresholdOption (*threshold)(const ExitChoice& rule) = nullptr;
  /// Of a kind that was learned: what was, read when the rule is.
  std::shared_ptr<const ExitHead> (*read_head)(ExitOptions& options) = nullptr;
  /// Of a kind that joins other rules, instead: what they decide together. `text` is what the user wrote.
  std::unique_ptr<ExitRule> (*join)(std::vector<std::unique_ptr<ExitRule>> rules, const std::string& text) = nullptr;
};

}  // namespace gyre
