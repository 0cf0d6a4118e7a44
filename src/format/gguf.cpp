#include "format/gguf.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "format/gguf_layout.hpp"
#include "format/shared_bytes.hpp"
#include "format/storage_types.hpp"

namespace gyre {
namespace {

constexpr std::array<std::string_view, 13> kTypeNames = {"u8",      "i8",   "u16",  "i16", "u32", "i32", "f32",
                                                         "boolean", "text", "list", "u64", "i64", "f64"};
/// Bytes of one value; 0 where that depends on the value.
constexpr std::array<std::size_t, 13> kTypeBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/// Lists of lists are read past to this depth; nobody writes any.
constexpr int kMostNesting = 4;
constexpr std::uint64_t kMostAxisSize = std::uint64_t{1} << 40;
/// The least a key with its value, and a tensor's entry, may take in the file.
constexpr std::uint64_t kLeastEntryBytes = 14;
constexpr std::uint64_t kLeastTensorBytes = 25;

std::string_view name_of(GgufType type) { return kTypeNames[static_cast<std::size_t>(type)]; }
std::size_t bytes_of(GgufType type) { return kTypeBytes[static_cast<std::size_t>(type)]; }

/// The types that gyre does not read, so that a message can say more than a number.
struct TypeName {
  std::uint32_t number;
  std::string_view name;
};
constexpr TypeName kOtherTypes[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {24, "I8"},      {25, "I16"},    {26, "I32"},     {27, "I64"},
    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {39, "MXFP4"},  {40, "NVFP4"},
};

DType tensor_type(std::uint32_t number, const std::string& where) {
  if (const StorageType* type = storage_type_of_gguf(number)) return type->dtype;
  std::vector<std::string_view> readable;
  for (const StorageType& type : storage_types()) readable.push_back(type.name);
  std::string name = fmt::format("number {}", number);
  for (const TypeName& other : kOtherTypes) {
    if (other.number == number) name = other.name;
  }
  throw Error("{} is of type {}; gyre reads {}", where, name, fmt::join(readable, ", "));
}

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t at = 0) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Element `i` of a run of numbers.
double number_at(GgufType type, std::span<const std::byte> bytes, std::size_t i) {
  const std::size_t at = i * bytes_of(type);
  switch (type) {
    case GgufType::u8:
    case GgufType::boolean:
      return load<std::uint8_t>(bytes, at);
    case GgufType::i8:
      return load<std::int8_t>(bytes, at);
    case GgufType::u16:
      return load<std::uint16_t>(bytes, at);
    case GgufType::i16:
      return load<std::int16_t>(bytes, at);
    case GgufType::u32:
      return load<std::uint32_t>(bytes, at);
    case GgufType::i32:
      return load<std::int32_t>(bytes, at);
    case GgufType::u64:
      return static_cast<double>(load<std::uint64_t>(bytes, at));
    case GgufType::i64:
      return static_cast<double>(load<std::int64_t>(bytes, at));
    case GgufType::f32:
      return static_cast<double>(load<float>(bytes, at));
    default:
      return load<double>(bytes, at);
  }
}

bool is_whole(GgufType type) {
  return bytes_of(type) > 0 && type != GgufType::boolean && type != GgufType::f32 && type != GgufType::f64;
}

}  // namespace

/// Goes through the file from its start and refuses to leave it.
class Gguf::Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t size) {
    if (size > left()) {
      throw Error("{}: cut short or damaged: {} bytes are needed at byte {}, of {}", where_, size, position_,
                  bytes_.size());
    }
    const std::span<const std::byte> taken = bytes_.subspan(position_, size);
    position_ += size;
    return taken;
  }

  template <typename T>
  T number() {
    return load<T>(take(sizeof(T)));
  }

  std::string_view text() {
    const std::span<const std::byte> bytes = take(number<std::uint64_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// `what` and `index` say which name it is when it is not fit to be shown.
  std::string name(std::string_view what, std::uint64_t index) {
    const std::string_view name = text();
    if (!is_gguf_name(name)) {
      throw Error("{}: {} number {} has a name that is empty, too long, or not printable UTF-8; the file is damaged",
                  where_, what, index);
    }
    return std::string(name);
  }

  GgufType type(const std::string& key) {
    const auto number = this->number<std::uint32_t>();
    if (number < kTypeNames.size()) return static_cast<GgufType>(number);
    throw Error("{}: {} is of the unknown type {}; the file is damaged", where_, key, number);
  }

  Value value(const std::string& key) {
    Value out;
    out.type = type(key);
    if (out.type == GgufType::array) {
      out.element = type(key);
      out.count = number<std::uint64_t>();
    }
    const std::uint64_t begin = position_;
    out.type == GgufType::array ? skip(out.element, out.count, key, 1) : skip(out.type, 1, key, 1);
    out.bytes = bytes_.subspan(begin, position_ - begin);
    return out;
  }

 private:
  void skip(GgufType type, std::uint64_t count, const std::string& key, int depth) {
    if (const std::uint64_t size = bytes_of(type); size > 0) {
      std::uint64_t total = 0;
      take(__builtin_mul_overflow(count, size, &total) ? UINT64_MAX : total);
      return;
    }
    if (depth > kMostNesting) throw Error("{}: {} is a list too deep in lists; the file is damaged", where_, key);
    // Every turn takes bytes of the file, so that a huge count ends with it.
    for (std::uint64_t i = 0; i < count; ++i) {
      if (type == GgufType::string) {
        text();
      } else {
        const GgufType element = this->type(key);
        skip(element, number<std::uint64_t>(), key, depth + 1);
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  std::uint64_t position_ = 0;
};

Gguf::Gguf(const std::filesystem::path& path) : Gguf(path, OneFile{}) {
  const std::int64_t parts = integer(kGgufSplitCountKey, 0, kGgufMostParts, 1);
  if (parts > 1) *this = joined(parts);
}

Gguf::Gguf(const std::filesystem::path& path, OneFile /*alone*/) : file_(path) {
  const std::string where = path.string();
  if (!file_.text().starts_with(kGgufMagic)) throw Error("{}: not a GGUF file (it does not begin with GGUF)", where);
  Reader reader(file_.bytes(), where);
  reader.take(kGgufMagic.size());
  const auto version = reader.number<std::uint32_t>();
  if (version != 0 && (version & 0xffffU) == 0)
    throw Error("{}: a big-endian GGUF file; convert it to little-endian", where);
  if (version != 2 && version != kGgufVersion) {
    throw Error("{}: GGUF version {}; gyre reads 2 and 3, convert the file anew", where, version);
  }
  const auto tensors = reader.number<std::uint64_t>();
  const auto values = reader.number<std::uint64_t>();
  if (values > reader.left() / kLeastEntryBytes || tensors > reader.left() / kLeastTensorBytes) {
    throw Error("{}: cut short or damaged: it claims {} keys and {} tensors in {} bytes", where, values, tensors,
                file_.bytes().size());
  }
  read_metadata(reader, values);
  place_tensors(reader, read_tensors(reader, tensors));
}

void Gguf::read_metadata(Reader& reader, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = reader.name("key", i);
    const Value value = reader.value(key);
    const auto [entry, is_new] = values_.emplace(std::move(key), value);
    if (!is_new) throw Error("{}: the key {} is there twice; the file is damaged", reader.where(), entry->first);
  }
}

std::map<std::string, std::uint64_t> Gguf::read_tensors(Reader& reader, std::uint64_t count) {
  std::map<std::string, std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = reader.name("tensor", i);
    const std::string where = fmt::format("{}: tensor {}", reader.where(), name);
    const auto axes = reader.number<std::uint32_t>();
    if (axes > kGgufMostAxes) throw Error("{} has {} axes; the most are {}", where, axes, kGgufMostAxes);
    TensorView tensor;
    for (std::uint32_t axis = 0; axis < axes; ++axis) {
      const auto size = reader.number<std::uint64_t>();
      if (size > kMostAxisSize) throw Error("{}: shape holds {}, which is no size", where, size);
      tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(size));
    }
    tensor.dtype = tensor_type(reader.number<std::uint32_t>(), where);
    offsets[name] = reader.number<std::uint64_t>();
    if (!tensors_.emplace(name, std::move(tensor)).second) throw Error("{} is there twice; the file is damaged", where);
  }
  return offsets;
}

void Gguf::place_tensors(Reader& reader, const std::map<std::string, std::uint64_t>& offsets) {
  const auto alignment =
      static_cast<std::uint64_t>(integer(kGgufAlignmentKey, 1, INT32_MAX, std::int64_t{kGgufAlignment}));
  if (!std::has_single_bit(alignment)) {
    throw Error("{} is {}; it must be a power of two", where(kGgufAlignmentKey), alignment);
  }
  if (tensors_.empty()) return;
  reader.take((alignment - reader.position() % alignment) % alignment);
  const std::span<const std::byte> data = reader.take(reader.left());
  std::vector<StoredTensor> stored;
  for (auto& [name, tensor] : tensors_) {
    const std::string where = fmt::format("{}: tensor {}", reader.where(), name);
    const std::uint64_t offset = offsets.at(name);
    const std::uint64_t size = byte_size(tensor.dtype, elements_of(tensor.shape));
    if (tensor.columns() % block_size(tensor.dtype) != 0) {
      throw Error("{}: rows of {} numbers are no whole number of {} blocks of {}", where, tensor.columns(),
                  gyre::name_of(tensor.dtype), block_size(tensor.dtype));
    }
    if (offset % alignment != 0) throw Error("{}: its data begins at {}, no multiple of {}", where, offset, alignment);
    if (offset > data.size() || size > data.size() - offset) {
      throw Error("{}: {} of {} at byte {} of the data goes beyond its {} bytes; the file was cut short", where,
                  describe_shape(tensor.shape), gyre::name_of(tensor.dtype), offset, data.size());
    }
    tensor.bytes = data.subspan(offset, size);
    stored.push_back({tensor.bytes, &name});
  }
  refuse_shared_bytes(std::move(stored), reader.where());
}

std::string Gguf::where(std::string_view key) const { return fmt::format("{}: {}", path().string(), key); }

const Gguf::Value& Gguf::value(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) throw Error("{}: the key {} is missing", path().string(), key);
  return found->second;
}

const Gguf::Value& Gguf::list(std::string_view key) const {
  const Value& found = value(key);
  if (found.type != GgufType::array) throw Error("{} must be a list, found {}", where(key), name_of(found.type));
  return found;
}

bool Gguf::is_list(std::string_view key) const { return has(key) && value(key).type == GgufType::array; }

std::vector<std::string> Gguf::keys() const {
  std::vector<std::string> keys;
  for (const auto& entry : values_) keys.push_back(entry.first);
  return keys;
}

std::string Gguf::text(std::string_view key, std::optional<std::string> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const Value& found = value(key);
  if (found.type != GgufType::string) throw Error("{} must be text, found {}", where(key), name_of(found.type));
  const std::string_view text = Reader(found.bytes, where(key)).text();
  if (!is_utf8(text)) throw Error("{} is not valid UTF-8", where(key));
  return std::string(text);
}

std::int64_t Gguf::integer(std::string_view key, std::int64_t least, std::int64_t most,
                           std::optional<std::int64_t> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const Value& found = value(key);
  if (!is_whole(found.type)) throw Error("{} must be a whole number, found {}", where(key), name_of(found.type));
  std::int64_t number = 0;
  if (found.type == GgufType::i64) {
    number = load<std::int64_t>(found.bytes);
  } else if (found.type == GgufType::u64) {
    number = static_cast<std::int64_t>(std::min(load<std::uint64_t>(found.bytes), std::uint64_t{INT64_MAX}));
  } else {
    number = static_cast<std::int64_t>(number_at(found.type, found.bytes, 0));
  }
  if (number < least || number > most) {
    throw Error("{} is {}; it must lie between {} and {}", where(key), number, least, most);
  }
  return number;
}

double Gguf::number(std::string_view key, double least, double most, std::optional<double> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const Value& found = value(key);
  if (bytes_of(found.type) == 0 || found.type == GgufType::boolean) {
    throw Error("{} must be a number, found {}", where(key), name_of(found.type));
  }
  const double number = number_at(found.type, found.bytes, 0);
  if (!(number >= least && number <= most)) {
    throw Error("{} is {}; it must lie between {} and {}", where(key), number, least, most);
  }
  return number;
}

bool Gguf::boolean(std::string_view key, std::optional<bool> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  const Value& found = value(key);
  if (found.type != GgufType::boolean)
    throw Error("{} must be true or false, found {}", where(key), name_of(found.type));
  const auto byte = load<std::uint8_t>(found.bytes);
  if (byte > 1) throw Error("{} must be true or false, found the byte {}", where(key), byte);
  return byte == 1;
}

std::vector<std::string> Gguf::strings(std::string_view key) const {
  const Value& found = list(key);
  if (found.element != GgufType::string) {
    throw Error("{} must be a list of texts, found a list of {}", where(key), name_of(found.element));
  }
  std::vector<std::string> texts;
  texts.reserve(found.count);
  Reader reader(found.bytes, where(key));
  for (std::uint64_t i = 0; i < found.count; ++i) {
    const std::string_view text = reader.text();
    if (!is_utf8(text)) throw Error("{}: text number {} is not valid UTF-8", where(key), i);
    texts.emplace_back(text);
  }
  return texts;
}

std::vector<double> Gguf::numbers(std::string_view key) const {
  const Value& found = list(key);
  if (bytes_of(found.element) == 0) {
    throw Error("{} must be a list of numbers, found a list of {}", where(key), name_of(found.element));
  }
  std::vector<double> numbers(found.count);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = number_at(found.element, found.bytes, i);
  return numbers;
}

const TensorView& Gguf::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error("{}: the tensor {} is missing", path().string(), name);
  return found->second;
}

}  // namespace gyre
