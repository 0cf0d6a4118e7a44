#pragma once

#include <span>

namespace gyre {

/// Where a path ends, as far as its last loops tell.
struct Ending {
  enum class Kind {
    fixed,   ///< it has come to rest
    cycle,   ///< it comes back to where it was, `period` loops earlier
    moving,  ///< neither
  };
  Kind kind = Kind::moving;
  int period = 0;  ///< 1 at rest, 0 while moving
};

struct EndingOptions {
  int most = 6;        ///< the longest period that is looked for
  double rest = 1e-3;  ///< a step below this share of the state's norm is none
  double back = 0.1;   ///< it is back where it was within this share of its mean step
};

/// Judges the last 2 · most loops of a path; states[k] is the state after k loops. A path is at rest when every step of
/// the later half of these is below `rest`; else its period is the smallest p from 2 on for which every
/// ‖x^(k) − x^(k−p)‖ is at most `back` times the mean step. A path of fewer loops than 2 · most is judged by all of
/// them, and has no period of which it does not show two rounds.
Ending ending_of(std::span<const std::span<const float>> states, const EndingOptions& options = {});

}  // namespace gyre
