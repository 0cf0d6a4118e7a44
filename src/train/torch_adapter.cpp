#include "train/torch_adapter.hpp"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "train/dropout.hpp"

namespace gyre {

using torch::Tensor;

namespace {

constexpr const char* kDown = ".lora_A";
constexpr const char* kUp = ".lora_B";
constexpr const char* kMagnitude = ".lora_magnitude_vector";

std::vector<float> floats_of(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat).contiguous();
  const auto* const data = flat.data_ptr<float>();
  return {data, data + flat.numel()};
}

void set_floats(const Tensor& tensor, const std::vector<float>& values, const std::string& name,
                const std::string& where) {
  if (static_cast<std::size_t>(tensor.numel()) != values.size()) {
    throw Error("{}: {} has {} numbers, this run's has {}; give the adapter's own config", where, name, values.size(),
                tensor.numel());
  }
  const torch::NoGradGuard no_gradient;
  const Tensor from = torch::tensor(values).view(tensor.sizes());
  Tensor(tensor).copy_(from);
}

}  // namespace

TorchAdapter::TorchAdapter(const AdapterConfig& config, const std::map<std::string, ModulePlace>& modules, int loops,
                           const Parameters& weights, std::uint64_t seed)
    : config_(config), loops_(config.per_loop ? loops : 0), modules_(targeted_modules(modules, config.targets)) {
  torch::manual_seed(seed);
  for (const std::string& module : modules_) {
    const ModulePlace& place = modules.at(module);
    const std::string map = place.tensor.substr(0, place.tensor.rfind(".weight"));
    parts_[map].push_back({module, place.rows});
    const auto in = static_cast<std::int64_t>(place.in);
    const auto out = static_cast<std::int64_t>(place.rows.end - place.rows.begin);
    const Tensor rows =
        weights.parameter(place.tensor).detach().narrow(0, static_cast<std::int64_t>(place.rows.begin), out);
    for (int loop = 0; loop < std::max(1, loops_); ++loop) {
      const std::string name = key(module, loop);
      const double bound = 1.0 / std::sqrt(static_cast<double>(in));
      add(name + kDown, torch::empty({config.rank, in}).uniform_(-bound, bound));
      add(name + kUp, torch::zeros({out, config.rank}));
      if (config.magnitudes) add(name + kMagnitude, rows.to(torch::kFloat).norm(2, 1));
    }
  }
  for (auto& [map, parts] : parts_) {
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.rows.begin < b.rows.begin; });
  }
}

std::string TorchAdapter::key(const std::string& module, int loop) const {
  return loops_ == 0 ? module : fmt::format("{}.loops.{}", module, std::min(loop, loops_ - 1));
}

Tensor TorchAdapter::adapted(const std::string& name, int loop, const Tensor& x, const Tensor& y, const Tensor& weight,
                             const Tensor& bias, bool training, const RowShare& share) const {
  const auto found = parts_.find(name);
  if (found == parts_.end()) return y;
  const float scale = adapter_scale(config_.alpha, static_cast<std::size_t>(config_.rank), config_.rank_stabilised);
  const Tensor dropped = training && config_.dropout > 0 ? gyre::dropped(x, config_.dropout, share) : x;
  std::vector<Tensor> pieces;
  std::int64_t row = 0;
  for (const Part& part : found->second) {
    const auto begin = static_cast<std::int64_t>(part.rows.begin);
    const auto count = static_cast<std::int64_t>(part.rows.end) - begin;
    if (begin > row) pieces.push_back(y.narrow(-1, row, begin - row));
    row = begin + count;
    const std::string set = key(part.module, loop);
    const Tensor down = parameter(set + kDown).to(x.scalar_type());
    const Tensor up = parameter(set + kUp).to(x.scalar_type());
    const Tensor change = scale * torch::linear(torch::linear(dropped, down), up);
    const Tensor own = y.narrow(-1, begin, count);
    if (!config_.magnitudes) {
      pieces.push_back(own + change);
      continue;
    }
    const Tensor moved = weight.narrow(0, begin, count) + scale * torch::matmul(up, down);
    // The length counts as a constant in the gradient (arXiv 2402.09353, section 4.3).
    const Tensor length = moved.detach().to(torch::kFloat).norm(2, 1);
    const Tensor gain = (parameter(set + kMagnitude) / length).to(x.scalar_type());
    const Tensor shift = bias.defined() ? bias.narrow(0, begin, count) : torch::zeros({count}, y.options());
    pieces.push_back(gain * (own - shift + change) + shift);
  }
  if (row < y.size(-1)) pieces.push_back(y.narrow(-1, row, y.size(-1) - row));
  return pieces.size() == 1 ? pieces.front() : torch::cat(pieces, -1);
}

Adapter TorchAdapter::values() const {
  Adapter adapter{config_.rank,
                  config_.alpha,
                  static_cast<double>(config_.dropout),
                  config_.rank_stabilised,
                  config_.magnitudes,
                  loops_,
                  {},
                  {}};
  const auto rank = static_cast<std::size_t>(config_.rank);
  for (const std::string& module : modules_) {
    for (int loop = 0; loop < std::max(1, loops_); ++loop) {
      const std::string name = key(module, loop);
      LowRank part{module, loops_ == 0 ? -1 : loop, rank, adapter_scale(config_.alpha, rank, config_.rank_stabilised)};
      part.down = floats_of(parameter(name + kDown));
      part.up = floats_of(parameter(name + kUp));
      if (config_.magnitudes) part.magnitude = floats_of(parameter(name + kMagnitude));
      adapter.parts.push_back(std::move(part));
    }
  }
  return adapter;
}

void TorchAdapter::set_values(const Adapter& adapter, const std::string& where) {
  if (adapter.loops != loops_ || adapter.magnitudes != config_.magnitudes ||
      adapter.parts.size() != modules_.size() * static_cast<std::size_t>(std::max(1, loops_))) {
    throw Error("{}: it has other parts than this run's adapter; give the config that it was trained with", where);
  }
  for (const LowRank& part : adapter.parts) {
    const std::string name = key(part.module, part.loop);
    if (!has(name + kDown)) throw Error("{}: module {} is none of this run's targets", where, part.module);
    set_floats(parameter(name + kDown), part.down, part.module, where);
    set_floats(parameter(name + kUp), part.up, part.module, where);
    if (config_.magnitudes) set_floats(parameter(name + kMagnitude), part.magnitude, part.module, where);
  }
}

}  // namespace gyre
