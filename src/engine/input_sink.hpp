#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace gyre {

/// Rows [n, columns] that a matrix is about to read, behind the norm before it; `tensor` is its name in tensor_table().
/// Gate and up of an MLP are one matrix.
struct MatrixInput {
  const std::string& tensor;
  std::span<const float> rows;
  std::size_t columns = 0;
};
/// Called by the thread that runs the pass, once a matrix and layer pass.
using InputSink = std::function<void(const MatrixInput&)>;

}  // namespace gyre
