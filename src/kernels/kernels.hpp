#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "kernels/kv_rows.hpp"
#include "kernels/peaks.hpp"
#include "kernels/products.hpp"

namespace gyre {

/// Squared norms that come out of one pass over a finished loop, for the exits and measures.
struct StepStatistics {
  float state = 0;         ///< ‖x‖²
  float step = 0;          ///< ‖Δ‖², Δ = now − before
  float acceleration = 0;  ///< ‖Δ − Δ_previous‖²
};

/// The arithmetic of a model, one table per instruction set.
struct Kernels {
  std::string_view name;
  bool exact = true;  ///< what a row gets does not depend on how many are beside it

  /// Rounds rows [count, columns] to bytes, each run of kByteRun by its largest magnitude.
  void (*round_to_bytes)(const float* x, std::size_t count, std::size_t columns, const ByteRows& out);
  /// Whether products of `count` rows with weights of this type are taken with activations rounded to bfloat16 instead.
  bool (*takes_bf16)(WeightType type, std::size_t count, std::size_t columns);
  /// Rounds `count` rows of [rows, columns] from row `first` on into their places among Activations::bf16.
  void (*round_to_bf16)(const float* x, std::size_t first, std::size_t count, std::size_t columns, std::uint16_t* out);
  /// y = x Wᵀ for the rows of the panels `first_panel` … `last_panel` of W.
  void (*multiply)(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
                   const ProductOut& out);

  /// y = weight · x / sqrt(mean(x²) + eps); y may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::size_t n, float* y);
  /// y = weight · (x − mean) / sqrt(variance + eps) + bias.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, std::size_t n, float* y);

  /// Turns `pairs` pairs of a head by their angles: neighbours, or i and i + pairs.
  void (*rotate)(float* head, const float* cosines, const float* sines, std::size_t pairs, bool adjacent);
  /// `rows` queries of one head, `query_stride` floats apart, the first of which sees `count` positions of the cache
  /// and each further one more (KvPages::growth), or of them the last of its window: out = softmax(scale · q K) V,
  /// `out_stride` apart. `scratch` has room for attend_scratch() floats. But for tiles, what a query gets does not
  /// depend on those beside it.
  void (*attend)(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache,
                 std::size_t count, std::size_t head_size, float scale, float* scratch, float* out,
                 std::size_t out_stride);
  /// y = silu(gate) · x, all of n.
  void (*silu_gated)(const float* gate, const float* x, std::size_t n, float* y);
  /// y = x Φ(x), Φ being the normal distribution: the gelu that is not approximated by a tanh. y may be x.
  void (*gelu)(const float* x, std::size_t n, float* y);

  /// The largest of n numbers, at least one.
  float (*largest)(const float* x, std::size_t n);
  /// y = exp(scale · (x − largest)), nowhere below exp(−87); returns their sum. y may be x.
  float (*exponentials)(const float* x, std::size_t n, float largest, float scale, float* y);

  /// Reads `now` and `before`, replaces `step` (the previous Δ) by the new one. All have n channels.
  StepStatistics (*step_statistics)(const float* now, const float* before, float* step, std::size_t n);

  Peaks peaks;
};

/// Floats of scratch that attend takes when its last query sees `count` positions: scores of a few queries, and by
/// vectors a tile of positions and the sums of those queries, by tiles of AMX the keys and values of all positions in
/// bfloat16.
constexpr std::size_t attend_scratch(std::size_t count, std::size_t head_size) {
  constexpr std::size_t kMostPadding = 96;  // to whole tiles of positions, and of queries beside them
  constexpr std::size_t kScores = 24;
  return (count + kMostPadding) * (head_size + kScores);
}

/// The table this program uses: the widest the processor has, or the one GYRE_ISA names (scalar, avx2, avxvnni, avx512,
/// amx).
/// Throws Error when GYRE_ISA names one that is unknown or that the processor lacks.
const Kernels& kernels();

/// From now on the widest table whose arithmetic is exact: before any model runs. Throws Error when GYRE_ISA names one
/// that is not.
void require_exact_kernels();

/// Every table that this processor can run, the plain reference first.
std::vector<const Kernels*> available_kernels();

}  // namespace gyre
