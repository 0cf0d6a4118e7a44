#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "engine/kv_cache.hpp"
#include "kernels/kernels.hpp"
#include "model/model.hpp"

namespace gyre {

/// The tokens that are being run, one a row of the states.
struct TokenBatch {
  std::span<const std::int32_t> tokens;
  int position = 0;  ///< of the first
};

/// Runs one layer over a batch of consecutive positions of one sequence. Knows nothing of groups and loops: it is told
/// which KV slot to write and read.
class LayerRunner {
 public:
  LayerRunner(const ModelSpec& spec, ThreadPool& pool);

  /// states [n, hidden] in place.
  void run(const Layer& layer, std::size_t slot, const TokenBatch& batch, KvCache& cache, std::span<float> states);

  /// y[n, out] = x[n, in] Wᵀ + b on all threads.
  void apply(const Linear& linear, const float* x, std::size_t n, float* y);
  /// Norm of n rows; y may not be x.
  void apply(const Norm& norm, const float* x, std::size_t n, float* y) const;

 private:
  void attention(const Layer& layer, std::size_t slot, const TokenBatch& batch, KvCache& cache, const float* input);
  void embed_values(const Layer& layer, const TokenBatch& batch, const float* input);
  void norm_heads(float* heads, const float* weight, std::size_t count) const;
  void rotate_heads(float* row, int position);
  void store_and_rotate(const Layer& layer, std::size_t slot, const TokenBatch& batch, KvCache& cache);
  void attend(std::size_t slot, KvCache& cache, std::size_t n);
  void mlp(const Layer& layer, std::size_t n);
  void activate(std::size_t n);
  void add_branch(const Norm& norm_out, std::span<float> states);
  const float* branch_input(const Norm& norm_in, std::span<const float> states);
  void grow_rotary(int positions);

  const ModelSpec& spec_;
  ThreadPool& pool_;
  const Kernels& kernels_;
  std::size_t hidden_;

  std::vector<float> input_;                ///< [n, hidden]: the branch's input
  std::vector<float> output_;               ///< [n, hidden]: the branch's output
  std::vector<float> qkv_;                  ///< [n, attention + 2 kv]
  std::vector<float> mixed_;                ///< [n, attention]
  std::vector<float> up_;                   ///< [n, ffn or 2 ffn]
  std::vector<float> activated_;            ///< [n, ffn]
  std::vector<std::vector<float>> scores_;  ///< one a thread
  std::vector<float> cosines_;              ///< [positions, head_size / 2]
  std::vector<float> sines_;
  std::vector<float> ones_;   ///< [head_size]: the weights of a norm without weights
  std::vector<float> gates_;  ///< [n, kv_heads]
};

}  // namespace gyre
