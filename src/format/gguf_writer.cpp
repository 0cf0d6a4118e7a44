#include <cstring>
#include <set>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "format/gguf_layout.hpp"
#include "format/storage_types.hpp"

namespace gyre {
namespace {

template <typename T>
constexpr GgufType kTypeOf = GgufType::array;
template <>
constexpr GgufType kTypeOf<bool> = GgufType::boolean;
template <>
constexpr GgufType kTypeOf<std::int32_t> = GgufType::i32;
template <>
constexpr GgufType kTypeOf<std::uint32_t> = GgufType::u32;
template <>
constexpr GgufType kTypeOf<std::int64_t> = GgufType::i64;
template <>
constexpr GgufType kTypeOf<std::uint64_t> = GgufType::u64;
template <>
constexpr GgufType kTypeOf<float> = GgufType::f32;
template <>
constexpr GgufType kTypeOf<double> = GgufType::f64;
template <>
constexpr GgufType kTypeOf<std::string> = GgufType::string;

template <typename T>
void append(std::string& out, const T& number) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &number, sizeof(T));
  out.append(bytes, sizeof(T));
}

void append(std::string& out, const std::string& text) {
  append(out, std::uint64_t{text.size()});
  out += text;
}

template <typename T>
void append(std::string& out, const std::vector<T>& list) {
  append(out, kTypeOf<T>);
  append(out, std::uint64_t{list.size()});
  for (const T& value : list) append(out, value);
}

std::uint64_t aligned(std::uint64_t size) { return (size + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment; }

bool valid(const std::string& text) { return is_utf8(text); }
bool valid(const std::vector<std::string>& texts) { return std::all_of(texts.begin(), texts.end(), is_utf8); }
template <typename T>
bool valid(const T& /*number*/) {
  return true;
}

void check_name(const std::string& name, std::string_view what, std::size_t index, const std::string& where) {
  if (is_gguf_name(name)) return;
  throw Error("{}: {} number {} has a name that is empty, too long, or not printable UTF-8", where, what, index);
}

void check(const NamedTensor& named, const std::string& where) {
  const TensorView& tensor = named.tensor;
  if (tensor.shape.size() > kGgufMostAxes) {
    throw Error("{}: tensor {} has more than {} axes", where, named.name, kGgufMostAxes);
  }
  const bool sizes = std::all_of(tensor.shape.begin(), tensor.shape.end(), [](std::int64_t size) { return size >= 0; });
  if (sizes && tensor.columns() % block_size(tensor.dtype) == 0 &&
      byte_size(tensor.dtype, elements_of(tensor.shape)) == tensor.bytes.size()) {
    return;
  }
  throw Error("{}: tensor {}: {} bytes do not fit shape {} of {}", where, named.name, tensor.bytes.size(),
              describe_shape(tensor.shape), name_of(tensor.dtype));
}

void append_metadata(std::string& out, std::span<const GgufEntry> metadata, const std::string& where) {
  std::set<std::string_view> keys;
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    const std::string& key = metadata[i].key;
    check_name(key, "key", i, where);
    if (key == kGgufAlignmentKey) throw Error("{}: the key {} is not for writing; leave it out", where, key);
    if (!keys.insert(key).second) throw Error("{}: the key {} is given twice", where, key);
    append(out, key);
    const auto append_value = [&](const auto& held) {
      if (!valid(held)) throw Error("{}: the key {} holds text that is not valid UTF-8", where, key);
      append(out, kTypeOf<std::decay_t<decltype(held)>>);
      append(out, held);
    };
    std::visit(append_value, metadata[i].value);
  }
}

void append_tensors(std::string& out, std::span<const NamedTensor> tensors, const std::string& where) {
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    check_name(name, "tensor", i, where);
    if (!names.insert(name).second) throw Error("{}: the tensor {} is given twice", where, name);
    check(tensors[i], where);
    append(out, name);
    append(out, static_cast<std::uint32_t>(tensor.shape.size()));
    std::for_each(tensor.shape.rbegin(), tensor.shape.rend(), [&](std::int64_t size) { append(out, size); });
    append(out, storage_type(tensor.dtype).gguf_number);
    append(out, offset);
    offset += aligned(tensor.bytes.size());
  }
}

std::string header(std::span<const GgufEntry> metadata, std::span<const NamedTensor> tensors,
                   const std::string& where) {
  std::string out(kGgufMagic);
  append(out, kGgufVersion);
  append(out, std::uint64_t{tensors.size()});
  append(out, std::uint64_t{metadata.size()});
  append_metadata(out, metadata, where);
  append_tensors(out, tensors, where);
  out.resize(aligned(out.size()), '\0');
  return out;
}

}  // namespace

void write_gguf(const std::filesystem::path& path, std::span<const GgufEntry> metadata,
                std::span<const NamedTensor> tensors) {
  const std::string front = header(metadata, tensors, path.string());
  write_file_atomically(path, [&](FileWriter& writer) {
    writer.write(front);
    for (const NamedTensor& named : tensors) {
      const std::span<const std::byte> bytes = named.tensor.bytes;
      writer.write(bytes);
      writer.write(std::string(aligned(bytes.size()) - bytes.size(), '\0'));
    }
  });
}

}  // namespace gyre
