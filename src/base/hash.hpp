#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace gyre {

enum class HashKind { sha1, sha256 };

/// A hash of bytes that come one after another.
class HashStream {
 public:
  explicit HashStream(HashKind kind);

  void update(std::span<const std::byte> bytes);
  /// The hash in lower-case hexadecimal; ends the stream.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;  ///< OpenSSL's, whose headers stay out of everybody else's files
};

/// SHA-256 in lower-case hexadecimal, as sha256sum prints it.
std::string sha256(std::span<const std::byte> bytes);
/// The same of memory that a file is mapped to, whose pages are let go as they have been read: a large file does not
/// take up memory for its hash.
std::string sha256_of_mapped(std::span<const std::byte> bytes);

}  // namespace gyre
