#include "train/divergence.hpp"

#include <cmath>

#include "base/error.hpp"

namespace gyre {

void require_finite(double value, const std::string& what, int step) {
  if (std::isfinite(value)) return;
  throw Error(
      "training diverged at step {}: {} is {}; the step was not made and checkpoints of earlier steps are whole; begin "
      "a "
      "run in another folder with a lower training.learning_rate, a longer training.warmup or a smaller training.clip",
      step, what, value);
}

}  // namespace gyre
