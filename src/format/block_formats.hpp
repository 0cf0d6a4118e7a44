#pragma once

#include <cstddef>
#include <span>

#include "format/tensor.hpp"

namespace gyre {

/// Numbers of whole blocks; `out` holds block_size() numbers for each block of `blocks`. `dtype` is a block format.
void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out);

/// Fills `out` with byte_size(dtype, values.size()) bytes: but for K types the same bytes as the reference quantizer of
/// ggml gives. Throws Error when gyre only reads `dtype`, when `values` is no whole number of blocks, or when a
/// number is not finite or too large for the format.
void quantize(DType dtype, std::span<const float> values, std::span<std::byte> out);

/// Whether the scales of all blocks are finite.
bool finite_scales(DType dtype, std::span<const std::byte> blocks);

}  // namespace gyre
