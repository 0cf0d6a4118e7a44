#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace gyre {

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a good 64-bit hash of a counter.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::uint64_t combine_seeds(std::uint64_t a, std::uint64_t b) { return mix_bits(a ^ mix_bits(b)); }

/// A number in (0, 1), both ends excluded, from the high 52 bits.
constexpr double unit_interval(std::uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1.0p-52; }

/// A standard normal number that is a function of (seed, index) alone (Box-Muller), so that any part of a noise
/// field can be made in any order.
inline float normal_at(std::uint64_t seed, std::uint64_t index) {
  const double u = unit_interval(combine_seeds(seed, 2 * index));
  const double v = unit_interval(combine_seeds(seed, 2 * index + 1));
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
}

/// A small seeded stream of random numbers. The same seed gives the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}

  std::uint64_t bits() { return combine_seeds(seed_, counter_++); }
  /// Uniform in (0, 1).
  double uniform() { return unit_interval(bits()); }
  /// Uniform in 0 … bound - 1.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>(uniform() * static_cast<double>(bound));
  }
  double normal() { return normal_at(seed_ ^ 0x6e6f726d616cULL, counter_++); }
  /// Poisson by Knuth's product of uniforms. Large means are drawn as sums, since exp(-mean) would vanish.
  int poisson(double mean) {
    constexpr double kMost = 500;
    int count = 0;
    while (mean > kMost) {
      count += poisson(kMost);
      mean -= kMost;
    }
    const double limit = std::exp(-mean);
    double product = uniform();
    while (product > limit) {
      ++count;
      product *= uniform();
    }
    return count;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t counter_ = 0;
};

}  // namespace gyre
