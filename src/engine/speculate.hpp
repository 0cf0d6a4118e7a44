#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/sampler.hpp"

namespace gyre {

/// How a model drafts for itself: some tokens with few loops, which one pass at full depth then verifies.
struct Draft {
  std::vector<int> loops;  ///< per group
  int tokens = 8;          ///< drafted at a time
};

/// "loops=4,tokens=8" or "loops=4/2/4"; loops are those of the looped groups, below `most`. Throws Error naming `flag`.
Draft parse_draft(const std::string& text, const ModelSpec& spec, const std::vector<int>& most,
                  const std::string& flag);

/// What drafting came to.
struct DraftCount {
  int rounds = 0;    ///< drafts, each verified by one pass at full depth
  int drafted = 0;   ///< tokens
  int accepted = 0;  ///< of them
  int plain = 0;     ///< passes at full depth of one token, where drafting would not have paid
};

/// Chooses tokens by self-speculation (Leviathan et al., arXiv 2211.17192; the draft is the same model, as in
/// LayerSkip, arXiv 2404.16710). What comes out is distributed as what full depth alone gives, and at temperature 0 is
/// the same text. Where so few drafted tokens are accepted that drafting costs more than it saves, tokens come one by
/// one for a while; that is decided by counts alone, so that the same seed gives the same text on every machine.
class Speculator {
 public:
  /// Throws Error when the sequence cannot be taken back, or its cache replaces what earlier loops wrote.
  Speculator(Engine& engine, Sequence& sequence, Draft draft, const SamplingOptions& sampling, std::size_t vocabulary);

  /// The next tokens of a text that has one token more than the sequence; at least one, and the sequence has room for a
  /// token. `sampler` draws what is kept.
  std::vector<std::int32_t> next(std::vector<std::int32_t> text, Sampler& sampler);

  [[nodiscard]] const DraftCount& count() const { return count_; }

 private:
  std::vector<std::int32_t> plain(const std::vector<std::int32_t>& text, Sampler& sampler);
  void draft(std::vector<std::int32_t>& text, int tokens);
  void judge(int accepted, int drafted);

  Engine& engine_;
  Sequence& sequence_;
  Draft draft_;
  Sampler drafter_;
  std::size_t vocabulary_;  ///< tokens that may be drawn
  BoundedExit exit_;
  double draft_cost_;  ///< of a drafted token, in tokens at full depth
  double accepted_;    ///< tokens a round, a moving mean
  int pause_ = 0;      ///< tokens that are still to come one by one
  int next_pause_;
  std::vector<std::vector<double>> shares_;  ///< of the drafted tokens
  DraftCount count_;
};

}  // namespace gyre
