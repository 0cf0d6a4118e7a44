#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gyre {

/// How a path turns in a plane. Two steps turn where the sine of the angle between them is more than 0.01 (0.6°);
/// a path can turn in every place between two steps, those too short to be told from rounding left out.
struct Turning {
  int left = 0;
  int right = 0;
  int places = 0;
  double winding = 0;  ///< sum of the turns, in full ones, those to the left positive

  /// Of the places, the share that turn the commoner way: 0 of a straight path. NaN with fewer than two places, where
  /// every turn is the commoner one.
  [[nodiscard]] double share() const;
};

/// Of the path through points (x, y).
Turning turning_in_plane(std::span<const double> x, std::span<const double> y);

/// Of the path through `states`, in the plane of their own two main directions.
Turning turning_of(std::span<const std::span<const float>> states);

/// Paths whose steps are as long as `lengths` and whose directions are drawn at random.
struct RandomPaths {
  enum class Directions : std::uint8_t {
    uniform,     ///< of every step by itself
    same_angles  ///< at the angle to the step before that the cosines tell, and else uniform: as smooth as the path
  };
  Directions directions = Directions::uniform;
  std::size_t dimension = 0;  ///< of the space that they are drawn in
  std::uint64_t seed = 0;
  int count = 4;
};

/// What share() such paths have on average, each in the plane of its own two main directions: what a path must surpass
/// to say something. In many dimensions random paths look like arcs there, whose turns go one way (Antognini and
/// Sohl-Dickstein, arXiv 1806.08805), so this is far more than for turns that are drawn by themselves. `cosines[i]` is
/// of steps i and i + 1. NaN where no such path has two places to turn.
double random_share(std::span<const double> lengths, std::span<const double> cosines, const RandomPaths& paths);

}  // namespace gyre
