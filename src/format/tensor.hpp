#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// How the numbers of a tensor are stored. Those behind bf16 are the block formats of GGUF: 32 or 256 neighbours of a
/// row share their scales. What is known of each stands in storage_types.hpp, its bytes in blocks/.
enum class DType {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  tq2_0,
};

/// Numbers of one block; 1 for f32, f16 and bf16.
std::size_t block_size(DType dtype);
/// Bytes of one block; for f32, f16 and bf16 that is the bytes of one number.
std::size_t bytes_of(DType dtype);
/// Bytes of `elements` numbers, in whole blocks; the largest number there is when they would not fit 64 bits.
std::uint64_t byte_size(DType dtype, std::uint64_t elements);
/// "F32", "Q4_K": the name in safetensors, GGUF and messages.
std::string_view name_of(DType dtype);

/// A tensor that lives elsewhere: in a mapped file, or in memory about to be written. Rows are contiguous; in the block
/// formats each row is a whole number of blocks.
struct TensorView {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  ///< outermost first: [out, in] for a linear map
  std::span<const std::byte> bytes;

  [[nodiscard]] std::size_t element_count() const { return bytes.size() / bytes_of(dtype) * block_size(dtype); }
  /// Size of the innermost axis; 1 for a scalar.
  [[nodiscard]] std::size_t columns() const { return shape.empty() ? 1 : static_cast<std::size_t>(shape.back()); }
  /// Product of the other axes; 0 for an empty tensor.
  [[nodiscard]] std::size_t rows() const { return columns() == 0 ? 0 : element_count() / columns(); }
};

/// One tensor of a file about to be written.
struct NamedTensor {
  std::string name;
  TensorView tensor;
};

/// Numbers in a tensor of this shape; the largest number there is when 64 bits would not hold it. Sizes are not
/// negative.
std::uint64_t elements_of(std::span<const std::int64_t> shape);
/// "[3, 4]", for messages.
std::string describe_shape(std::span<const std::int64_t> shape);

/// Widens, or dequantizes, to float; `out` holds element_count() numbers.
void widen(const TensorView& tensor, std::span<float> out);
/// The rows from `first` on, as many as fill `out` (a multiple of columns()): an embedding need not be widened whole.
void widen_rows(const TensorView& tensor, std::size_t first, std::span<float> out);
/// Rounds to any type but those that gyre only reads. Throws Error as quantize() does.
std::vector<std::byte> encode(std::span<const float> values, DType dtype);
/// Whether every number is finite; of the block formats only the scales need looking at.
bool is_finite(const TensorView& tensor);

}  // namespace gyre
