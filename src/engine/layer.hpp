#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/thread_pool.hpp"
#include "engine/activation_rows.hpp"
#include "engine/attention_trace.hpp"
#include "engine/input_sink.hpp"
#include "engine/kv_cache.hpp"
#include "engine/rotary.hpp"
#include "engine/token_row.hpp"
#include "kernels/kernels.hpp"
#include "model/model.hpp"

namespace gyre {

/// Which layer's keys and values a pass writes and reads.
struct LayerPass {
  std::size_t group = 0;
  int layer = 0;  ///< counted through the passes of one loop, see Group::passes
};

/// Runs layers over rows of states, of one sequence or of several, on all threads of a pool.
///
/// A layer is a row of jobs that the pool's threads share, by panels of a matrix, by heads or by rows. Queries, keys
/// and values of a head, their rotation, its rows in the cache and its attention are one piece of one job where heads
/// go into threads, as gate, up and what joins them always are. What costs less than a job (norms and rounding of fewer
/// rows than there are threads) the caller does for itself.
class LayerRunner {
 public:
  LayerRunner(const ModelSpec& spec, ThreadPool& pool);

  /// Makes room for `rows` rows, or fewer, up to this position. Before run().
  void reserve(std::size_t rows, int position);
  /// Gives all that room back.
  void rest();
  /// And for the first `positions` of sequences of a rotary_length().
  void reserve_positions(int length, int positions) { rotary_.reserve(length, positions); }
  /// Tells `sink` of all that matrices read from now on; empty: nobody.
  void observe_inputs(InputSink sink) { inputs_ = std::move(sink); }
  /// states [rows, hidden] in place.
  void run(const Layer& layer, const LayerPass& pass, std::span<const TokenRow> rows, std::span<float> states);

  /// y[n, out] = x[n, in] Wᵀ + b.
  void apply(const Linear& linear, const float* x, std::size_t n, float* y);
  /// Norm of n rows; y may not be x.
  void apply(const Norm& norm, const float* x, std::size_t n, float* y) const;

 private:
  /// What one thread keeps for itself.
  struct Scratch {
    std::vector<float> scores;
    std::vector<float> gates;     ///< [kv_heads]
    std::vector<float> low_rank;  ///< what an adapter makes of rows on the way
  };
  /// The work of one call of run().
  struct Job {
    const Layer& layer;
    const LayerPass& pass;
    std::span<const TokenRow> rows;
    std::span<float> states;
    bool by_heads;  ///< attention is dealt out by key head, row and query head; else by query head and row
  };

  /// Whether sharing out so many rows costs more than it saves.
  [[nodiscard]] bool few(std::size_t n) const { return n < static_cast<std::size_t>(pool_.size()); }
  [[nodiscard]] std::size_t heads_per_kv() const { return static_cast<std::size_t>(spec_.heads / spec_.kv_heads); }
  /// Calls work(Share, thread) for all of n rows, or of the panels of a matrix.
  template <typename Work>
  void share_rows(std::size_t n, const Work& work);
  template <typename Work>
  void share_panels(const Linear& linear, const Work& work);

  /// Rows as a matrix reads them, behind a norm where there is one. Valid until the next call.
  Activations prepare(const Norm& norm, const float* x, std::size_t n, const Linear& reader);
  void multiply(const Linear& linear, const Activations& x, Share panels, float* y, bool add) const;
  /// The same with what an adapter adds.
  void multiply(const Linear& linear, const Activations& x, Share panels, float* y, bool add, const Job& job,
                int thread);
  void attention(const Job& job);
  void mlp(const Job& job);
  /// The end of a branch: its last matrix, which reads x, and what becomes of the states.
  void add_branch(const Linear& last, const float* x, const Norm& norm_out, const float* scale, const Job& job);
  void add_output(Share mine, const Norm& norm_out, const float* scale, const Job& job);
  /// Whether the product of a branch's last matrix goes onto the states as it is made.
  [[nodiscard]] bool adds_at_once(const Linear& last, const float* scale) const {
    const bool scaled = scale != nullptr || (last.adapter != nullptr && last.adapter->scales());
    return spec_.norm_placement == NormPlacement::pre && !scaled;
  }
  /// The pieces of a job that takes queries, keys and values all the way by their heads; 0 where they do not go by
  /// heads, or heads not into threads.
  [[nodiscard]] int pieces_by_head(const Job& job) const;
  /// Queries, keys and values of these heads, not turned yet.
  void project(const Job& job, const Activations& input, Share kv_heads);
  /// Turns queries and keys and writes the cache.
  void store(const Job& job, const Activations& input);
  void store(const Job& job, Share kv_heads, const Activations& input, int thread);
  void store(const Job& job, std::size_t row, Share kv_heads, const float* input, int thread);
  void store_heads(const Job& job, std::size_t row, Share heads, const float* input, int thread);
  void embed_values(const Job& job, const TokenRow& row, Share kv_heads, const float* input, float* values, int thread);
  /// Rows of one sequence and loop, side by side, in one head; or the heads, side by side, of one row that read the
  /// same keys.
  struct HeadRows {
    std::size_t head = 0;
    std::size_t first = 0;
    std::size_t count = 1;
    std::size_t growth = 1;  ///< what each sees more than the one before: 0 where they see one another whole
    std::size_t heads = 1;
  };
  /// What is taken together of the first of these [heads, rows], or of these [key heads, rows, heads of one].
  [[nodiscard]] static HeadRows rows_of_head(const Job& job, Share mine);
  [[nodiscard]] HeadRows heads_of_row(const Job& job, Share mine) const;
  /// Whether no sequence has so many rows that its queries of one head are enough to read keys once for several.
  [[nodiscard]] bool better_by_heads(std::span<const TokenRow> rows) const;
  /// Of all heads and rows, in the job's order, those of a piece.
  void attend(const Job& job, Share mine, int thread);
  /// What rows see of the keys of a loop.
  struct Seen {
    KvPages pages;
    std::size_t count = 0;  ///< positions that the first row sees, but for the window of the pages
  };
  [[nodiscard]] Seen seen_by(const Job& job, const HeadRows& rows, int loop, std::size_t window) const;
  [[nodiscard]] float attention_scale() const;
  /// To the keys of a loop, the last `window` of them (0: all), into `mixed` [n, attention].
  void attend_to(const Job& job, const HeadRows& rows, int loop, std::size_t window, std::vector<float>& mixed,
                 int thread);
  /// Tells those of the rows that want it of their scores.
  void trace_scores(const Job& job, const HeadRows& rows, std::size_t window) const;
  /// Adds to what the keys of their own loop gave a head the gate's share of what those of the first did.
  void blend_first_loop(const Layer& layer, const HeadRows& rows);
  /// Scales what `rows` rows from `first` on gave in a head by their gates.
  void gate_head(const HeadRows& rows);
  void activate(Share channels, std::size_t n);

  const ModelSpec& spec_;
  ThreadPool& pool_;
  const Kernels& kernels_;
  std::size_t hidden_;
  std::size_t qkv_size_;

  InputSink inputs_;
  ActivationRows input_;          ///< what a matrix reads
  std::vector<Scratch> scratch_;  ///< one a thread
  std::vector<float> output_;     ///< [n, hidden]: the branch's output, when a norm or a scale follows
  std::vector<float> summed_;     ///< [n, hidden]: before a norm of the sum
  std::vector<float> qkv_;        ///< [n, attention + 2 kv], and the gate's attention behind it
  std::vector<float> mixed_;      ///< [n, attention]
  std::vector<float> first_;      ///< [n, attention]: of the first loop's values, where later loops attend to them
  std::vector<float> gate_;       ///< [n, ffn]
  std::vector<float> up_;         ///< [n, ffn]
  Rotary rotary_;
  std::vector<float> ones_;  ///< [head_size]: the weights of a norm without weights
};

}  // namespace gyre
