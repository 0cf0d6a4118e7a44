#include "raman/torch/convnext.hpp"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "raman/torch/depthwise.hpp"
#include "train/fused_ops.hpp"

namespace gyre::raman {
namespace {

using torch::Tensor;

constexpr double kInitialStd = 0.02;
constexpr double kNormEps = 1e-6;

/// Places behind a stem of this kernel and stride with zeros around the input.
int places_behind_stem(const ConvNextConfig& config, int points) {
  return (points + config.stem_stride - 1) / config.stem_stride;
}

/// Points that lie between two places behind the last stage.
int points_of_place(const ConvNextConfig& config) { return config.stem_stride << (config.widths.size() - 1); }

}  // namespace

ConvNext::ConvNext(const ConvNextConfig& config, int points, const Heads& heads, std::uint64_t seed)
    : config_(config), heads_(heads) {
  torch::manual_seed(seed);
  const int first = config.widths.front();
  add_linear("stem", config.stem_kernel, first, 1.0 / std::sqrt(config.stem_kernel));
  add_norm("stem.norm", first);
  int places = places_behind_stem(config, points);
  if (config.positions) add("positions", torch::randn({places, first}) * kInitialStd);
  for (std::size_t stage = 0; stage < config.widths.size(); ++stage) {
    const int width = config.widths[stage];
    if (stage > 0) {
      const std::string name = fmt::format("stages.{}.down", stage);
      add_norm(name + ".norm", config.widths[stage - 1]);
      add_linear(name, 2 * config.widths[stage - 1], width, kInitialStd);
      places = (places + 1) / 2;
    }
    for (int b = 0; b < config.depths[stage]; ++b) {
      const std::string name = fmt::format("stages.{}.blocks.{}", stage, b);
      add(name + ".depthwise.weight", torch::randn({config.kernel, width}) / std::sqrt(config.kernel));
      add(name + ".depthwise.bias", torch::zeros({width}));
      add_norm(name + ".norm", width);
      add_linear(name + ".up", width, config.expansion * width, 1.0 / std::sqrt(width));
      add_linear(name + ".down", config.expansion * width, width, 1.0 / std::sqrt(config.expansion * width));
      add(name + ".scale", torch::full({width}, config.layer_scale));
    }
  }
  const int last = config.widths.back();
  const int features = config.pooling == Pooling::mean ? last : last * places;
  add_norm("norm", last);
  trunk_ = names().size();
  if (heads.classes > 0) add_linear("countries", features, heads.classes, kInitialStd);
  if (heads.minerals > 0) add_linear("minerals", features, heads.minerals, kInitialStd);
  if (heads.retrieval) add_linear("embedding", features, config.embedding, 1.0 / std::sqrt(features));
  if (heads.reconstruction) add_linear("reconstruction", last, points_of_place(config), 0.1 * kInitialStd);
  if (heads.infrared) add("infrared", torch::zeros({config.widths.front()}));
}

void ConvNext::copy_trunk(const ConvNext& from) const {
  const torch::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < trunk_; ++i) {
    const Tensor& mine = parameter(names()[i]);
    mine.copy_(from.parameter(names()[i]));
  }
}

void ConvNext::add_norm(const std::string& name, int width) {
  add(name + ".weight", torch::ones({width}));
  add(name + ".bias", torch::zeros({width}));
}

void ConvNext::add_linear(const std::string& name, int in, int out, double std) {
  add(name + ".weight", torch::randn({out, in}) * std);
  add(name + ".bias", torch::zeros({out}));
}

Tensor ConvNext::norm(const std::string& name, const Tensor& x, torch::ScalarType out) const {
  return fused_norm(x.contiguous(), parameter(name + ".weight"), parameter(name + ".bias"), NormKind::layer, kNormEps,
                    out);
}

Tensor ConvNext::linear(const std::string& name, const Tensor& x, torch::ScalarType type) const {
  return torch::linear(x.to(type), parameter(name + ".weight").to(type), parameter(name + ".bias").to(type));
}

Tensor ConvNext::stem(const Tensor& x) const {
  const int stride = config_.stem_stride;
  const int kernel = config_.stem_kernel;
  const auto points = static_cast<int>(x.size(1));
  const int places = places_behind_stem(config_, points);
  const int missing = (places - 1) * stride + kernel - points;
  const Tensor padded = torch::constant_pad_nd(x, {missing / 2, missing - missing / 2});
  const Tensor patches = padded.unfold(1, kernel, stride);  // [rows, places, kernel]
  Tensor out = norm("stem.norm", linear("stem", patches, torch::kFloat), torch::kFloat);
  return config_.positions ? out + parameter("positions") : out;
}

Tensor ConvNext::block(const std::string& name, const Tensor& x, double drop, torch::ScalarType type) const {
  Tensor h = depthwise_convolution(x, parameter(name + ".depthwise.weight"), parameter(name + ".depthwise.bias"));
  h = norm(name + ".norm", h, type);
  h = linear(name + ".down", torch::gelu(linear(name + ".up", h, type), "tanh"), type).to(torch::kFloat);
  h = h * parameter(name + ".scale");
  if (drop > 0) {
    const Tensor kept = torch::rand({x.size(0), 1, 1}).ge(drop).to(torch::kFloat) / (1 - drop);
    h = h * kept;
  }
  return x + h;
}

Tensor ConvNext::halve(const std::string& name, const Tensor& x, torch::ScalarType type) const {
  Tensor h = norm(name + ".norm", x, type);
  if (h.size(1) % 2 != 0) h = torch::constant_pad_nd(h, {0, 0, 0, 1});
  return linear(name, h.reshape({h.size(0), h.size(1) / 2, 2 * h.size(2)}), type).to(torch::kFloat);
}

ConvNextOutput ConvNext::forward(const Tensor& x, bool training, Arithmetic precision, const Tensor& infrared) const {
  const torch::ScalarType type = precision == Arithmetic::bf16 ? torch::kBFloat16 : torch::kFloat;
  Tensor h = stem(x);
  if (infrared.defined()) h = h + infrared.reshape({-1, 1, 1}) * parameter("infrared");
  int blocks = 0;
  for (const int depth : config_.depths) blocks += depth;
  int done = 0;
  for (std::size_t stage = 0; stage < config_.widths.size(); ++stage) {
    if (stage > 0) h = halve(fmt::format("stages.{}.down", stage), h, type);
    for (int b = 0; b < config_.depths[stage]; ++b, ++done) {
      const double drop = training ? double{config_.drop_path} * (done + 1) / blocks : 0;
      h = block(fmt::format("stages.{}.blocks.{}", stage, b), h, drop, type);
    }
  }
  ConvNextOutput out;
  if (heads_.reconstruction) {
    const Tensor made = linear("reconstruction", norm("norm", h, torch::kFloat), torch::kFloat).flatten(1);
    out.reconstruction = made.narrow(1, 0, x.size(1));
  }
  if (config_.pooling == Pooling::mean) {
    h = norm("norm", h.mean(1), torch::kFloat);
  } else {
    h = norm("norm", h, torch::kFloat).flatten(1);
  }
  if (config_.dropout > 0) h = torch::dropout(h, config_.dropout, training);
  if (heads_.classes > 0) out.countries = linear("countries", h, torch::kFloat);
  if (heads_.minerals > 0) out.minerals = linear("minerals", h, torch::kFloat);
  if (heads_.retrieval) {
    const Tensor embedding = linear("embedding", h, torch::kFloat);
    out.embedding = embedding / embedding.norm(2, {1}, true).clamp_min(1e-6);
  }
  return out;
}

AveragedParameters::AveragedParameters(const Parameters& of) {
  for (const std::string& name : of.names()) add(name, of.parameter(name).detach().clone());
}

void AveragedParameters::update(const Parameters& of, double decay, int step) {
  const torch::NoGradGuard no_gradient;
  const double now = std::min(decay, (1.0 + step) / (10.0 + step));
  for (const std::string& name : names()) {
    Tensor mine = parameter(name);
    mine.mul_(now).add_(of.parameter(name), 1 - now);
  }
}

void AveragedParameters::copy_to(const Parameters& target) const {
  const torch::NoGradGuard no_gradient;
  for (const std::string& name : names()) {
    const Tensor& other = target.parameter(name);
    other.copy_(parameter(name));
  }
}

}  // namespace gyre::raman
