#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "engine/rotary.hpp"
#include "model/spec.hpp"
#include "train/fused_ops.hpp"

namespace gyre {

/// Where the tokens of a batch stand: their positions, how these turn, and what each token sees. Rows may hold several
/// documents side by side; positions begin anew with each of them, and no token sees another document.
class RowPlaces {
 public:
  /// `documents` (int64 [rows, positions]; undefined: a row is one) numbers the document of each token; `prompt` (bool
  /// [rows, positions]; undefined: none) marks the tokens at the front of their document that see one another whole.
  RowPlaces(const ModelSpec& spec, const torch::Tensor& tokens, const torch::Tensor& documents,
            const torch::Tensor& prompt);

  /// Of each token, from 0: int64 [positions], or [rows, positions] where rows hold documents.
  [[nodiscard]] const torch::Tensor& positions() const { return positions_; }
  /// The same numbers on the CPU, wherever the tokens are.
  [[nodiscard]] const torch::Tensor& counted_positions() const { return counted_positions_; }
  /// How queries and keys turn in layers that see a window or all; nothing turns with learned positions.
  const Turns& turns(bool window);
  /// What each token sees through a window of so many positions, its own among them (0: all before it), for
  /// visible_softmax; undefined: all up to its own.
  const torch::Tensor& sight(int window);

 private:
  /// Consecutive tokens of a row, counted through the whole batch.
  struct Document {
    std::int64_t begin = 0;  ///< in its row
    std::int64_t length = 0;
    std::int64_t prompt = 0;
  };

  [[nodiscard]] Turns make_turns(bool window);
  [[nodiscard]] torch::Tensor make_sight(int window) const;

  const ModelSpec& spec_;
  torch::Device device_;
  std::int64_t width_;               ///< positions of a row
  std::vector<Document> documents_;  ///< of every row; of one where all rows are alike
  bool plain_;                       ///< each row is one document without a prompt that sees itself whole
  torch::Tensor positions_;
  torch::Tensor counted_positions_;
  Rotary rotary_;
  std::map<bool, Turns> turns_;
  std::map<int, torch::Tensor> sights_;
};

}  // namespace gyre
