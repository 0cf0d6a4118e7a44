#pragma once

#include <span>

#include "study/probes.hpp"
#include "study/window_states.hpp"

namespace gyre {

/// One sampled window with its own pass, against which others are held.
class ProbedWindow {
 public:
  /// `place`: among the sampled windows.
  ProbedWindow(Engine& engine, const Window& window, const ProbeRun& run, std::size_t place);

  [[nodiscard]] Engine& engine() const { return engine_; }
  [[nodiscard]] const Window& window() const { return window_; }
  [[nodiscard]] const ProbeRun& run() const { return run_; }
  [[nodiscard]] std::size_t place() const { return place_; }
  [[nodiscard]] std::size_t hidden() const { return hidden_; }
  [[nodiscard]] const WindowPass& own() const { return own_; }

  [[nodiscard]] Sequence start(const std::vector<int>& loops, std::uint64_t seed) const;
  [[nodiscard]] std::span<const float> row(std::span<const float> states, std::size_t t) const {
    return states.subspan(t * hidden_, hidden_);
  }
  template <typename Do>
  void each_scored(const Do& then) const {
    for (std::size_t t = window_.first; t < window_.inputs().size(); ++t) then(t);
  }

 private:
  Engine& engine_;
  const Window& window_;
  const ProbeRun& run_;
  std::size_t place_;
  std::size_t hidden_;
  WindowPass own_;
};

/// GroupProbes::floor: every state is moved in its last bit before each loop, which starts from the states of the own
/// pass.
void measure_floor(const ProbedWindow& probed, std::span<GroupProbes> groups);

/// GroupProbes::attention: one more pass, whose attention scores are heard.
void measure_attention(const ProbedWindow& probed, std::span<GroupProbes> groups);

/// GroupProbes::residual and endings, of the group's loops and the further ones; then exponents of `paths` tokens, and
/// the Jacobians of the first `jacobians` of these.
void measure_path(const ProbedWindow& probed, const ProbeOptions& options, std::size_t paths, std::size_t jacobians,
                  GroupProbes& probes);

/// GroupProbes::basin_spread and basin_vote, from so many first states.
void measure_basins(const ProbedWindow& probed, std::size_t first_states, std::span<GroupProbes> groups);

}  // namespace gyre
