#pragma once

#include <span>
#include <vector>

#include "kernels/packed.hpp"
#include "model/adapter.hpp"

namespace gyre {

/// A low-rank change of some rows of a matrix, as the engine reads it.
struct LowRankRows {
  RowRange rows;                ///< of the matrix
  PackedMatrix down;            ///< [rank, in]
  std::vector<std::byte> data;  ///< of `down`, which begins at a border of 64 bytes in it
  std::vector<float> up;        ///< [rank, rows], the scale in it
};

/// What an adapter does to one matrix in one loop.
struct AdaptedRows {
  std::vector<LowRankRows> changes;
  std::vector<float> gains;  ///< one a row of the matrix, of its product before the bias; empty: one everywhere
};

/// The same for every loop: one set, or one a loop of which later ones have the last; none where it changes nothing.
struct LinearAdapter {
  std::vector<AdaptedRows> sets;

  [[nodiscard]] const AdaptedRows& of_loop(int loop) const {
    return sets[std::min(static_cast<std::size_t>(loop), sets.size() - 1)];
  }
  [[nodiscard]] bool scales() const { return !sets.empty() && !sets.front().gains.empty(); }
};

/// A part with the rows of the tensor that it changes.
struct PlacedLowRank {
  RowRange rows;
  LowRank part;
};

/// What `parts` do to rows `range` of a matrix [rows, in] whose numbers are `weights` (read only where a part has
/// magnitudes).
LinearAdapter linear_adapter(std::span<const PlacedLowRank> parts, RowRange range, std::size_t in,
                             std::span<const float> weights);

/// Adds what parts without a loop of their own do to a matrix [rows, in].
void merge(std::span<const PlacedLowRank> parts, std::size_t in, std::span<float> weights);

}  // namespace gyre
