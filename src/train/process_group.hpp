#pragma once

#include <torch/types.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "train/parameters.hpp"
#include "train/ranks.hpp"

namespace gyre {

/// The ranks of a run, which talk through LibTorch's Gloo. All of them ask the same things in the same order. A rank
/// that is alone gets its own values back, and opens no connection. Every function throws Error, in one line, once
/// another rank has ended or does not answer in time.
class ProcessGroup {
 public:
  /// Waits until all ranks are there. Throws Error when they are not in time, when the port is taken, or when this
  /// program was built without Gloo.
  explicit ProcessGroup(const Ranks& ranks = {});
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  [[nodiscard]] int rank() const { return ranks_.rank; }
  [[nodiscard]] int world() const { return ranks_.world; }
  [[nodiscard]] bool alone() const { return ranks_.world == 1; }
  /// Whether this rank reads and writes the run's folder.
  [[nodiscard]] bool first() const { return ranks_.rank == 0; }
  [[nodiscard]] RowShare share() const { return {ranks_.rank, ranks_.world}; }

  /// Whether it is so on any rank.
  [[nodiscard]] bool any(bool here) const;
  /// Numbers of all ranks, those of the first rank first; every rank gives as many.
  [[nodiscard]] std::vector<double> gathered(std::span<const double> own) const;
  /// The text of the first rank.
  [[nodiscard]] std::string of_first(const std::string& own) const;
  /// Gives all ranks the numbers of the first: tensors of the same shapes on all ranks, contiguous, and the step that
  /// they are of, which is returned.
  [[nodiscard]] int hand_out(std::span<const torch::Tensor> tensors, int step) const;
  /// Sums gradients over all ranks, and `numbers` beside them, as one flat f32 buffer. Parameters without a gradient
  /// have none on every rank.
  void sum_gradients(const Parameters& learned, std::span<double> numbers) const;

 private:
  struct Connection;

  void sum(torch::Tensor tensor) const;
  void broadcast(torch::Tensor tensor) const;

  Ranks ranks_;
  std::unique_ptr<Connection> connection_;  ///< none when alone
};

}  // namespace gyre
