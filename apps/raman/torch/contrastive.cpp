#include "raman/torch/contrastive.hpp"

#include <torch/utils.h>

namespace gyre::raman {

torch::Tensor contrastive_loss(const torch::Tensor& embedding, std::span<const int> specimens, double temperature) {
  const auto rows = static_cast<std::int64_t>(specimens.size());
  torch::Tensor weight = torch::zeros({rows, rows});
  auto* out = weight.data_ptr<float>();
  std::int64_t anchors = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    int positives = 0;
    const auto is_positive = [&](std::int64_t k) {
      const int own = specimens[static_cast<std::size_t>(i)];
      return k != i && own >= 0 && specimens[static_cast<std::size_t>(k)] == own;
    };
    for (std::int64_t k = 0; k < rows; ++k) positives += is_positive(k) ? 1 : 0;
    if (positives == 0) continue;
    ++anchors;
    for (std::int64_t k = 0; k < rows; ++k)
      out[i * rows + k] = is_positive(k) ? 1.0F / static_cast<float>(positives) : 0;
  }
  if (anchors == 0) return embedding.sum() * 0;
  // A row is no candidate of itself.
  const torch::Tensor itself = torch::eye(rows) * 1e9;
  const torch::Tensor log_p = torch::log_softmax(torch::matmul(embedding, embedding.t()) / temperature - itself, 1);
  return -(weight * log_p).sum() / static_cast<double>(anchors);
}

}  // namespace gyre::raman
