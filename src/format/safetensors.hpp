#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "base/file.hpp"
#include "format/tensor.hpp"

namespace gyre {

/// A mapped safetensors file (github.com/huggingface/safetensors): a length, a JSON header, the data. Every offset and
/// size of the header is checked against the file before anything is read, and what the reference library refuses is
/// refused: keys that are there twice, bytes that belong to no tensor or to two, sizes that do not fit, unknown types.
/// A tensor of a type that gyre does not read (I64, BOOL, …) does no harm as long as nobody asks for it.
class Safetensors {
 public:
  explicit Safetensors(const std::filesystem::path& path);

  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  /// The types of the other tensors, by their names.
  [[nodiscard]] const std::map<std::string, std::string>& unsupported() const { return unsupported_; }
  /// Throws Error when there is none of that name, or when it is of a type that gyre does not read.
  [[nodiscard]] const TensorView& at(const std::string& name) const;
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] std::span<const std::byte> file_bytes() const { return file_.bytes(); }

 private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> unsupported_;
};

/// Writes the tensors, of F32, F16 and BF16, in the given order; the file appears whole or not at all.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace gyre
