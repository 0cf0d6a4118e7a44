#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace gyre {

/// Squared norms that come out of one pass over a finished loop, for the exits and measures.
struct StepStatistics {
  float state = 0;         ///< ‖x‖²
  float step = 0;          ///< ‖Δ‖², Δ = now − before
  float acceleration = 0;  ///< ‖Δ − Δ_previous‖²
  float turn = 0;          ///< Δ · Δ_previous
};

/// The arithmetic of a model, one table per instruction set. Matrices are row-major; weights are [out, in].
struct Kernels {
  std::string_view name;

  /// y[n, out] = x[n, in] Wᵀ for the rows `begin` … `end` of W; `out` is the row length of y.
  void (*matmul)(const float* x, std::size_t n, std::size_t in, const float* weights, std::size_t begin,
                 std::size_t end, std::size_t out, float* y);

  /// y = weight · x / sqrt(mean(x²) + eps); y may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::size_t n, float* y);
  /// y = weight · (x − mean) / sqrt(variance + eps) + bias.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, std::size_t n, float* y);

  /// One query against `count` cached positions whose rows lie `stride` floats apart:
  /// out = softmax(scale · q K) V. `scores` has room for `count` floats.
  void (*attend)(const float* query, const float* keys, const float* values, std::size_t stride, std::size_t count,
                 std::size_t head_size, float scale, float* scores, float* out);

  /// y[n] = silu(x[0 … n)) · x[n … 2n).
  void (*silu_gated)(const float* x, std::size_t n, float* y);

  /// Reads `now` and `before`, replaces `step` (the previous Δ) by the new one. All have n channels.
  StepStatistics (*step_statistics)(const float* now, const float* before, float* step, std::size_t n);
};

/// The table this program uses: the widest the processor has, or the one GYRE_ISA names (scalar, avx2, avx512).
/// Throws Error when GYRE_ISA names one that is unknown or that the processor lacks.
const Kernels& kernels();

/// Every table that this processor can run, the plain reference first.
std::vector<const Kernels*> available_kernels();

}  // namespace gyre
