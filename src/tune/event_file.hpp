#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace gyre {

/// CRC-32C (Castagnoli), as RFC 3720 defines it.
std::uint32_t crc32c(std::string_view bytes);

/// A file of events that TensorBoard shows: records of TFRecord (length, data, and masked CRC-32C of each), which hold
/// the message Event of TensorFlow's event.proto.
class EventFile {
 public:
  /// Begins a new file in the folder, which is made. A run that goes on gets another file beside those there are; what
  /// they hold of steps after `step` is then no longer shown.
  explicit EventFile(const std::filesystem::path& folder, std::int64_t step = 0);

  /// A point of a curve. Throws Error when it cannot be written.
  void scalar(std::string_view tag, double value, std::int64_t step);
  /// A text, in Markdown, on the page of texts.
  void text(std::string_view tag, std::string_view text, std::int64_t step);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void event(std::int64_t step, std::string_view content);

  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace gyre
