#include "train/torch_model.hpp"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <map>

#include "base/random.hpp"
#include "train/fused_ops.hpp"

namespace gyre {

using torch::Tensor;

namespace {

constexpr double kInitialStd = 0.02;
constexpr double kInitialGain = 5.0;

bool ends_with(const std::string& text, const std::string& end) { return text.ends_with(end); }

/// Normal weights of standard deviation 0.02, those that write into the state smaller by sqrt(2 · applications) as in
/// GPT-2, so that the state's variance does not depend on how often the layers run; norms and scales start at one,
/// biases at zero. A mix starts as the state alone; a skip as the mean of both states, as in Parameter Golf, whose
/// first gain of queries is kInitialGain.
Tensor initial_value(const TensorInfo& info, const ModelSpec& spec) {
  const bool gate = info.shape.size() == 1 && ends_with(info.name, ".gate");
  if (gate || ends_with(info.name, ".bias") || ends_with(info.name, ".mix.embedding")) return torch::zeros(info.shape);
  if (ends_with(info.name, ".query_gain")) return torch::full(info.shape, kInitialGain);
  if (info.shape.size() == 1) return torch::ones(info.shape);
  double std = kInitialStd;
  if (ends_with(info.name, ".out.weight") || ends_with(info.name, ".down.weight")) {
    int applications = 0;
    for (const Group& group : spec.groups) applications += group.runs() * group.loops;
    std /= std::sqrt(2.0 * applications);
  }
  Tensor value = torch::randn(info.shape) * std;
  if (ends_with(info.name, "inject.weight")) {
    // Starts as the mean of state and input, a map that neither grows nor forgets either.
    const Tensor half = 0.5 * torch::eye(spec.hidden_size);
    value = value + torch::cat({half, half}, 1);
  }
  return value;
}

Tensor noise(const Group& group, std::size_t g, at::IntArrayRef shape, const std::vector<std::uint64_t>& seeds) {
  Tensor field = torch::empty(shape);
  TORCH_CHECK(static_cast<std::int64_t>(seeds.size()) == shape[0], "one noise seed a row");
  const std::int64_t per_row = shape[1] * shape[2];
  auto* out = field.data_ptr<float>();
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    const std::uint64_t seed = combine_seeds(seeds[static_cast<std::size_t>(row)], g);
    for (std::int64_t i = 0; i < per_row; ++i) {
      out[row * per_row + i] = group.noise_std * normal_at(seed, static_cast<std::uint64_t>(i));
    }
  }
  return field;
}

}  // namespace

/// One forward pass. Weights are cast once and used by every loop.
class ForwardPass {
 public:
  ForwardPass(const TorchModel& model, const ForwardOptions& options)
      : model_(model),
        spec_(model.spec_),
        options_(options),
        type_(options.precision == Precision::bf16 ? torch::kBFloat16 : torch::kFloat) {}

  Tensor run(const Tensor& tokens) {
    Tensor x = torch::embedding(model_.parameter("embed.weight"), tokens);
    if (spec_.embedding_scale != 1.0F) x = x * spec_.embedding_scale;
    if (spec_.position == PositionKind::learned) {
      x = x + model_.parameter("position.weight").narrow(0, 0, tokens.size(1));
    }
    if (spec_.embedding_norm) x = norm("embed_norm", x, torch::kFloat);
    x = dropout(x);
    embedded_ = x;
    for (std::size_t g = 0; g < spec_.groups.size(); ++g) x = group(g, x);
    return x;
  }

  Tensor norm(const std::string& name, const Tensor& x, torch::ScalarType out) {
    const Tensor bias = spec_.norm == NormKind::layer ? model_.parameter(name + ".bias") : Tensor();
    const Tensor weight = spec_.norm_weights ? model_.parameter(name + ".weight") : torch::ones({x.size(-1)});
    return fused_norm(x, weight, bias, spec_.norm, spec_.norm_eps, out);
  }

  Tensor linear(const std::string& name, const Tensor& x) {
    return torch::linear(x, weight(name + ".weight"), spec_.biases ? weight(name + ".bias") : Tensor());
  }

  /// The parameter in the type of the pass.
  Tensor weight(const std::string& name) {
    auto [found, fresh] = cast_.try_emplace(name);
    if (fresh) found->second = model_.parameter(name).to(type_);
    return found->second;
  }

  [[nodiscard]] torch::ScalarType type() const { return type_; }

 private:
  Tensor group(std::size_t g, const Tensor& handed) {
    const Group& group = spec_.groups[g];
    Tensor x = first_state(g, handed);
    const int loops = options_.loops.at(g);
    const int kept = options_.backprop_loops == 0 ? loops : std::min(loops, options_.backprop_loops);
    if (kept < loops) {
      const torch::NoGradGuard no_gradient;
      Tensor ahead = x;
      // Weights cast here would carry no gradient; the loops below cast their own.
      for (int loop = 0; loop < loops - kept; ++loop) ahead = one_loop(g, ahead, handed);
      cast_.clear();
      x = ahead.detach();
    }
    if (kept < loops && group.injection == Injection::none) {
      // Without injection the state is the only way back to earlier groups: the loops that were cut count as an
      // identity in the gradient, which is what a residual stream is to first order.
      x = handed + (x - handed.detach());
    }
    for (int loop = 0; loop < kept; ++loop) x = one_loop(g, x, handed);
    return x;
  }

  Tensor first_state(std::size_t g, const Tensor& handed) {
    const Group& group = spec_.groups[g];
    switch (group.first_state) {
      case FirstState::carried:
        return handed;
      case FirstState::zero:
        return torch::zeros_like(handed);
      case FirstState::noise:
        return noise(group, g, handed.sizes(), options_.noise_seeds);
    }
    return handed;
  }

  Tensor one_loop(std::size_t g, const Tensor& state, const Tensor& handed) {
    const Group& group = spec_.groups[g];
    Tensor x = state;
    if (group.injection == Injection::add) x = x + handed;
    if (group.injection == Injection::linear) {
      const Tensor both = torch::cat({x.to(type_), handed.to(type_)}, -1);
      x = torch::linear(both, weight(fmt::format("groups.{}.inject.weight", g))).to(torch::kFloat);
    }
    std::vector<Tensor> behind(static_cast<std::size_t>(group.runs()));  // the state behind each run
    for (int run = 0; run < group.runs(); ++run) {
      x = taken_back(g, run, x, behind);
      x = layer(fmt::format("groups.{}.layers.{}", g, group.layer_of(run)), x);
      behind[static_cast<std::size_t>(run)] = x;
    }
    return x;
  }

  /// x ← w ⊙ s + σ(g) ⊙ (x − w ⊙ s), where a skip leads to this run.
  Tensor taken_back(std::size_t g, int run, const Tensor& x, const std::vector<Tensor>& behind) {
    const std::vector<Skip>& skips = spec_.groups[g].skips;
    for (std::size_t s = 0; s < skips.size(); ++s) {
      if (skips[s].to != run) continue;
      const std::string name = fmt::format("groups.{}.skips.{}", g, s);
      const Tensor back = behind[static_cast<std::size_t>(skips[s].from)] * model_.parameter(name + ".weight");
      return torch::lerp(back, x, torch::sigmoid(model_.parameter(name + ".gate")));
    }
    return x;
  }

  Tensor layer(const std::string& name, const Tensor& state) {
    Tensor x = state;
    if (spec_.embedding_mix) {
      x = x * model_.parameter(name + ".mix.state") + embedded_ * model_.parameter(name + ".mix.embedding");
    }
    x = branch(name + ".attn", x, [&](const Tensor& h) { return attention(name + ".attn", h); });
    return branch(name + ".mlp", x, [&](const Tensor& h) { return mlp(name + ".mlp", h); });
  }

  /// Residual branch `f` with its norms where the spec places them.
  template <typename Function>
  Tensor branch(const std::string& name, const Tensor& x, const Function& f) {
    const NormPlacement placement = spec_.norm_placement;
    Tensor h = norm_before_branch(placement) ? norm(name + ".norm_in", x, type_) : x.to(type_);
    h = dropout(f(h));
    if (placement == NormPlacement::branch || placement == NormPlacement::post_branch) {
      h = norm(name + ".norm_out", h.to(torch::kFloat), torch::kFloat);
    }
    if (spec_.branch_scales) h = h.to(torch::kFloat) * model_.parameter(name + ".scale");
    const Tensor sum = x + h;
    const bool norm_of_sum = placement == NormPlacement::post || placement == NormPlacement::sandwich;
    return norm_of_sum ? norm(name + ".norm_out", sum, torch::kFloat) : sum;
  }

  /// Norm of queries or keys over the last dimension; `weight` may be undefined.
  Tensor unit(const Tensor& x, const Tensor& weight) {
    const Tensor ones = weight.defined() ? weight : torch::ones({x.size(-1)});
    return fused_norm(x.to(torch::kFloat), ones, Tensor(), NormKind::rms, spec_.qk_norm_eps, type_);
  }

  /// Queries, keys and values [rows, positions, (heads + 2 kv_heads) head_size], the first two normed before rotation.
  Tensor normed_heads(const std::string& name, const Tensor& qkv) {
    const bool whole = spec_.qk_norm == QkNorm::full;
    if (!whole && spec_.qk_norm != QkNorm::head) return qkv;
    const auto normed = [&](std::int64_t from, std::int64_t size, const char* weight) {
      const Tensor part = qkv.narrow(-1, from, size);
      const Tensor rows = whole ? part : part.reshape({qkv.size(0), qkv.size(1), -1, spec_.head_size});
      return unit(rows, model_.parameter(name + weight)).reshape(part.sizes());
    };
    const std::int64_t q = spec_.attention_size();
    const std::int64_t k = spec_.kv_size();
    return torch::cat({normed(0, q, ".q_norm.weight"), normed(q, k, ".k_norm.weight"), qkv.narrow(-1, q + k, k)}, -1);
  }

  Tensor attention(const std::string& name, const Tensor& h) {
    std::vector<Tensor> heads = split_heads(normed_heads(name, linear(name + ".qkv", h)), spec_);
    if (spec_.qk_norm == QkNorm::after_rotary) {
      heads[0] = unit(heads[0], {});
      heads[1] = unit(heads[1], {});
    }
    const Tensor q = spec_.query_gain ? heads[0] * weight(name + ".query_gain").view({-1, 1, 1}) : heads[0];
    const int repeats = spec_.heads / spec_.kv_heads;
    const Tensor k = repeats == 1 ? heads[1] : heads[1].repeat_interleave(repeats, 1);
    const Tensor v = repeats == 1 ? heads[2] : heads[2].repeat_interleave(repeats, 1);
    const Tensor scores = torch::matmul(q, k.transpose(-2, -1));
    const Tensor p = causal_softmax(scores, 1.0 / std::sqrt(static_cast<double>(spec_.head_size)));
    const Tensor mixed = torch::matmul(p, v).transpose(1, 2);
    return linear(name + ".out", mixed.reshape({h.size(0), h.size(1), spec_.attention_size()}));
  }

  Tensor mlp(const std::string& name, const Tensor& h) {
    Tensor up = linear(name + ".up", h);
    switch (spec_.mlp) {
      case MlpKind::gelu:
        return linear(name + ".down", torch::gelu(up));
      case MlpKind::gelu_tanh:
        return linear(name + ".down", torch::gelu(up, "tanh"));
      case MlpKind::silu_gated:
        return linear(name + ".down", silu_gated(up));
      case MlpKind::gelu_gated:
        return linear(name + ".down", gated(up, "none"));
      case MlpKind::gelu_tanh_gated:
        return linear(name + ".down", gated(up, "tanh"));
      case MlpKind::relu_squared:
        return linear(name + ".down", torch::square(torch::relu(up)));
      case MlpKind::leaky_relu_squared:
        return linear(name + ".down", torch::square(torch::leaky_relu(up, 0.5)));
    }
    return up;
  }

  /// The first half of the channels are the gate's.
  static Tensor gated(const Tensor& x, const char* form) {
    const std::vector<Tensor> halves = x.chunk(2, -1);
    return torch::gelu(halves[0], form) * halves[1];
  }

  [[nodiscard]] Tensor dropout(const Tensor& x) const {
    // Loops without gradient drop too: they are the same network.
    return options_.dropout > 0 ? torch::dropout(x, options_.dropout, /*train=*/true) : x;
  }

  const TorchModel& model_;
  const ModelSpec& spec_;
  const ForwardOptions& options_;
  torch::ScalarType type_;
  Tensor embedded_;  ///< what layers mix into their states
  std::map<std::string, Tensor> cast_;
};

TorchModel::TorchModel(ModelSpec spec, std::uint64_t seed) : spec_(std::move(spec)) {
  torch::manual_seed(seed);
  for (const TensorInfo& info : tensor_table(spec_)) {
    add(info.name, initial_value(info, spec_));
  }
}

Tensor TorchModel::states(const Tensor& tokens, const ForwardOptions& options) const {
  return ForwardPass(*this, options).run(tokens);
}

Tensor TorchModel::logits(const Tensor& states, Precision precision) const {
  const ForwardOptions options{{}, 0, precision, 0.0F, {}};
  ForwardPass pass(*this, options);
  const Tensor h = spec_.final_norm ? pass.norm("final_norm", states, pass.type()) : states.to(pass.type());
  const Tensor raw = torch::linear(h, pass.weight(spec_.tied_head ? "embed.weight" : "head.weight")).to(torch::kFloat);
  const double cap = spec_.logit_softcap;
  return cap > 0 ? cap * torch::tanh(raw / cap) : raw;
}

}  // namespace gyre
