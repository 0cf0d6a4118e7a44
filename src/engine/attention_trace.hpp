#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "kernels/kv_rows.hpp"

namespace gyre {

/// What one head of one layer makes of the keys that a token sees in one loop.
struct AttentionPoint {
  std::size_t group = 0;
  int layer = 0;  ///< counted through the passes of one loop, see Group::passes
  int loop = 0;   ///< loops done before this one
  std::size_t head = 0;
  int position = 0;
  /// scale · q · k of the positions that it sees, the oldest first; their softmax are the weights. Where later loops
  /// attend to the first one's keys as well, those of the loop's own keys.
  std::span<const double> scores;
};
/// Called by all threads of a pool at once, for different heads or positions; it must not throw.
using AttentionSink = std::function<void(const AttentionPoint&)>;

/// Queries of one head, side by side in one sequence, behind their norms and rotation.
struct HeadQueries {
  const float* first = nullptr;
  std::size_t stride = 0;  ///< floats from one to the next
  std::size_t rows = 0;
  std::size_t head_size = 0;
  double scale = 1;
};

/// The scores from which Kernels::attend makes its weights, written down plainly, in F64: the first query sees `count`
/// positions and each further one more, or of them the last of the cache's window. `hear` is told of each query in
/// turn.
void attention_scores(const HeadQueries& queries, const KvPages& cache, std::size_t count,
                      const std::function<void(std::size_t row, std::span<const double> scores)>& hear);

}  // namespace gyre
