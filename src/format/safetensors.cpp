#include "format/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "format/shared_bytes.hpp"

namespace gyre {
namespace {

constexpr DType kDTypes[] = {DType::f32, DType::f16, DType::bf16};
constexpr std::uint64_t kHeaderLengthBytes = 8;
/// The reference library reads no larger ones.
constexpr std::uint64_t kMostHeaderBytes = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";

/// The types that the format has, and the bits of one number.
struct StoredType {
  std::string_view name;
  std::uint64_t bits;
};
constexpr std::array<StoredType, 22> kStoredTypes = {{
    {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8},     {"F8_E8M0", 8},     {"I16", 16},    {"U16", 16}, {"F16", 16},
    {"BF16", 16},   {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I32", 32},    {"U32", 32}, {"F32", 32},
    {"C64", 64},    {"F64", 64},        {"I64", 64},        {"U64", 64},
}};

std::uint64_t header_length(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < kHeaderLengthBytes) {
    throw Error("{}: not a safetensors file ({} bytes is too short)", where, bytes.size());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMostHeaderBytes && length <= bytes.size() - kHeaderLengthBytes) {
    throw Error("{}: its header has {} bytes; the most are {}", where, length, kMostHeaderBytes);
  }
  if (length > bytes.size() - kHeaderLengthBytes) {
    throw Error("{}: not a safetensors file, or cut short (its header claims {} bytes of {})", where, length,
                bytes.size());
  }
  return length;
}

nlohmann::json parse_header(std::string_view text, const std::string& where) {
  nlohmann::json header;
  try {
    header = parse_json(text, where);
  } catch (const Error&) {
    header = nullptr;  // one message serves bytes that are not JSON and JSON that is no object
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (!header.is_object() || text[first] != '{') {
    throw Error("{}: not a safetensors file (its header is not a JSON object)", where);
  }
  if (const std::vector<std::string> way = repeated_key(text); !way.empty()) {
    const std::string what = way.front() == kMetadata ? way.front() : "tensor " + way.front();
    if (way.size() == 1) throw Error("{}: {} is there twice; the file is damaged", where, what);
    throw Error("{}: {}: the key \"{}\" is there twice; the file is damaged", where, what, way.back());
  }
  return header;
}

/// Texts by names, for people; nothing that gyre needs.
void check_metadata(const nlohmann::json& json, const std::string& where) {
  if (json.is_null()) return;
  const std::string here = fmt::format("{}: {}", where, kMetadata);
  const JsonObject metadata(json, here);
  for (const auto& entry : json.items()) static_cast<void>(metadata.text(entry.key()));
}

std::vector<std::int64_t> parse_shape(const JsonObject& entry, const std::string& where) {
  std::vector<std::int64_t> shape;
  for (const nlohmann::json& size : entry.array("shape")) {
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() > (std::uint64_t{1} << 40)) {
      throw Error("{}: shape holds {}, which is no size", where, size.dump());
    }
    shape.push_back(static_cast<std::int64_t>(size.get<std::uint64_t>()));
  }
  return shape;
}

/// The type of that name, unless gyre does not read it.
std::optional<DType> find_dtype(std::string_view name) {
  for (const DType dtype : kDTypes) {
    if (name_of(dtype) == name) return dtype;
  }
  return {};
}

struct Entry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// That a tensor is of a type of the format, and of as many bytes as its shape asks for.
void check_size(const Entry& entry, const std::string& where) {
  const auto* const type = std::find_if(kStoredTypes.begin(), kStoredTypes.end(),
                                        [&](const StoredType& known) { return known.name == entry.dtype; });
  if (type == kStoredTypes.end()) {
    throw Error("{}: dtype is \"{}\", which safetensors has not got; the file is damaged", where, entry.dtype);
  }
  std::uint64_t bits = 0;
  const bool wraps = __builtin_mul_overflow(elements_of(entry.shape), type->bits, &bits);
  if (wraps || bits % 8 != 0 || bits / 8 != entry.bytes.size()) {
    throw Error("{}: {} bytes do not fit shape {} of {}", where, entry.bytes.size(), describe_shape(entry.shape),
                entry.dtype);
  }
}

Entry parse_entry(const nlohmann::json& json, std::span<const std::byte> data, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"dtype", "shape", "data_offsets"});
  Entry entry{object.text("dtype"), parse_shape(object, where), {}};
  const nlohmann::json& offsets = object.array("data_offsets");
  if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    throw Error("{}: data_offsets must be two byte positions", where);
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size()) {
    throw Error("{}: its data lies at bytes {} to {}, beyond the {} bytes of the file; it was cut short", where, begin,
                end, data.size());
  }
  entry.bytes = data.subspan(begin, end - begin);
  check_size(entry, where);
  return entry;
}

/// That every byte belongs to a tensor, so that no two readers see different numbers in one file.
void refuse_unclaimed_bytes(std::vector<StoredTensor> tensors, std::span<const std::byte> data,
                            const std::string& where) {
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.bytes.data() < b.bytes.data(); });
  const std::byte* end = data.data();
  for (const StoredTensor& tensor : tensors) {
    if (tensor.bytes.data() > end) {
      throw Error("{}: the {} bytes before tensor {} belong to no tensor; the file is damaged", where,
                  tensor.bytes.data() - end, *tensor.name);
    }
    end = std::max(end, tensor.bytes.data() + tensor.bytes.size());
  }
  const auto left = data.data() + data.size() - end;
  if (left > 0) throw Error("{}: the last {} bytes belong to no tensor; the file is damaged", where, left);
}

}  // namespace

Safetensors::Safetensors(const std::filesystem::path& path) : file_(path) {
  const std::string where = path.string();
  const std::span<const std::byte> bytes = file_.bytes();
  const std::uint64_t length = header_length(bytes, where);
  const nlohmann::json header = parse_header(file_.text().substr(kHeaderLengthBytes, length), where);
  const std::span<const std::byte> data = bytes.subspan(kHeaderLengthBytes + length);
  std::vector<StoredTensor> stored;
  for (const auto& [name, json] : header.items()) {
    if (name == kMetadata) {
      check_metadata(json, where);
      continue;
    }
    const std::string entry_where = fmt::format("{}: tensor {}", where, name);
    Entry entry = parse_entry(json, data, entry_where);
    const std::optional<DType> dtype = find_dtype(entry.dtype);
    const std::span<const std::byte> entry_bytes = entry.bytes;
    const std::string& kept_name =
        dtype ? tensors_.emplace(name, TensorView{*dtype, std::move(entry.shape), entry_bytes}).first->first
              : unsupported_.emplace(name, std::move(entry.dtype)).first->first;
    stored.push_back({entry_bytes, &kept_name});
  }
  refuse_shared_bytes(stored, where);
  refuse_unclaimed_bytes(std::move(stored), data, where);
}

const TensorView& Safetensors::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  const auto other = unsupported_.find(name);
  if (other == unsupported_.end()) throw Error("{}: the tensor {} is missing", path().string(), name);
  const bool eight_bits = other->second.starts_with("F8_");
  throw Error("{}: tensor {} is of type {}; gyre reads F32, F16 and BF16{}", path().string(), name, other->second,
              eight_bits ? ": this is an FP8 checkpoint, take the model's BF16 one, or a GGUF file" : "");
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  header[kMetadata] = {{"format", "pt"}};
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!find_dtype(name_of(tensor.dtype))) {
      throw Error("{}: tensor {} is of type {}, which safetensors has not got; write a GGUF file", path.string(), name,
                  name_of(tensor.dtype));
    }
    header[name] = {{"dtype", name_of(tensor.dtype)},
                    {"shape", tensor.shape},
                    {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data starts on a multiple of 8, so that floats can be read in place
  const std::uint64_t length = text.size();
  write_file_atomically(path, [&](FileWriter& writer) {
    writer.write(std::as_bytes(std::span(&length, 1)));
    writer.write(text);
    for (const NamedTensor& named : tensors) writer.write(named.tensor.bytes);
  });
}

}  // namespace gyre
