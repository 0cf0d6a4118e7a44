#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/gguf.hpp"
#include "format/safetensors.hpp"
#include "format/tensor.hpp"

namespace gyre {

/// All tensors of a checkpoint, with the files that hold them mapped for as long as this object lives. Moving keeps the
/// addresses of the tensors' bytes.
class TensorStore {
 public:
  /// Opens model.safetensors in `folder`, or else the files that model.safetensors.index.json names: each must be
  /// there and hold just the tensors that the index gives it. Throws Error otherwise.
  static TensorStore open(const std::filesystem::path& folder);
  explicit TensorStore(Safetensors file);
  explicit TensorStore(Gguf file);

  TensorStore(TensorStore&&) noexcept = default;
  TensorStore& operator=(TensorStore&&) noexcept = default;
  TensorStore(const TensorStore&) = delete;
  TensorStore& operator=(const TensorStore&) = delete;
  ~TensorStore() = default;

  /// The tensors of types that gyre reads.
  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  /// Whether there is a tensor of that name and of a type that gyre reads.
  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Throws Error when there is none of that name, or when it is of a type that gyre does not read.
  [[nodiscard]] const TensorView& at(const std::string& name) const;

  /// The GGUF file (or parts) that this was made of, with its metadata; null when it was made of others.
  [[nodiscard]] const Gguf* gguf() const { return gguf_ ? &*gguf_ : nullptr; }
  /// SHA-256 in hexadecimal: of the file, as sha256sum gives it; of several, of their SHA-256 in hexadecimal one after
  /// the other in the order of the files' names.
  [[nodiscard]] std::string hash() const;
  /// Lets go of the memory that reading the files took. Every byte can be read again.
  void drop_pages() const;
  /// The file, the index of several or the first of several parts: what a message about the checkpoint begins with.
  [[nodiscard]] std::string where() const { return where_.string(); }

 private:
  TensorStore() = default;

  /// Of every file, in the order of their names.
  [[nodiscard]] std::vector<std::span<const std::byte>> file_bytes() const;

  std::filesystem::path where_;
  std::vector<Safetensors> shards_;  ///< in the order of their names
  std::optional<Gguf> gguf_;
  std::map<std::string, TensorView> tensors_;
};

}  // namespace gyre
