#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gyre {

/// Where a file says that the bytes of a tensor lie.
struct StoredTensor {
  std::span<const std::byte> bytes;
  const std::string* name;
};

/// Throws Error with `where` and both names when two tensors share bytes, which no sound file does.
void refuse_shared_bytes(std::vector<StoredTensor> tensors, const std::string& where);

}  // namespace gyre
