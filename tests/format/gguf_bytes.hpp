#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// The bytes of a GGUF file put together by hand, so that any of them may be wrong.
struct GgufBytes {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> keys;            ///< each a whole entry
  std::vector<std::string> tensors;         ///< each a whole entry
  std::uint64_t key_count = UINT64_MAX;     ///< UINT64_MAX: as many as there are
  std::uint64_t tensor_count = UINT64_MAX;  ///< likewise
  std::size_t alignment = 32;
  std::string data;

  template <typename T>
  static std::string number(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  }
  static std::string text(std::string_view value) { return number(std::uint64_t{value.size()}) + std::string(value); }
  /// `value` is the bytes of a value of this type.
  static std::string key(std::string_view name, std::uint32_t type, std::string_view value) {
    return text(name) + number(type) + std::string(value);
  }
  static std::string list(std::uint32_t element, std::uint64_t count, std::string_view values) {
    return number(element) + number(count) + std::string(values);
  }
  /// `sizes` innermost first, as in the file.
  static std::string tensor(std::string_view name, const std::vector<std::uint64_t>& sizes, std::uint32_t type,
                            std::uint64_t offset) {
    std::string bytes = text(name) + number(static_cast<std::uint32_t>(sizes.size()));
    for (const std::uint64_t size : sizes) bytes += number(size);
    return bytes + number(type) + number(offset);
  }

  [[nodiscard]] std::string whole() const {
    std::string bytes = magic + number(version);
    bytes += number(tensor_count == UINT64_MAX ? std::uint64_t{tensors.size()} : tensor_count);
    bytes += number(key_count == UINT64_MAX ? std::uint64_t{keys.size()} : key_count);
    for (const std::string& key : keys) bytes += key;
    for (const std::string& tensor : tensors) bytes += tensor;
    if (!tensors.empty()) bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
    return bytes + data;
  }
};

}  // namespace gyre
