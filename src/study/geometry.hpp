#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/spec.hpp"
#include "study/window_states.hpp"
#include "study/windows.hpp"

namespace gyre {

/// States of some tokens of a text, evenly spread over it: of looped groups after every loop, of the others after their
/// last.
class StateSample {
 public:
  /// Of `tokens` scored ones at most `most`, and no more than take half a gigabyte.
  StateSample(const ModelSpec& spec, const std::vector<int>& loops, std::size_t tokens, std::size_t most);

  /// The next window of the text.
  void add(std::span<const GroupStates> groups, const Window& window);

  [[nodiscard]] std::size_t groups() const { return kept_.size(); }
  [[nodiscard]] bool looped(std::size_t group) const { return kept_[group].size() > 1; }
  [[nodiscard]] std::size_t hidden() const { return hidden_; }
  [[nodiscard]] std::size_t points() const { return kept_.front().back().size() / hidden_; }
  /// [loop 0 … K][points · hidden]; of a group that does not loop there is one entry.
  [[nodiscard]] const GroupStates& states(std::size_t group) const { return kept_[group]; }

 private:
  std::size_t hidden_;
  std::size_t tokens_;
  std::size_t taken_;
  std::size_t seen_ = 0;
  std::vector<GroupStates> kept_;
};

/// The cloud of states after one loop.
struct LoopGeometry {
  double effective_rank = 0;
  double spectrum_decay = 0;
  double two_nn_dimension = 0;
  double likelihood_dimension = 0;
};

struct GroupGeometry {
  int group = 0;
  std::vector<LoopGeometry> loops;       ///< 0 … K
  std::vector<std::vector<double>> cka;  ///< between loops, [0 … K][0 … K]
};

struct Geometry {
  std::size_t points = 0;
  std::size_t cka_points = 0;
  std::vector<GroupGeometry> groups;            ///< looped groups only
  std::vector<std::vector<double>> groups_cka;  ///< between the last states of all groups
};

Geometry geometry_of(const StateSample& sample);

}  // namespace gyre
