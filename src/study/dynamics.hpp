#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace gyre {

/// One measure over all tokens, and the share of it that readers ask for first.
struct Spread {
  double mean = 0;
  double p10 = 0;
  double p50 = 0;
  double p90 = 0;
};
Spread spread_of(std::vector<double> values);

/// Measures of one loop of one group, one number a token. Definitions: arXiv 2509.23314 (x^(k) the state after k loops,
/// Δ^(k) = x^(k) − x^(k−1)); see docs/measures.md.
struct LoopMeasures {
  std::vector<double> step;                     ///< ‖Δ^(k)‖₂
  std::vector<double> relative_step;            ///< ‖Δ^(k)‖ / ‖x^(k)‖
  std::vector<double> cosine;                   ///< of Δ^(k) and Δ^(k−1); empty at loop 1
  std::vector<double> acceleration;             ///< ‖Δ^(k) − Δ^(k−1)‖₂ (Eq. 5); empty at loop 1
  std::vector<double> normalised_acceleration;  ///< by ‖Δ^(k)‖ + ‖Δ^(k−1)‖; empty at loop 1
  // The logit lens: this loop's state through the final norm and the head.
  std::vector<double> lens_loss;     ///< −log p(target), nats
  std::vector<double> lens_entropy;  ///< nats
  std::vector<double> lens_kl;       ///< KL(last loop of the group ‖ this loop), nats
  std::vector<double> lens_flip;     ///< 1 where the argmax differs from the loop before; empty at loop 1
};

struct GroupMeasures {
  int group = 0;
  std::vector<LoopMeasures> loops;
  /// Drift-to-loop ratio (Eq. 2) per token: ‖x_{g+1} after its first pass − x_g at its end‖ / mean step norm of g.
  /// Empty for the last group.
  std::vector<double> drift_to_loop;
};

/// A token's path through all groups, for pictures: its states in order of computation, in the plane of their two main
/// directions.
struct TrajectoryPoint {
  int group = 0;
  int loop = 0;  ///< 0: as it enters the group
  double x = 0;
  double y = 0;
};
struct Trajectory {
  int position = 0;
  std::vector<TrajectoryPoint> points;
  double explained_first = 0;  ///< share of variance along x
  double explained_second = 0;
};

struct DynamicsOptions {
  std::vector<int> loops;
  int window = 0;
  std::uint64_t seed = 1;
  int threads = 1;
  std::vector<int> trajectory_positions;  ///< within the first window
};

struct Dynamics {
  std::vector<GroupMeasures> groups;  ///< looped groups only
  std::vector<Trajectory> trajectories;
  double cross_entropy = 0;  ///< of the model's output at full depth, nats/token
  std::int64_t tokens = 0;
};

/// Runs the text through the model at full depth, window by window, and measures every looped group. `progress` hears
/// of the tokens done after every window.
Dynamics measure_dynamics(const Model& model, std::span<const std::int32_t> tokens, const DynamicsOptions& options,
                          const std::function<void(std::int64_t tokens)>& progress = {});

}  // namespace gyre
