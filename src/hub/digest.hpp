#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/hash.hpp"
#include "base/stop.hpp"

namespace gyre {

/// How the hub names the content of a file: LFS files by SHA-256, the others as git does, by the SHA-1 of
/// "blob SIZE\0" and the content.
enum class DigestKind { sha256, git_blob };

/// "sha256" or "git_blob_sha1".
const char* name_of(DigestKind kind);
/// Hexadecimal digits of such a digest.
std::size_t digits_of(DigestKind kind);

struct Digest {
  DigestKind kind = DigestKind::sha256;
  std::string hex;  ///< lower case
};

/// For a digest of content that comes piece by piece; `size` is that of the whole, which git's digest needs first.
HashStream digest_stream(DigestKind kind, std::int64_t size);

/// Whether `file` is a regular file of this size and digest. Throws Error once `stop` is requested.
bool holds(const std::filesystem::path& file, std::int64_t size, const Digest& digest, Stop stop = {});

}  // namespace gyre
