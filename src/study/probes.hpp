#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "study/measures/period.hpp"
#include "study/windows.hpp"

namespace gyre {

/// A number a token, by the windows that the tokens stand in: what intervals resample.
using ByWindow = std::vector<std::vector<double>>;

/// What the dearer measures are taken of; their cost does not grow with the text.
struct ProbeOptions {
  std::size_t windows = 4;       ///< spread over the text
  std::size_t positions = 256;   ///< the first ones of each
  std::size_t paths = 16;        ///< tokens of them all whose small differences are followed along loops
  std::size_t jacobians = 4;     ///< tokens among these whose Jacobians are made
  std::size_t directions = 4;    ///< that are followed, of the largest growth
  int rounds = 4;                ///< see CarriedDirections
  std::size_t widest = 512;      ///< channels of a state up to which Jacobians are made: 2 · channels rows a loop
  std::size_t first_states = 5;  ///< of groups that begin with noise
  EndingOptions ending;
};

/// How the passes of a probe run.
struct ProbeRun {
  std::vector<int> loops;
  int window = 0;
  KvPolicy kv_policy;
  NoiseStart start = NoiseStart::noise;
  TestNoise test_noise = {};
  std::uint64_t seed = 1;
};

/// How widely a token's heads attend, per loop: of its mean over all layers and heads, a number a token.
struct AttentionEntropy {
  std::vector<ByWindow> entropy;     ///< of the weights, nats
  std::vector<ByWindow> normalised;  ///< by log n of the n positions that a head sees; NaN of tokens that see one
  std::vector<ByWindow> change;      ///< of the entropy since the loop before; empty at loop 1
  /// Mean of |change| of single heads, where one's may be another's loss; empty at loop 1.
  std::vector<ByWindow> head_change;
};

struct GroupProbes {
  int group = 0;
  /// Per loop: by how much the state after it differs, relative to its norm, when every channel of every state before
  /// it is moved to the next F32 number, up or down at random. Differences below that are rounding.
  std::vector<ByWindow> floor;
  AttentionEntropy attention;
  int further = 0;    ///< loops that were run behind the group's own
  ByWindow residual;  ///< ‖f(x) − x‖ / ‖x‖ at the last state
  std::vector<std::vector<Ending>> endings;
  /// Leading Lyapunov exponents, nats a loop, [directions]: mean log growth over the group's own loops, and over the
  /// further ones. Empty with a reason.
  std::vector<ByWindow> exponents;
  std::vector<ByWindow> further_exponents;
  std::vector<ByWindow> growth;   ///< per loop: log growth of the leading direction, nats
  std::vector<double> width;      ///< per loop: what differences are made by, relative to the state's norm
  std::vector<ByWindow> largest;  ///< per loop: singular value of the Jacobian
  ByWindow spectral_radius;       ///< of the last loop's
  std::string no_differences;     ///< why there are no exponents
  std::string no_jacobians;
  /// Of groups that begin with noise: distance (root mean square) of the last states of one token from several first
  /// states to their mean, over the mean distance of two tokens' last states; and the share of first states that agree
  /// on the commonest argmax of the model.
  ByWindow basin_spread;
  ByWindow basin_vote;
};

struct Probes {
  std::vector<GroupProbes> groups;  ///< looped groups only
  std::size_t windows = 0;
  std::size_t tokens = 0;
};

/// Probes the looped groups of a model whose windows go in at once. Passes: four a window, one for each looped group
/// at 2 · ending.most further loops, one for each further first state; and rows of single tokens, see ProbeOptions.
/// Under policies and first states that run token by token nothing is probed: there a text's further loops, or another
/// state of one token, change what others read.
Probes probe(Engine& engine, std::span<const Window> windows, const ProbeRun& run, const ProbeOptions& options = {});

/// At most `most` of `count` windows, spread evenly.
std::vector<std::size_t> spread_windows(std::size_t count, std::size_t most);

}  // namespace gyre
