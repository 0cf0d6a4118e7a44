#include "hub/part_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestEtag = 256;

fs::path with_ending(const fs::path& path, const char* ending) { return path.string() + ending; }

/// The ETag in the note beside a part, when the note is there and means this content.
std::optional<std::string> read_note(const fs::path& note, const std::string& digest) {
  std::error_code failure;
  if (!fs::is_regular_file(note, failure)) return {};
  const nlohmann::json kept = nlohmann::json::parse(read_text(note), nullptr, false);
  if (!kept.is_object() || kept.value("digest", nlohmann::json()) != digest) return {};
  const nlohmann::json etag = kept.value("etag", nlohmann::json());
  return etag.is_string() && is_strong_etag(etag.get<std::string>()) ? etag.get<std::string>() : std::string();
}

}  // namespace

bool is_strong_etag(const std::string& etag) {
  return etag.size() >= 2 && etag.size() <= kLongestEtag && etag.front() == '"' && etag.back() == '"' &&
         std::all_of(etag.begin() + 1, etag.end() - 1, [](char c) { return c > ' ' && c <= '~' && c != '"'; });
}

std::int64_t bytes_left_of(const fs::path& target, const std::string& digest) {
  if (!read_note(with_ending(target, ".part.json"), digest)) return 0;
  std::error_code failure;
  const std::uintmax_t size = fs::file_size(with_ending(target, ".part"), failure);
  return failure ? 0 : static_cast<std::int64_t>(size);
}

PartFile::PartFile(fs::path target, std::string digest)
    : target_(std::move(target)),
      path_(with_ending(target_, ".part")),
      note_(with_ending(target_, ".part.json")),
      digest_(std::move(digest)) {
  const std::optional<std::string> etag = read_note(note_, digest_);
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) throw Error("cannot write {}: {}", path_.string(), system_message(errno));
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(std::exchange(descriptor_, -1));
    throw Error("cannot write {}: it is not a regular file", path_.string());
  }
  size_ = status.st_size;
  etag_ = etag.value_or("");
  try {
    if (!etag) truncate();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

PartFile::~PartFile() {
  if (descriptor_ < 0) return;
  if (size_ == 0) {
    discard();
  } else {
    ::close(descriptor_);
  }
}

void PartFile::truncate() {
  if (::ftruncate(descriptor_, 0) != 0) throw Error("cannot write {}: {}", path_.string(), system_message(errno));
  size_ = 0;
}

void PartFile::restart(const std::string& etag) {
  truncate();
  etag_ = is_strong_etag(etag) ? etag : "";
  // Before any bytes: a part without a note belongs to nothing.
  write_text_atomically(note_, nlohmann::json({{"digest", digest_}, {"etag", etag_}}).dump() + "\n");
}

void PartFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), size_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw Error("cannot write {}: {}; free some space, then the same command goes on", path_.string(),
                  system_message(errno));
    }
    size_ += written;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void PartFile::read(const std::function<void(std::span<const std::byte>)>& take) const {
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::int64_t at = 0; at < size_;) {
    const auto wanted = std::min<std::int64_t>(static_cast<std::int64_t>(buffer.size()), size_ - at);
    const ssize_t got = ::pread(descriptor_, buffer.data(), static_cast<std::size_t>(wanted), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error("cannot read {}: {}", path_.string(), got == 0 ? "it was cut meanwhile" : system_message(errno));
    }
    take(std::span(buffer).first(static_cast<std::size_t>(got)));
    at += got;
  }
}

void PartFile::publish() {
  const bool synced = ::fsync(descriptor_) == 0 || errno == EINVAL || errno == EROFS;
  const int failure = synced ? 0 : errno;
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  if (failure != 0 || !closed) {
    throw Error("cannot write {}: {}", path_.string(), system_message(failure != 0 ? failure : errno));
  }
  std::error_code code;
  fs::rename(path_, target_, code);
  if (code) throw Error("cannot rename {} to {}: {}", path_.string(), target_.string(), code.message());
  fs::remove(note_, code);
  sync_folder(target_.parent_path());
}

void PartFile::discard() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  std::error_code ignored;
  fs::remove(path_, ignored);
  fs::remove(note_, ignored);
}

}  // namespace gyre
