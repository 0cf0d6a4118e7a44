#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.hpp"

namespace gyre {

/// One loop of a group as a map of the state of one token, everything before it fixed: its own keys and values are made
/// of the state, those of earlier tokens are as they were. Since no earlier token reads it, the Jacobian of this map is
/// a block on the diagonal of the Jacobian of the whole text's states, and their eigenvalues are these blocks'.
class TokenMap {
 public:
  /// Copies of `token` behind `before`, waiting before `group`. They share what `before` holds, which stays as it is
  /// and must outlive them. The sequence must loop the group at least as often as step() is called, and once more.
  TokenMap(Engine& engine, const Sequence& before, std::int32_t token, std::size_t group, std::size_t copies);
  ~TokenMap() = default;
  TokenMap(const TokenMap&) = delete;
  TokenMap& operator=(const TokenMap&) = delete;

  /// The next loop of all copies from `states` [copies, hidden]. Returns what it makes of them, valid until the next
  /// call. Numbers go in and come out as the engine holds them, in F32.
  std::span<const float> step(std::span<const float> states);

 private:
  Engine& engine_;
  std::size_t group_;
  std::size_t hidden_;
  std::vector<Sequence> forks_;
  std::vector<TraceSink> enters_;  ///< put the first states in place, one a copy
  std::vector<Flight> flights_;
  std::vector<Flight*> here_;
  std::span<const float> given_;
  std::vector<float> after_;
};

/// A state on a token's path, x^(k) with k = 0 … from one to the next, and the length h by which it is moved there.
struct PathPoint {
  std::span<const float> state;
  double width = 0;
};

/// Orthonormal directions that are carried along a path.
struct CarriedDirections {
  std::size_t count = 4;
  int rounds = 4;  ///< along the same path, each from where the last one ended; the last one counts
  std::uint64_t seed = 1;
};

/// log R_jj of each loop [loops][directions], nats: by how much each direction grows, by central differences
/// (f(x + h v) − f(x − h v)) / 2h. They are drawn from the seed, and after enough rounds those of the largest
/// eigenvalues of the product of the path's Jacobians.
std::vector<std::vector<double>> direction_growth(Engine& engine, const Sequence& before, std::int32_t token,
                                                  std::size_t group, std::span<const PathPoint> path,
                                                  const CarriedDirections& carried);

/// The Jacobians of each loop, [loops][hidden · hidden] row-major, column by column.
std::vector<std::vector<double>> path_jacobians(Engine& engine, const Sequence& before, std::int32_t token,
                                                std::size_t group, std::span<const PathPoint> path);

}  // namespace gyre
