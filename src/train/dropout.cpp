#include "train/dropout.hpp"

#include <torch/utils.h>

namespace gyre {

torch::Tensor dropped(const torch::Tensor& x, double rate, const RowShare& share) {
  if (share.world == 1) return torch::dropout(x, rate, /*train=*/true);
  std::vector<std::int64_t> whole = x.sizes().vec();
  whole[0] *= share.world;
  // As torch::dropout draws: in the type of its input.
  const torch::Tensor kept = torch::empty(whole, x.options()).bernoulli_(1 - rate).div_(1 - rate);
  return x * kept.slice(0, share.rank, whole[0], share.world);
}

}  // namespace gyre
