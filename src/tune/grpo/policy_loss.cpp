#include "tune/grpo/policy_loss.hpp"

#include <torch/utils.h>

#include <cmath>
#include <numeric>

namespace gyre {

using torch::Tensor;

Tensor policy_term(const PolicyTokens& tokens, const PolicyLossSettings& settings) {
  const Tensor ratio = torch::exp(tokens.now - tokens.sampled);
  const Tensor clipped = torch::clamp(ratio, 1 - settings.clip_low, 1 + settings.clip_high);
  return -(tokens.share * torch::minimum(ratio * tokens.advantage, clipped * tokens.advantage)).sum();
}

Tensor divergence_term(const Tensor& now, const Tensor& reference, const Tensor& share) {
  const Tensor d = reference - now;
  return (share * (torch::exp(d) - d - 1)).sum();
}

std::vector<double> token_shares(std::span<const std::size_t> lengths, LossMean mean, std::size_t most_tokens) {
  const double tokens = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}));
  const auto completions = static_cast<double>(lengths.size());
  std::vector<double> shares;
  for (const std::size_t length : lengths) {
    double all = tokens;
    if (mean == LossMean::completions) all = completions * static_cast<double>(length);
    if (mean == LossMean::longest) all = completions * static_cast<double>(most_tokens);
    shares.push_back(length == 0 ? 0 : 1 / all);
  }
  return shares;
}

std::vector<double> progressive_weights(std::size_t loops, double power) {
  std::vector<double> weights;
  for (std::size_t t = 1; t <= loops; ++t) {
    weights.push_back(std::pow(static_cast<double>(t) / static_cast<double>(loops), power));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

Tensor exit_probabilities(const Tensor& gates) {
  const Tensor leave = torch::sigmoid(gates);
  std::vector<Tensor> probabilities;
  Tensor left = torch::ones_like(gates[0]);
  for (std::int64_t t = 0; t + 1 < gates.size(0); ++t) {
    probabilities.push_back(left * leave[t]);
    left = left * (1 - leave[t]);
  }
  probabilities.push_back(left);
  return torch::stack(probabilities);
}

}  // namespace gyre
