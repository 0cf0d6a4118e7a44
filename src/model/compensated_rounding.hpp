#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "format/tensor.hpp"

namespace gyre {

/// What a text says of how matrices should be rounded.
struct RoundingText {
  /// Σ x xᵀ, [columns, columns], over all x that the matrix of this name of tensor_table() reads in the text, in every
  /// loop; empty where it reads none. Valid until the next call.
  std::function<std::span<const float>(const std::string& tensor)> moments;
  ThreadPool& pool;
};

/// Rounds a matrix [rows, columns] so that W x changes little for the x it reads: a number's error is made up for by
/// those behind it in its row, as far as what they multiply goes together (GPTQ, arXiv 2210.17323). Each block takes
/// its scales from the numbers as they stand when its turn comes, and among a few that cut off its largest numbers the
/// ones that cost least. `moments` as in RoundingText, of a type of blocks that fit the columns.
std::vector<std::byte> round_for_inputs(std::span<const float> values, std::size_t columns,
                                        std::span<const float> moments, DType type, ThreadPool& pool);

}  // namespace gyre
