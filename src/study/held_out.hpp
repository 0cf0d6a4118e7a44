#pragma once

#include <cstddef>
#include <span>

#include "study/exits/exit_training.hpp"

namespace gyre {

/// One loop of one token of a held-out document.
struct HeldOutRow {
  std::size_t document = 0;
  double target = 0;
  double predicted = 0;
  double by_loop = 0;   ///< what the loop number alone says
  double constant = 0;  ///< what is said without even that
  bool gains = false;   ///< whether going on gains
};

/// Sum of what the predictions are off: squares of a drop, KL(label ‖ prediction) of a gate.
double error_of(std::span<const HeldOutRow> rows, HeadKind kind);

/// What they say together.
HeldOutGroup held_out_group(std::span<const HeldOutRow> rows, HeadKind kind, int group);

}  // namespace gyre
