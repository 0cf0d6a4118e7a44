#include "train/block_distillation.hpp"

#include <ATen/Parallel.h>
#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/random.hpp"
#include "train/adamw.hpp"
#include "train/divergence.hpp"
#include "train/torch_model.hpp"

namespace gyre {
namespace {

using torch::Tensor;

constexpr int kRows = 4;  ///< windows a step
constexpr float kRate = 5e-4F;

/// Of each layer how often it runs, one behind the other.
using Runs = std::vector<int>;

/// The layers before `layer` once each, and none behind.
Runs up_to(std::size_t layer, std::size_t layers) {
  Runs runs(layers, 0);
  std::fill_n(runs.begin(), layer, 1);
  return runs;
}

Runs tied(std::span<const Segment> blocks, std::size_t layers) {
  Runs runs(layers, 0);
  for (const Segment& block : blocks) runs[block.representative] = static_cast<int>(block.last - block.first + 1);
  return runs;
}

Tensor row_of(std::span<const std::int32_t> tokens) {
  const std::vector<std::int64_t> wide(tokens.begin(), tokens.end());
  return torch::tensor(wide, torch::kLong).unsqueeze(0);
}

Tensor states(const TorchModel& model, const Tensor& tokens, Runs runs) {
  ForwardOptions options;
  options.loops = std::move(runs);
  return model.states(tokens, options);
}

class Distillation {
 public:
  explicit Distillation(const DistilRequest& request)
      : request_(request), model_(request.model.spec(), request.model), layers_(request.model.spec().groups.size()) {
    model_.freeze();
    std::size_t longest = 0;
    for (const Window& window : request.training) longest = std::max(longest, window.inputs().size());
    for (const Window& window : request.training) {
      if (window.inputs().size() == longest) rows_.push_back(&window);
    }
    if (rows_.empty()) throw Error("there is no text to train tied blocks on");
  }

  /// From the last block to the first, so that what enters a block is still that of the model as it was.
  void train() {
    for (std::size_t b = request_.blocks.size(); b-- > 0;) {
      if (request_.blocks[b].last > request_.blocks[b].first) train_block(request_.blocks[b], b);
    }
  }

  [[nodiscard]] std::vector<double> losses() const {
    const torch::NoGradGuard no_gradient;
    std::vector<double> losses;
    for (const Window& window : request_.measured) {
      request_.stop.check();
      const Tensor x = states(model_, row_of(window.inputs()), tied(request_.blocks, layers_));
      const Tensor log_p = torch::log_softmax(model_.logits(x, Precision::f32), -1).squeeze(0);
      const Tensor right = log_p.gather(1, row_of(window.targets()).transpose(0, 1)).squeeze(1);
      losses.push_back(
          -right.slice(0, static_cast<std::int64_t>(window.first)).to(torch::kDouble).sum().item<double>());
    }
    return losses;
  }

 private:
  void train_block(const Segment& block, std::size_t number) {
    const std::string layer = "groups." + std::to_string(block.representative) + ".";
    set_trained(layer, true);
    // The layer as it was, of which the block's own states are made, is trained away: they come from what is kept of
    // it.
    std::map<std::string, Tensor> own;
    for (const std::string& name : model_.names()) {
      if (name.starts_with(layer)) own[name] = model_.parameter(name).detach().clone();
    }
    OptimiserConfig config;
    config.steps = request_.steps;
    config.learning_rate = kRate;
    config.weight_decay = 0;
    config.warmup = request_.steps / 10;
    AdamW optimiser(model_, config);
    Runs student = up_to(block.first, layers_);
    student[block.representative] = static_cast<int>(block.last - block.first + 1);
    for (int step = 1; step <= request_.steps; ++step) {
      request_.stop.check();
      const Tensor tokens = batch(number, step);
      Tensor target;
      Tensor entering;
      {
        const torch::NoGradGuard no_gradient;
        entering = states(model_, tokens, up_to(block.first, layers_));
        exchange(own);
        target = states(model_, tokens, up_to(block.last + 1, layers_));
        exchange(own);
      }
      const Tensor error = (states(model_, tokens, student) - target).square().sum();
      const Tensor loss = error / (target - entering).square().sum().clamp_min(1e-12);
      require_finite(loss.item<double>(), "the distance of a tied block's states", step);
      loss.backward();
      optimiser.update(model_, learning_rate_at(config, step), step);
    }
    set_trained(layer, false);
  }

  void set_trained(const std::string& layer, bool trained) {
    for (const std::string& name : model_.names()) {
      if (name.starts_with(layer)) model_.parameter(name).set_requires_grad(trained);
    }
  }

  /// What is kept of some parameters takes their place, and they that of what is kept.
  void exchange(std::map<std::string, Tensor>& kept) {
    for (auto& [name, values] : kept) {
      const Tensor now = model_.parameter(name).detach().clone();
      model_.parameter(name).detach().copy_(values);
      values = now;
    }
  }

  [[nodiscard]] Tensor batch(std::size_t block, int step) const {
    Random random(combine_seeds(combine_seeds(request_.seed, block), static_cast<std::uint64_t>(step)));
    std::vector<Tensor> rows;
    for (int r = 0; r < kRows; ++r) rows.push_back(row_of(rows_[random.below(rows_.size())]->inputs()));
    return torch::cat(rows, 0);
  }

  const DistilRequest& request_;
  TorchModel model_;
  std::size_t layers_;
  std::vector<const Window*> rows_;
};

}  // namespace

std::vector<double> distil_blocks(const DistilRequest& request) {
  at::set_num_threads(request.threads);
  Distillation distillation(request);
  distillation.train();
  return distillation.losses();
}

}  // namespace gyre

extern "C" void gyre_distil_entry(const gyre::DistilRequest& request, std::vector<double>& losses) {
  losses = gyre::distil_blocks(request);
}
