#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace gyre {

/// The beginning of a file under the name TARGET.part, until it is whole. TARGET.part.json says beside it which content
/// the bytes belong to and which ETag they came with; bytes that belong to other content are not kept.
class PartFile {
 public:
  /// Opens what an earlier run left of the content `digest`, or an empty part. Throws Error.
  PartFile(std::filesystem::path target, std::string digest);
  /// Leaves the bytes for a later run; a part without any is removed.
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  [[nodiscard]] std::int64_t size() const { return size_; }
  /// A strong ETag that the bytes came with, or empty.
  [[nodiscard]] const std::string& etag() const { return etag_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Drops all bytes; those that follow come with this ETag.
  void restart(const std::string& etag);
  void append(std::span<const std::byte> bytes);
  /// Calls `take` with the bytes so far, chunk by chunk.
  void read(const std::function<void(std::span<const std::byte>)>& take) const;
  /// Syncs the bytes to the disk and gives them the target's name.
  void publish();
  /// Removes the part from the disk. The object may then only be destroyed.
  void discard();

 private:
  void truncate();

  std::filesystem::path target_;
  std::filesystem::path path_;
  std::filesystem::path note_;
  std::string digest_;
  std::string etag_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

/// Bytes that an earlier run left in TARGET.part of the content `digest`.
std::int64_t bytes_left_of(const std::filesystem::path& target, const std::string& digest);

/// Whether an ETag is strong and fit for a header: in quotes, without the W/ of weak ones.
bool is_strong_etag(const std::string& etag);

}  // namespace gyre
