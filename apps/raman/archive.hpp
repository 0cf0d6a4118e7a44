#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace gyre::raman {

/// A zip archive that is read member by member.
class ZipArchive {
 public:
  /// Throws Error when the file is missing or no zip archive.
  explicit ZipArchive(const std::filesystem::path& path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  /// Members, folders among them.
  [[nodiscard]] std::int64_t size() const;
  /// Empty when the archive does not tell it.
  [[nodiscard]] std::string name(std::int64_t member) const;
  /// The content, checked against its CRC. Throws RejectedSpectrum when it is larger than any spectrum, encrypted or
  /// broken.
  [[nodiscard]] std::string read(std::int64_t member) const;

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

/// Whether the file begins as zip archives do.
bool is_zip(const std::filesystem::path& path);

}  // namespace gyre::raman
