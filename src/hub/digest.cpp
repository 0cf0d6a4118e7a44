#include "hub/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/error.hpp"
#include "base/file.hpp"
#include "hub/http.hpp"

namespace gyre {

const char* name_of(DigestKind kind) { return kind == DigestKind::sha256 ? "sha256" : "git_blob_sha1"; }

std::size_t digits_of(DigestKind kind) { return kind == DigestKind::sha256 ? 64 : 40; }

HashStream digest_stream(DigestKind kind, std::int64_t size) {
  if (kind == DigestKind::sha256) return HashStream(HashKind::sha256);
  HashStream stream(HashKind::sha1);
  std::string head = fmt::format("blob {}", size);
  head.push_back('\0');
  stream.update(std::as_bytes(std::span(head)));
  return stream;
}

bool holds(const std::filesystem::path& file, std::int64_t size, const Digest& digest, Stop stop) {
  constexpr std::size_t kChunk = std::size_t{16} << 20;
  std::error_code failure;
  if (!std::filesystem::is_regular_file(file, failure)) return false;
  if (std::filesystem::file_size(file, failure) != static_cast<std::uintmax_t>(size) || failure) return false;
  const MappedFile mapped(file);
  HashStream stream = digest_stream(digest.kind, size);
  for (std::span<const std::byte> rest = mapped.bytes(); !rest.empty();) {
    stop.check(kGoesOn);
    const std::size_t step = std::min(rest.size(), kChunk);
    stream.update(rest.first(step));
    rest = rest.subspan(step);
  }
  return stream.finish() == digest.hex;
}

}  // namespace gyre
