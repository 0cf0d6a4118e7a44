#pragma once

#include <cstddef>
#include <vector>

#include "engine/kv_cache.hpp"
#include "model/model.hpp"

namespace gyre {

/// What a token costs that runs `loops` loops per group, counted tensor by tensor; a loop reads its weights anew.
struct TokenCost {
  double flops = 0;            ///< of the matrices: two a weight and use
  double attention_flops = 0;  ///< scores and sums of values, over `context` positions
  double weight_bytes = 0;     ///< read, of tables of embeddings one row
  double kv_bytes = 0;         ///< keys and values read, of `context` positions
};
TokenCost token_cost(const Model& model, const std::vector<int>& loops, int context, KvType kv_type);

/// Passes through a layer that a token makes.
std::size_t layer_passes(const ModelSpec& spec, const std::vector<int>& loops);

/// Memory of one running text of `context` positions, in bytes.
struct MemoryNeed {
  std::size_t weights = 0;      ///< as they are computed with
  std::size_t kv_cache = 0;     ///< when the context is full
  std::size_t activations = 0;  ///< of a prompt that fills the context
  [[nodiscard]] std::size_t sum() const { return weights + kv_cache + activations; }
};
MemoryNeed memory_need(const Model& model, const std::vector<int>& loops, int context, KvPolicy policy, int threads);

}  // namespace gyre
