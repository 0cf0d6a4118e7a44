#include "format/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<DType> kDTypes[] = {{DType::f32, "F32"}, {DType::f16, "F16"}, {DType::bf16, "BF16"}};
constexpr std::uint64_t kHeaderLengthBytes = 8;

float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t fraction = half & 0x3ffU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1.0p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (fraction << 13));
}

std::uint64_t header_length(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < kHeaderLengthBytes) {
    throw Error("{}: not a safetensors file ({} bytes is too short)", where, bytes.size());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - kHeaderLengthBytes) {
    throw Error("{}: not a safetensors file, or cut short (its header claims {} bytes of {})", where, length,
                bytes.size());
  }
  return length;
}

nlohmann::json parse_header(std::string_view text, const std::string& where) {
  try {
    nlohmann::json header = nlohmann::json::parse(text);
    if (header.is_object()) return header;
  } catch (const nlohmann::json::exception&) {
    // Falls through: the same message serves bytes that are not JSON and JSON that is no object.
  }
  throw Error("{}: not a safetensors file (its header is not a JSON object)", where);
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

/// Elements of a shape; saturates instead of overflowing, so that a hostile header cannot pass the size check.
std::uint64_t element_count(std::span<const std::int64_t> shape) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count)) return UINT64_MAX;
  }
  return count;
}

TensorView parse_entry(const nlohmann::json& json, std::span<const std::byte> data, const std::string& where) {
  const JsonObject entry(json, where);
  TensorView tensor;
  tensor.dtype = entry.choice<DType>("dtype", kDTypes);
  tensor.shape = parse_shape(entry, where);
  const nlohmann::json& offsets = entry.array("data_offsets");
  if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    throw Error("{}: data_offsets must be two byte positions", where);
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size()) {
    throw Error("{}: its data lies at bytes {} to {}, beyond the {} bytes of the file; it was cut short", where, begin,
                end, data.size());
  }
  const std::uint64_t elements = element_count(tensor.shape);
  if (elements > data.size() || elements * bytes_of(tensor.dtype) != end - begin) {
    throw Error("{}: {} bytes do not fit shape {} of {}", where, end - begin, describe_shape(tensor.shape),
                name_of(tensor.dtype));
  }
  tensor.bytes = data.subspan(begin, end - begin);
  return tensor;
}

void refuse_shared_bytes(const std::map<std::string, TensorView>& tensors, const std::string& where) {
  std::vector<std::pair<const std::byte*, const std::string*>> order;
  for (const auto& [name, tensor] : tensors) order.emplace_back(tensor.bytes.data(), &name);
  std::sort(order.begin(), order.end());
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorView& before = tensors.at(*order[i - 1].second);
    if (before.bytes.data() + before.bytes.size() <= order[i].first) continue;
    throw Error("{}: tensor {} shares bytes with tensor {}; the header is damaged", where, *order[i].second,
                *order[i - 1].second);
  }
}

}  // namespace

std::size_t bytes_of(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

std::string_view name_of(DType dtype) { return name_of<DType>(kDTypes, dtype); }

std::string describe_shape(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);  // stay NaN
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

void widen(const TensorView& tensor, std::span<float> out) {
  const std::byte* bytes = tensor.bytes.data();
  if (tensor.dtype == DType::f32) {
    std::memcpy(out.data(), bytes, tensor.bytes.size());
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t narrow = 0;
    std::memcpy(&narrow, bytes + 2 * i, sizeof narrow);
    out[i] = tensor.dtype == DType::bf16 ? std::bit_cast<float>(static_cast<std::uint32_t>(narrow) << 16)
                                         : from_half(narrow);
  }
}

Safetensors::Safetensors(const std::filesystem::path& path) : file_(path) {
  const std::string where = path.string();
  const std::span<const std::byte> bytes = file_.bytes();
  const std::uint64_t length = header_length(bytes, where);
  const nlohmann::json header = parse_header(file_.text().substr(kHeaderLengthBytes, length), where);
  const std::span<const std::byte> data = bytes.subspan(kHeaderLengthBytes + length);
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    tensors_.emplace(name, parse_entry(entry, data, fmt::format("{}: tensor {}", where, name)));
  }
  refuse_shared_bytes(tensors_, where);
}

const TensorView& Safetensors::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error("{}: the tensor {} is missing", path().string(), name);
  return found->second;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  header["__metadata__"] = {{"format", "pt"}};
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
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
