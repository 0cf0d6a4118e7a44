#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"

namespace gyre {

enum class DType { f32, f16, bf16 };

std::size_t bytes_of(DType dtype);
std::string_view name_of(DType dtype);

/// A tensor that lives elsewhere: in a mapped file, or in memory about to be written.
struct TensorView {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;

  [[nodiscard]] std::size_t element_count() const { return bytes.size() / bytes_of(dtype); }
};

/// "[3, 4]", for messages.
std::string describe_shape(std::span<const std::int64_t> shape);

/// Widens to float; `out` holds element_count() numbers.
void widen(const TensorView& tensor, std::span<float> out);
/// Rounds to the nearest bfloat16, ties to even.
std::uint16_t to_bf16(float value);

/// A mapped safetensors file (github.com/huggingface/safetensors): a length, a JSON header, the data. Every offset and
/// size of the header is checked against the file before anything is read.
class Safetensors {
 public:
  explicit Safetensors(const std::filesystem::path& path);

  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  /// Throws Error when there is none of that name.
  [[nodiscard]] const TensorView& at(const std::string& name) const;
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] std::span<const std::byte> file_bytes() const { return file_.bytes(); }

 private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
};

/// Writes the tensors in the given order; the file appears whole or not at all.
struct NamedTensor {
  std::string name;
  TensorView tensor;
};
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace gyre
