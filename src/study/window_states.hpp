#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/engine.hpp"

namespace gyre {

/// States of one group for one window: [loop 0 … K][n · hidden].
using GroupStates = std::vector<std::vector<float>>;

/// The state of position `t`.
std::span<const float> state_row(const std::vector<float>& states, std::size_t t, std::size_t hidden);

/// What one window's pass leaves behind.
struct WindowPass {
  std::vector<GroupStates> groups;
  std::vector<float> logits;  ///< [n, vocabulary]
};

/// Runs `inputs` through `sequence`, which is fresh, at once or one by one.
WindowPass run_window(Engine& engine, Sequence& sequence, std::span<const std::int32_t> inputs, bool one_by_one);

}  // namespace gyre
