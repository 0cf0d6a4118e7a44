#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/stop.hpp"
#include "model/model.hpp"
#include "study/layer_blocks.hpp"
#include "study/windows.hpp"

namespace gyre {

/// What tied blocks are trained on, and how long.
struct DistilRequest {
  const Model& model;                ///< cut into layers (cut_layers)
  std::span<const Segment> blocks;   ///< the representative of each runs as often as it has layers
  std::span<const Window> training;  ///< those as long as the longest are used
  std::span<const Window> measured;
  int steps = 0;  ///< of each block of more than one layer
  std::uint64_t seed = 1;
  int threads = 1;
  Stop stop = {};
};

/// Trains the representative of each block, everything else frozen, to hand on the state that the block's own layers
/// would: the loss is ‖tied − own‖² / ‖own − entering‖² over the tokens of a step. Blocks are trained by themselves,
/// each on states that enter it in the model as it is. Returns the cross-entropy of the model with all trained blocks,
/// in nats, summed over the scored positions of each measured window. What is drawn is a function of the seed and the
/// step. Throws Error when no window can be trained on, or a loss is not finite.
std::vector<double> distil_blocks(const DistilRequest& request);

}  // namespace gyre

/// The function of the training module (base/module.hpp): distil_blocks into `losses`.
extern "C" void gyre_distil_entry(const gyre::DistilRequest& request, std::vector<double>& losses);
