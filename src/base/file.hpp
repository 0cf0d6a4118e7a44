#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace gyre {

/// A file mapped read-only for as long as this object lives. Moving keeps the address.
class MappedFile {
 public:
  /// Maps the whole of `path`. Throws Error when it is missing, not a regular file, unreadable, or the pointer of a
  /// file that Git LFS has not fetched.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Lets go of the memory of these bytes of a mapped file: they are read from the disk again when they are needed.
void drop_pages(std::span<const std::byte> mapped);

/// Buffered writer that fails loudly: every short write (a full disk, say) throws Error with the path.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// Copies no more than the buffer holds: what is larger goes to the file from where it lies.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Flushes to the disk and closes. Throws Error; a writer that is destroyed unfinished leaves its file behind.
  void finish();

 private:
  void flush();
  void hand_over(std::string_view rest);

  std::filesystem::path path_;
  std::string buffer_;
  int descriptor_ = -1;
};

/// The whole of a text file.
std::string read_text(const std::filesystem::path& path);

/// Writes `path` so that a reader sees the old file or the new one, never a part: temporary name, fsync, rename.
/// `fill` receives the writer; when it throws, the temporary file is removed.
void write_file_atomically(const std::filesystem::path& path, const std::function<void(FileWriter&)>& fill);
void write_text_atomically(const std::filesystem::path& path, std::string_view text);

/// Makes a rename in the folder last, as far as the system can.
void sync_folder(const std::filesystem::path& folder);

/// Makes the folder `path` appear whole or not at all: `fill` writes into a temporary sibling that is then renamed.
/// An existing folder of that name is replaced.
void write_folder_atomically(const std::filesystem::path& path,
                             const std::function<void(const std::filesystem::path&)>& fill);

}  // namespace gyre
