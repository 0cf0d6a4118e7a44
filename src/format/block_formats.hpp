#pragma once

#include <cstddef>
#include <span>

#include "format/tensor.hpp"

namespace gyre {

/// The block formats of GGUF. Their bytes, with d and m IEEE halves, q unsigned unless said:
///
/// | type | numbers | bytes | one block | value |
/// |---|---|---|---|---|
/// | q8_0 | 32 | 34 | d, 32 signed bytes | d q |
/// | q4_0 | 32 | 18 | d, 16 bytes | d (q - 8) |
/// | q4_1 | 32 | 20 | d, m, 16 bytes | d q + m |
/// | q4_k | 256 | 144 | d, m, 12 bytes of 8 scales s and 8 minima n, 128 bytes | d s q - m n |
/// | q5_k | 256 | 176 | d, m, 12 bytes likewise, 32 bytes of fifth bits, 128 bytes | d s q - m n |
/// | tq2_0 | 256 | 66 | 64 bytes, d | d (q - 1), q of 2 bits |
/// | q6_k | 256 | 210 | 128 bytes, 64 bytes of upper bits, 16 signed scales s, d | d s (q - 32) |

/// Numbers of whole blocks; `out` holds block_size() numbers for each block of `blocks`. `dtype` is a block format.
void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out);

/// Fills `out` with byte_size(dtype, values.size()) bytes: the same bytes as the reference quantizer of ggml gives.
/// Throws Error when `dtype` is none of q8_0, q4_0 and tq2_0, when `values` is no whole number of blocks, or when a
/// number is not finite or too large for the format.
void quantize(DType dtype, std::span<const float> values, std::span<std::byte> out);

/// Whether the scales of all blocks are finite.
bool finite_scales(DType dtype, std::span<const std::byte> blocks);

}  // namespace gyre
