#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/spec.hpp"

namespace gyre {

/// Noise in the state before every loop when a model is used, of Huginn's program (`test_time_noise`, arXiv
/// 2502.05171): x ← (1 − b) x + b ε, ε normal, then the norm that ends the group's last layer, where there is one. With
/// a = amount · the deviation of the group's first state, t the loop from 0 and R the group's own loops:
struct TestNoise {
  enum class Kind {
    none,
    fixed,  ///< b = a
    geom,   ///< b = a / (t + 1)
    sqrt,   ///< b = a / √(t + 1)
    line,   ///< b = max(a, (R − t) / R)
    chi,    ///< b = 2 u a, one u between 0 and 1 for a loop, whatever the token
  };

  Kind kind = Kind::none;
  float amount = 0;

  [[nodiscard]] bool there() const { return kind != Kind::none && amount > 0; }
  bool operator==(const TestNoise&) const = default;
};

/// "fixed=0.1", "none" or "". Throws Error naming `flag`.
TestNoise parse_test_noise(const std::string& text, const std::string& flag);
std::string name_of(const TestNoise& noise);

/// Whether a group takes noise: one whose first state is noise, and which is told again before every loop what it was
/// handed.
bool takes_noise(const Group& group);
/// Throws Error naming `flag` when no group of the model does.
void require_noisy_group(const TestNoise& noise, const ModelSpec& spec, const std::string& flag);

/// Mixes noise into the state of the token at `position` before loop `loop` (from 0) of group `index`: a function of
/// these, the seed and the channel alone.
void add_test_noise(const TestNoise& noise, std::uint64_t seed, const Group& group, std::size_t index, int loop,
                    int position, std::span<float> state);

}  // namespace gyre
