#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "engine/engine.hpp"
#include "study/geometry.hpp"
#include "study/measured_text.hpp"
#include "study/probes.hpp"
#include "study/statistics.hpp"

namespace gyre {

/// Measures of one loop of one group, one number a token. Definitions: arXiv 2509.23314 (x^(k) the state after k loops,
/// Δ^(k) = x^(k) − x^(k−1)); see docs/measures.md.
struct LoopMeasures {
  std::vector<double> step;                     ///< ‖Δ^(k)‖₂
  std::vector<double> relative_step;            ///< ‖Δ^(k)‖ / ‖x^(k)‖
  std::vector<double> cosine;                   ///< of Δ^(k) and Δ^(k−1); empty at loop 1
  std::vector<double> acceleration;             ///< ‖Δ^(k) − Δ^(k−1)‖₂ (Eq. 5); empty at loop 1
  std::vector<double> normalised_acceleration;  ///< by ‖Δ^(k)‖ + ‖Δ^(k−1)‖; empty at loop 1
  std::vector<double> contraction;              ///< ‖Δ^(k)‖ / ‖Δ^(k−1)‖; empty at loop 1
  std::vector<double> curvature;  ///< angle of Δ^(k−1) and Δ^(k) over their mean length; empty at loop 1
  std::int64_t below_floor = 0;   ///< steps that are rounding, see leave_out_rounding()
  // The logit lens: this loop's state through the final norm and the head.
  std::vector<double> lens_loss;     ///< −log p(target), nats
  std::vector<double> lens_entropy;  ///< nats
  std::vector<double> lens_kl;       ///< KL(last loop of the group ‖ this loop), nats
  std::vector<double> lens_flip;     ///< 1 where the argmax differs from the loop before; empty at loop 1
  std::vector<double> lens_differs;  ///< 1 where the argmax differs from that of the model at full depth
};

/// Adds one token's path through a group to loops[k - 1]: states[k] is its state after k loops. A cosine with a step of
/// length 0 is NaN.
void add_steps(std::span<const std::span<const float>> states, std::span<LoopMeasures> loops);

/// Makes cosines, contraction ratios and curvatures NaN that a step is part of which is below the floor of its loop,
/// relative to the state's norm, and counts such steps. An empty floor leaves all as it is.
void leave_out_rounding(std::span<LoopMeasures> loops, std::span<const double> floor);

/// ‖next − end‖ / mean of `steps`: how far a hand-off moves a state against the steps before it. NaN when
/// there were none of any length.
double drift_ratio(std::span<const float> end, std::span<const float> next, std::span<const double> steps);

/// How the path of a token's states after loops 1 … K of one group turns in the plane of their two main directions (see
/// turning.hpp), one number a token: NaN of those that are not in the sample. The first pass is not part of the path:
/// it is the hand-off into the group. Undefined (NaN) under four loops.
struct TurnMeasures {
  std::vector<double> share;         ///< of turns that go the commoner way
  std::vector<double> random_share;  ///< the same of random paths with steps of the same lengths
  std::vector<double> smooth_share;  ///< and with the same angles between consecutive steps
  std::vector<double> winding;       ///< in full turns, whichever way
};

struct GroupMeasures {
  int group = 0;
  std::vector<LoopMeasures> loops;
  TurnMeasures turns;
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
  int position = 0;  ///< among the measured ones, from 0
  std::vector<TrajectoryPoint> points;
  double explained_first = 0;  ///< share of variance along x
  double explained_second = 0;
};

/// Which measures are made: those of every token's own pass, or also those of further passes and of all states together
/// (Geometry, Probes).
enum class Measures { basic, all };
/// Throws Error naming `flag`.
Measures parse_measures(const std::string& text, const std::string& flag);

struct DynamicsOptions {
  Measures measures = Measures::basic;
  std::vector<int> loops;
  int window = 0;  ///< positions that share a context, the prefix included
  KvPolicy kv_policy;
  NoiseStart start = NoiseStart::noise;
  TestNoise test_noise = {};
  std::uint64_t seed = 1;
  int threads = 1;
  Stop stop = {};
  std::vector<int> trajectory_positions;  ///< among the measured positions of the first window
};

/// Whether a prompt that goes in at once differs from one that goes in token by token: under policies where a token
/// reads other loops of earlier ones than its own, and for states that start from those of the token before.
bool runs_token_by_token(const DynamicsOptions& options);

/// At most `most` places among `measured` positions, evenly spaced, the last one among them, each once.
std::vector<int> trajectory_positions(int measured, int most);

struct Dynamics {
  std::vector<GroupMeasures> groups;  ///< looped groups only
  std::vector<Trajectory> trajectories;
  double cross_entropy = 0;  ///< of the model's output at full depth, nats/token
  std::int64_t tokens = 0;
  std::vector<std::int32_t> inputs;  ///< what stood at each measured position
  std::vector<std::size_t> windows;  ///< the window that it is of, from 0
  std::vector<double> losses;        ///< at each of them, of the model at full depth, nats
  std::optional<Geometry> geometry;
  std::optional<Probes> probes;  ///< nothing where tokens run one by one, see probe()
};

/// Runs the text through the model at full depth, window by window, and measures every looped group at every position
/// that predicts a token of the text. A window goes in at once, unless runs_token_by_token(). `progress` hears of the
/// tokens done after every window. Throws Error when logits are not finite, naming the token.
Dynamics measure_dynamics(const Model& model, const MeasuredText& text, const DynamicsOptions& options,
                          const std::function<void(std::int64_t tokens)>& progress = {});

}  // namespace gyre
