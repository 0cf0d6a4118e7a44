#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "engine/kv_cache.hpp"
#include "kernels/kernels.hpp"
#include "model/model.hpp"

namespace gyre {

/// Runs one layer over a batch of consecutive positions of one sequence. Knows nothing of groups and loops: it is told
/// which KV slot to write and read.
class LayerRunner {
 public:
  LayerRunner(const ModelSpec& spec, ThreadPool& pool);

  /// states [n, hidden] in place; the first row is at `position`.
  void run(const Layer& layer, std::size_t slot, int position, KvCache& cache, std::span<float> states);

  /// y[n, out] = x[n, in] Wᵀ + b on all threads.
  void apply(const Linear& linear, const float* x, std::size_t n, float* y);
  /// Norm of n rows; y may not be x.
  void apply(const Norm& norm, const float* x, std::size_t n, float* y) const;

 private:
  void attention(const Layer& layer, std::size_t slot, int position, KvCache& cache, std::size_t n);
  void store_and_rotate(std::size_t slot, int position, KvCache& cache, std::size_t n);
  void attend(std::size_t slot, int position, KvCache& cache, std::size_t n);
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
};

}  // namespace gyre
