#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "study/evaluation.hpp"
#include "study/windows.hpp"

namespace gyre {

/// Loops that tokens ran in each looped group: row t of a text's positions is loops[t · groups …].
struct PositionDepths {
  std::size_t groups = 0;  ///< looped ones
  std::vector<std::uint16_t> loops;

  [[nodiscard]] std::span<const std::uint16_t> row(std::size_t position) const {
    return std::span(loops).subspan(position * groups, groups);
  }
  [[nodiscard]] std::span<std::uint16_t> row(std::size_t position) {
    return std::span(loops).subspan(position * groups, groups);
  }
};

/// Of each group, its number among the looped ones, which is its column in a row of depths.
std::vector<std::size_t> looped_columns(const ModelSpec& spec);

/// Where the positions of every window begin among those of all, and behind the last one their number.
std::vector<std::size_t> first_positions(std::span<const Window> windows);

/// Depths that `rules` would choose, by rule, at every position of the windows: the text runs at full depth, and every
/// rule is shown the states of that. A rule that really leaves changes what later groups and tokens read, so these are
/// depths to choose thresholds by, not those of a run. Rules that decode differently (through the later groups, or by
/// the head alone) take a pass each. Throws Error naming a rule that compares with states of its own askings
/// (against=check).
std::vector<PositionDepths> record_depths(const Model& model, std::span<const Window> windows,
                                          std::span<const ExitChoice> rules, const EvaluationOptions& options,
                                          const ProgressSink& progress);

/// How a rule decodes unfinished states, or nothing where it decodes none. Throws Error naming a rule that does both,
/// or that compares with states of its own askings.
std::optional<LoopStep::Readout> readout_of(const ExitChoice& rule, const ModelSpec& spec,
                                            const std::vector<int>& loops);

/// What rules see of some tokens at full depth, kept so that they can be asked again at one threshold after the other.
class KeptSteps {
 public:
  /// Of the first tokens of a window: few, and fewer still where logits are kept.
  KeptSteps(const Model& model, const Window& window, std::optional<LoopStep::Readout> readout,
            const EvaluationOptions& options);

  /// Mean loops of these tokens under a rule that decodes so, over the looped groups together.
  [[nodiscard]] double loops(const ExitChoice& rule) const;

 private:
  struct Step {
    LoopStep seen;              ///< without what it points at
    std::vector<float> logits;  ///< empty where none were read
    std::vector<float> state;
  };

  const Model& model_;
  std::vector<int> most_;                              ///< loops of each group
  std::vector<std::vector<std::vector<Step>>> steps_;  ///< [token][looped group][loop - 1]
};

}  // namespace gyre
