#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/flight.hpp"
#include "engine/sampler.hpp"

namespace gyre {

class Engine;

/// A token's way through one looped group, loop by loop: the quantities that exit rules compare (LoopStep), and what
/// the final norm and the head make of the unfinished state (the logit lens).
struct GroupLens {
  int group = 0;
  std::vector<float> state_norms = {};
  std::vector<float> step_norms = {};
  std::vector<float> accelerations = {};  ///< from the second loop on
  /// After each loop: the probability of the token that came of it, then those of the likeliest.
  std::vector<std::vector<TokenProbability>> words = {};
};
/// One for every looped group.
using TokenLens = std::vector<GroupLens>;

/// Keeps the states of one token of a sequence as its loops run, to be looked at once it has landed.
class LensTrace {
 public:
  /// `loops` are those of the sequence; groups of one loop are passed over.
  LensTrace(std::vector<int> loops, int hidden_size)
      : loops_(std::move(loops)), hidden_(static_cast<std::size_t>(hidden_size)), states_(loops_.size()) {}

  /// From now on the token at `position` is meant, and those before are forgotten.
  void follow(int position);
  void hear(const TracePoint& point);
  /// What became of it: the `count` likeliest of the first `vocabulary` tokens after every loop, and `token`. The
  /// engine's last logits are gone afterwards.
  [[nodiscard]] TokenLens read(Engine& engine, int vocabulary, std::int32_t token, int count) const;

 private:
  [[nodiscard]] GroupLens steps_of(std::size_t group) const;

  std::vector<int> loops_;
  std::size_t hidden_;
  int position_ = -1;
  std::vector<std::vector<float>> states_;  ///< per group, [1 + loops, hidden], the state that entered first
};

}  // namespace gyre
