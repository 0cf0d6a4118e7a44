#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gyre {

/// SHA-256 in lower-case hexadecimal, as sha256sum prints it.
std::string sha256(std::span<const std::byte> bytes);
/// The same of memory that a file is mapped to, whose pages are let go as they have been read: a large file does not
/// take up memory for its hash.
std::string sha256_of_mapped(std::span<const std::byte> bytes);

}  // namespace gyre
