#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/error.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

/// What git leaves in place of a large file where git-lfs is not at work: a few lines of text.
bool is_lfs_pointer(std::string_view text) {
  return text.size() < 1024 && text.starts_with("version https://git-lfs.github.com/spec/");
}

/// What is left of a link of the Hugging Face cache where it was copied without links: the text of its target.
bool is_text_of_link(std::string_view text) {
  return text.size() < 1024 && text.starts_with("../../blobs/") && text.find('\n') == std::string_view::npos;
}

/// A name beside `path` that no reader takes for a finished file.
fs::path temporary_sibling(const fs::path& path) {
  return path.parent_path() / fmt::format(".{}.partial-{}", path.filename().string(), ::getpid());
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code failure;
  fs::rename(from, to, failure);
  if (failure) throw Error("cannot rename {} to {}: {}", from.string(), to.string(), failure.message());
}

/// Swaps two folders in one step, so that `to` exists at every moment.
void exchange_or_throw(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
    throw Error("cannot replace {}: {}", to.string(), system_message(errno));
  }
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw Error("cannot open {}: {}", path.string(), system_message(errno));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw Error("cannot read {}: it is not a regular file", path.string());
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) {
      const int code = errno;
      ::close(descriptor);
      throw Error("cannot map {}: {}", path.string(), system_message(code));
    }
    data_ = static_cast<const std::byte*>(address);
  }
  ::close(descriptor);
  const bool pointer = is_lfs_pointer(text());
  if (!pointer && !is_text_of_link(text())) return;
  ::munmap(const_cast<std::byte*>(data_), size_);
  if (pointer) {
    throw Error("{}: a Git LFS pointer, not the file itself; fetch it with git lfs pull, or with gyre pull",
                path.string());
  }
  throw Error("{}: the text of a link, not the file itself; copy the folder with its links, or fetch it with gyre pull",
              path.string());
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void drop_pages(std::span<const std::byte> mapped) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(mapped.data());
  const std::uintptr_t first = (address + page - 1) / page * page;
  const std::uintptr_t last = (address + mapped.size()) / page * page;
  if (last <= first) return;
  auto* const begin = const_cast<std::byte*>(mapped.data()) + (first - address);
  madvise(begin, last - first, MADV_DONTNEED);  // advice: nothing is lost when it is not taken
}

FileWriter::FileWriter(fs::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw Error("cannot write {}: {}", path_.string(), system_message(errno));
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileWriter::write(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (buffer_.size() + text.size() < kBufferBytes) {
    buffer_.append(text);
    return;
  }
  flush();
  hand_over(text);  // from where it lies: a copy of a large tensor would double its memory
}

void FileWriter::flush() {
  hand_over(buffer_);
  buffer_.clear();
}

void FileWriter::hand_over(std::string_view rest) {
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error("cannot write {}: {}; free some space", path_.string(), system_message(errno));
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void FileWriter::finish() {
  flush();
  // Pipes and devices cannot be synced (EINVAL); a real failure to reach the disk is EIO or ENOSPC.
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) {
    throw Error("cannot write {}: {}", path_.string(), system_message(errno));
  }
  const int code = ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : errno;
  if (code != 0) throw Error("cannot write {}: {}", path_.string(), system_message(code));
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

std::string read_text(const fs::path& path) {
  const MappedFile file(path);
  return std::string(file.text());
}

void write_file_atomically(const fs::path& path, const std::function<void(FileWriter&)>& fill) {
  const fs::path temporary = temporary_sibling(path);
  try {
    FileWriter writer(temporary);
    fill(writer);
    writer.finish();
    rename_or_throw(temporary, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  sync_folder(path.parent_path());
}

void write_text_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path, [&](FileWriter& writer) { writer.write(text); });
}

void write_folder_atomically(const fs::path& path, const std::function<void(const fs::path&)>& fill) {
  const fs::path temporary = temporary_sibling(path);
  std::error_code failure;
  fs::remove_all(temporary, failure);
  fs::create_directories(temporary, failure);
  if (failure) throw Error("cannot make the folder {}: {}", temporary.string(), failure.message());
  try {
    fill(temporary);
    sync_folder(temporary);
    if (fs::exists(path)) {
      exchange_or_throw(temporary, path);
      fs::remove_all(temporary, failure);
    } else {
      rename_or_throw(temporary, path);
    }
  } catch (...) {
    fs::remove_all(temporary, failure);
    throw;
  }
  sync_folder(path.parent_path());
}

}  // namespace gyre
