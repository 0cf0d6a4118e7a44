#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/packed.hpp"
#include "model/compensated_rounding.hpp"
#include "study/evaluation.hpp"
#include "study/windows.hpp"

namespace gyre {

/// Second moments of what a model's matrices read in a text, each window of it run as a prompt at the depth of
/// `options`. They are summed when they are asked for, those of as many matrices in one pass over the text as
/// `most_bytes` hold (of one at least), in the order of tensor_table(): ask in that order. The head of a model whose
/// embeddings are its head has none, since the table is read as one too. Keep `model` and `pool` for as long.
class InputMoments {
 public:
  InputMoments(const Model& model, const MeasuredText& text, const EvaluationOptions& options, ThreadPool& pool,
               ProgressSink progress, std::size_t most_bytes = std::size_t{2} << 30);
  InputMoments(const InputMoments&) = delete;
  InputMoments& operator=(const InputMoments&) = delete;
  ~InputMoments() = default;

  /// Σ x xᵀ, [columns, columns]; empty where the text shows the matrix nothing. Valid until the next call.
  std::span<const float> of(const std::string& tensor);

 private:
  struct Matrix {
    std::string tensor;
    std::size_t columns = 0;
  };

  /// A column of a panel of 16 rows, see PackedMatrix.
  struct alignas(64) PanelColumn {
    std::array<float, kPanelRows> channels = {};
  };

  /// Begins with `tensor`.
  void collect(const std::string& tensor);
  void add(const MatrixInput& input);

  EvaluationOptions options_;
  ThreadPool& pool_;
  ProgressSink progress_;
  std::size_t most_bytes_;
  std::vector<Window> windows_;
  std::vector<Matrix> matrices_;  ///< of tensor_table(), in its order
  Engine engine_;
  std::map<std::string, std::vector<float>> sums_;  ///< of the matrices of the last pass
  std::vector<PanelColumn> panels_;                 ///< of what a matrix reads
  std::vector<float> transposed_;
};

}  // namespace gyre
