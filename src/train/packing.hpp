#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gyre {

/// The items of one row, by their numbers, in the order in which they stand in it.
using RowItems = std::vector<std::size_t>;

/// So many examples are packed at a time: enough to fill rows, few enough that a row mixes what the shuffle mixed.
inline constexpr std::size_t kPackingBuffer = 4096;

/// Shares rows of `columns` places out among items of these lengths (1 … columns): best-fit decreasing, that is the
/// longest first, each into the fullest row that still has room, and into a new one when none has. Of rows equally full
/// the first takes it; of items equally long the first goes first.
std::vector<RowItems> pack_best_fit(std::span<const std::size_t> lengths, std::size_t columns);

/// The same for `buffer` items at a time, in an order drawn by the seed.
std::vector<RowItems> pack_shuffled(std::span<const std::size_t> lengths, std::size_t columns, std::uint64_t seed,
                                    std::size_t buffer = kPackingBuffer);

/// The numbers 0 … count - 1 in an order drawn by the seed.
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed);

}  // namespace gyre
