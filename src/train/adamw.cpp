#include "train/adamw.hpp"

#include <ATen/Parallel.h>
#include <torch/utils.h>

#include <cmath>

#include "train/divergence.hpp"
#include "train/muon.hpp"

namespace gyre {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

void update_range(const AdamRule& rule, float* p, const float* g, float* m, float* v, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float gradient = g[i] * rule.gradient_scale;
    m[i] = rule.beta1 * m[i] + (1.0F - rule.beta1) * gradient;
    v[i] = rule.beta2 * v[i] + (1.0F - rule.beta2) * gradient * gradient;
    p[i] = rule.decay * p[i] - rule.rate * m[i] / (std::sqrt(v[i]) * rule.second_scale + rule.epsilon);
  }
}

/// The Euclidean norm of a gradient. One that f32 cannot hold counts as not finite: the squares that the optimiser
/// keeps could not hold it either.
double finite_norm(const torch::Tensor& gradient, const std::string& name, int step) {
  const auto norm = gradient.norm().item<double>();
  require_finite(norm, "the gradient of " + name, step);
  return norm;
}

void fused_adam_update(const AdamRule& rule, const torch::Tensor& parameter, const torch::Tensor& gradient,
                       torch::Tensor& first, torch::Tensor& second) {
  auto* p = parameter.data_ptr<float>();
  const auto* g = gradient.data_ptr<float>();
  auto* m = first.data_ptr<float>();
  auto* v = second.data_ptr<float>();
  at::parallel_for(0, parameter.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    update_range(rule, p + begin, g + begin, m + begin, v + begin, end - begin);
  });
}

}  // namespace

void plain_adam_update(const AdamRule& rule, const torch::Tensor& parameter, const torch::Tensor& gradient,
                       torch::Tensor& first, torch::Tensor& second) {
  const torch::NoGradGuard no_gradient;
  const torch::Tensor scaled = gradient * rule.gradient_scale;
  first.mul_(rule.beta1).add_(scaled, 1.0F - rule.beta1);
  second.mul_(rule.beta2).addcmul_(scaled, scaled, 1.0F - rule.beta2);
  torch::Tensor weights = parameter.detach();
  weights.mul_(rule.decay).addcdiv_(first, second.sqrt().mul_(rule.second_scale).add_(rule.epsilon), -rule.rate);
}

AdamW::AdamW(const Parameters& model, const OptimiserConfig& config) : config_(config) {
  for (const std::string& name : model.names()) {
    const torch::Tensor& p = model.parameter(name);
    const bool by_muon = config.optimiser == OptimiserKind::muon && p.dim() == 2 && name.starts_with("groups.");
    const torch::Tensor nothing = torch::zeros_like(p, torch::TensorOptions().requires_grad(false));
    slots_.push_back({name, nothing, by_muon ? torch::Tensor() : torch::zeros_like(nothing)});
  }
}

std::vector<torch::Tensor> AdamW::state() const {
  std::vector<torch::Tensor> tensors;
  for (const Slot& slot : slots_) {
    tensors.push_back(slot.first);
    if (slot.second.defined()) tensors.push_back(slot.second);
  }
  return tensors;
}

double AdamW::update(const Parameters& model, double learning_rate, int step) {
  const torch::NoGradGuard no_gradient;
  double squares = 0;
  for (const Slot& slot : slots_) {
    const torch::Tensor& gradient = model.parameter(slot.name).grad();
    if (gradient.defined()) squares += std::pow(finite_norm(gradient, slot.name, step), 2);
  }
  const double norm = std::sqrt(squares);
  const double scale = config_.clip > 0 && norm > config_.clip ? config_.clip / norm : 1.0;
  for (Slot& slot : slots_) {
    const torch::Tensor& parameter = model.parameter(slot.name);
    if (!parameter.grad().defined()) continue;
    const torch::Tensor gradient = parameter.grad().contiguous();
    if (!slot.second.defined()) {
      update_by_muon(parameter, gradient * scale, slot.first, config_, learning_rate);
      parameter.mutable_grad() = torch::Tensor();
      continue;
    }
    const bool decays = parameter.dim() >= 2;
    const AdamRule rule{static_cast<float>(learning_rate / (1.0 - std::pow(config_.beta1, step))),
                        static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(config_.beta2, step))),
                        static_cast<float>(decays ? 1.0 - learning_rate * config_.weight_decay : 1.0),
                        static_cast<float>(scale),
                        config_.beta1,
                        config_.beta2,
                        config_.epsilon};
    const auto update = parameter.is_cpu() ? fused_adam_update : plain_adam_update;
    update(rule, parameter, gradient, slot.first, slot.second);
    parameter.mutable_grad() = torch::Tensor();
  }
  return norm;
}

}  // namespace gyre
