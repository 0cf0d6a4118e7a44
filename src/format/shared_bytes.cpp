#include "format/shared_bytes.hpp"

#include <algorithm>
#include <tuple>

#include "base/error.hpp"

namespace gyre {

void refuse_shared_bytes(std::vector<StoredTensor> tensors, const std::string& where) {
  // A tensor without numbers comes before the one that begins where it stands.
  const auto order = [](const StoredTensor& tensor) {
    return std::tuple(tensor.bytes.data(), tensor.bytes.size(), *tensor.name);
  };
  std::sort(tensors.begin(), tensors.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const StoredTensor& before = tensors[i - 1];
    if (before.bytes.data() + before.bytes.size() <= tensors[i].bytes.data()) continue;
    throw Error("{}: tensor {} shares bytes with tensor {}; the file is damaged", where, *tensors[i].name,
                *before.name);
  }
}

}  // namespace gyre
