#include "tune/event_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>

#include "base/error.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

// Fields of event.proto, summary.proto, tensor.proto and tensor_shape.proto (github.com/tensorflow/tensorflow).
constexpr int kEventWallTime = 1;
constexpr int kEventStep = 2;
constexpr int kEventFileVersion = 3;
constexpr int kEventSummary = 5;
constexpr int kEventSessionLog = 7;
constexpr int kSessionStatus = 1;
constexpr int kSessionStart = 1;
constexpr int kSummaryValue = 1;
constexpr int kValueTag = 1;
constexpr int kValueNumber = 2;
constexpr int kValueTensor = 8;
constexpr int kValueMetadata = 9;
constexpr int kMetadataPlugin = 1;
constexpr int kPluginName = 1;
constexpr int kTensorType = 1;
constexpr int kTensorShape = 2;
constexpr int kTensorText = 8;
constexpr int kTypeText = 7;
constexpr int kShapeSize = 2;
constexpr int kSizeSize = 1;

/// Numbers as the least significant bytes first.
template <typename Number>
std::string bytes_of(Number number) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof number; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xFFU);
  return bytes;
}

std::string varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7U) bytes += static_cast<char>((number & 0x7FU) | 0x80U);
  return bytes + static_cast<char>(number);
}

/// A field of a message: its number and the wire type, then its content.
std::string field(int number, unsigned type, std::string_view content) {
  return varint((static_cast<std::uint64_t>(number) << 3U) | type).append(content);
}
std::string whole_field(int number, std::int64_t value) {
  return field(number, 0, varint(static_cast<std::uint64_t>(value)));
}
std::string double_field(int number, double value) {
  return field(number, 1, bytes_of(std::bit_cast<std::uint64_t>(value)));
}
std::string float_field(int number, float value) {
  return field(number, 5, bytes_of(std::bit_cast<std::uint32_t>(value)));
}
std::string bytes_field(int number, std::string_view content) {
  return field(number, 2, varint(content.size()).append(content));
}

/// What TFRecord stores, so that the CRC of data that hold CRCs says something.
std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U; }

constexpr std::array<std::uint32_t, 256> crc_table() {
  constexpr std::uint32_t kReversed = 0x82F63B78U;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? (value >> 1U) ^ kReversed : value >> 1U;
    table[i] = value;
  }
  return table;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A name of the form by which TensorBoard knows such files, and that none has yet.
fs::path new_name(const fs::path& folder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  const auto seconds = static_cast<std::int64_t>(seconds_now());
  for (int number = 0;; ++number) {
    fs::path path =
        folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", seconds, host.data(), ::getpid(), number);
    if (!fs::exists(path)) return path;
  }
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ (crc >> 8U);
  }
  return crc ^ 0xFFFFFFFFU;
}

EventFile::EventFile(const fs::path& folder, std::int64_t step) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  path_ = new_name(folder);
  out_.open(path_, std::ios::binary | std::ios::app);
  event(0, bytes_field(kEventFileVersion, "brain.Event:2"));
  if (step > 0) {
    event(step + 1, bytes_field(kEventSessionLog, whole_field(kSessionStatus, kSessionStart)));
  }
}

void EventFile::scalar(std::string_view tag, double value, std::int64_t step) {
  const std::string content = bytes_field(kValueTag, tag) + float_field(kValueNumber, static_cast<float>(value));
  event(step, bytes_field(kEventSummary, bytes_field(kSummaryValue, content)));
}

void EventFile::text(std::string_view tag, std::string_view text, std::int64_t step) {
  const std::string shape = bytes_field(kShapeSize, whole_field(kSizeSize, 1));
  const std::string tensor =
      whole_field(kTensorType, kTypeText) + bytes_field(kTensorShape, shape) + bytes_field(kTensorText, text);
  const std::string metadata = bytes_field(kMetadataPlugin, bytes_field(kPluginName, "text"));
  const std::string content =
      bytes_field(kValueTag, tag) + bytes_field(kValueTensor, tensor) + bytes_field(kValueMetadata, metadata);
  event(step, bytes_field(kEventSummary, bytes_field(kSummaryValue, content)));
}

void EventFile::event(std::int64_t step, std::string_view content) {
  const std::string data =
      double_field(kEventWallTime, seconds_now()) + whole_field(kEventStep, step) + std::string(content);
  const std::string length = bytes_of(static_cast<std::uint64_t>(data.size()));
  out_ << length << bytes_of(masked(crc32c(length))) << data << bytes_of(masked(crc32c(data)));
  out_.flush();
  if (!out_) throw Error("{}: cannot be written; is the disk full, or the folder not yours?", path_.string());
}

}  // namespace gyre
