#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "raman/augment.hpp"
#include "raman/backend.hpp"

namespace gyre::raman {

// What sets the draws of a fit apart from each other.
inline constexpr std::uint64_t kOrderStream = 0x6f72646572ULL;
inline constexpr std::uint64_t kAugmentStream = 0x6175676d656e74ULL;
inline constexpr std::uint64_t kMineralStream = 0x6d696e6572616cULL;
inline constexpr std::uint64_t kDropStream = 0x64726f70ULL;

/// The examples of every step: an epoch goes through all of them in an order of its own.
class EpochOrder {
 public:
  /// What the order of an epoch sorts an example by.
  using Place = std::array<std::uint64_t, 3>;
  using PlaceOf = std::function<Place(std::size_t example, std::uint64_t epoch_seed)>;

  EpochOrder(std::size_t examples, int batch, std::uint64_t seed, PlaceOf place_of);

  [[nodiscard]] int steps_per_epoch() const { return steps_per_epoch_; }
  /// Steps are counted from 1.
  [[nodiscard]] std::vector<std::size_t> rows_of_step(int step);

 private:
  std::size_t batch_;
  std::uint64_t seed_;
  PlaceOf place_of_;
  int steps_per_epoch_;
  int epoch_ = -1;
  std::vector<std::size_t> order_;
};

/// A seed that spectra of the same number share in an epoch, and its own for one whose number is not known (negative).
std::uint64_t seed_of_group(int number, std::uint64_t epoch_seed, std::uint64_t stream, std::uint64_t own);

/// These rows of the examples' inputs [rows, points], each changed at random.
torch::Tensor augmented_inputs(const Examples& examples, const std::vector<std::size_t>& rows,
                               const Augmentation& augmentation, std::uint64_t seed);

}  // namespace gyre::raman
