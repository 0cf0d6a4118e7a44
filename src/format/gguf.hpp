#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.hpp"
#include "format/tensor.hpp"

namespace gyre {

/// The types of metadata in a GGUF file, by their number there.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// A mapped GGUF file, version 2 or 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md): typed metadata, a list
/// of tensors, their data. Every count, length, offset and size is checked against the file before it is used; nothing
/// is decoded before it is asked for.
///
/// Of a model that llama-gguf-split cut, any part opens all of them: the metadata are those of the first, the tensors
/// those of every part.
///
/// The getters throw Error with the file and the key when the key is missing (and no default was given), of another
/// type, or out of range. Whole numbers of every width are integers, and numbers too.
class Gguf {
 public:
  /// Throws Error when the file is damaged, is one of several parts that are not all there or do not belong together,
  /// or holds a tensor of a type that is not among those of DType.
  explicit Gguf(const std::filesystem::path& path);

  [[nodiscard]] bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  [[nodiscard]] bool is_list(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;

  [[nodiscard]] std::string text(std::string_view key, std::optional<std::string> otherwise = {}) const;
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most,
                                     std::optional<std::int64_t> otherwise = {}) const;
  [[nodiscard]] double number(std::string_view key, double least, double most,
                              std::optional<double> otherwise = {}) const;
  [[nodiscard]] bool boolean(std::string_view key, std::optional<bool> otherwise = {}) const;
  [[nodiscard]] std::vector<std::string> strings(std::string_view key) const;
  /// A list of numbers of any width, or of booleans as 0 and 1; whole numbers beyond 2^53 lose their last digits.
  [[nodiscard]] std::vector<double> numbers(std::string_view key) const;

  /// Shapes are outermost first, as everywhere in gyre: the reverse of the order in the file.
  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  /// Throws Error when there is none of that name.
  [[nodiscard]] const TensorView& at(const std::string& name) const;

  /// The file, or the first of several.
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  /// The bytes of the file, or of every part in its order.
  [[nodiscard]] std::vector<std::span<const std::byte>> file_bytes() const;

 private:
  /// A value where it lies. Of a list: the type and number of its elements, and the bytes behind those two.
  struct Value {
    GgufType type = GgufType::u8;
    GgufType element = GgufType::u8;
    std::uint64_t count = 0;
    std::span<const std::byte> bytes;
  };
  class Reader;
  struct OneFile {};

  /// What the one file holds, a part or not.
  Gguf(const std::filesystem::path& path, OneFile);

  void read_metadata(Reader& reader, std::uint64_t count);
  /// The files of a model of `count` parts, by the name of this one.
  [[nodiscard]] std::vector<std::filesystem::path> part_paths(std::int64_t count) const;
  /// Throws Error unless `part` is part `number` (from 0) of the `count` of this model, whose first part this is.
  void require_part(const Gguf& part, std::int64_t number, std::int64_t count) const;
  /// This part and all others as one.
  [[nodiscard]] Gguf joined(std::int64_t count) const;
  /// Fills tensors_ but for their bytes; gives the offset of each in the data.
  std::map<std::string, std::uint64_t> read_tensors(Reader& reader, std::uint64_t count);
  void place_tensors(Reader& reader, const std::map<std::string, std::uint64_t>& offsets);
  [[nodiscard]] const Value& value(std::string_view key) const;
  /// The value of `key`, which must be a list.
  [[nodiscard]] const Value& list(std::string_view key) const;
  [[nodiscard]] std::string where(std::string_view key) const;

  MappedFile file_;
  std::vector<MappedFile> later_parts_;
  std::map<std::string, Value, std::less<>> values_;
  std::map<std::string, TensorView> tensors_;
};

/// A value about to be written; its C++ type is its type in the file.
using GgufValue = std::variant<bool, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, float, double,
                               std::string, std::vector<std::string>, std::vector<std::int32_t>, std::vector<float>>;

struct GgufEntry {
  std::string key;
  GgufValue value;
};

/// Writes version 3 with the metadata and tensors in the given order, the data of each tensor on a multiple of 32
/// bytes; the file appears whole or not at all. Throws Error when it would be a file that Gguf refuses: a name is given
/// twice or cannot be printed, a text is not UTF-8, the bytes of a tensor do not fit its shape.
void write_gguf(const std::filesystem::path& path, std::span<const GgufEntry> metadata,
                std::span<const NamedTensor> tensors);

}  // namespace gyre
