#include "engine/layer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gyre {
namespace {

/// Below this many multiplications a matrix product is done before another thread would have woken up.
constexpr std::size_t kParallelWork = std::size_t{64} * 1024;
constexpr std::size_t kRowGrain = 16;

float gelu(float x) { return 0.5F * x * (1.0F + std::erf(x * static_cast<float>(1.0 / std::numbers::sqrt2))); }

float gelu_tanh(float x) {
  const auto scale = static_cast<float>(std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  return 0.5F * x * (1.0F + std::tanh(scale * (x + 0.044715F * x * x * x)));
}

float relu_squared(float x) {
  const float positive = std::max(x, 0.0F);
  return positive * positive;
}

void rotate(float* head, const float* cosines, const float* sines, std::size_t pairs, bool adjacent) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t first = adjacent ? 2 * i : i;
    const std::size_t second = adjacent ? 2 * i + 1 : i + pairs;
    const float a = head[first];
    const float b = head[second];
    head[first] = a * cosines[i] - b * sines[i];
    head[second] = b * cosines[i] + a * sines[i];
  }
}

}  // namespace

LayerRunner::LayerRunner(const ModelSpec& spec, ThreadPool& pool)
    : spec_(spec),
      pool_(pool),
      kernels_(kernels()),
      hidden_(static_cast<std::size_t>(spec.hidden_size)),
      scores_(static_cast<std::size_t>(pool.size())),
      ones_(static_cast<std::size_t>(spec.head_size), 1.0F) {}

void LayerRunner::apply(const Linear& linear, const float* x, std::size_t n, float* y) {
  if (n * linear.in * linear.out < kParallelWork || pool_.size() == 1) {
    kernels_.matmul(x, n, linear.in, linear.weight, 0, linear.out, linear.out, y);
  } else {
    pool_.run([&](int part) {
      const Share share = share_of(linear.out, kRowGrain, part, pool_.size());
      kernels_.matmul(x, n, linear.in, linear.weight, share.begin, share.end, linear.out, y);
    });
  }
  if (linear.bias == nullptr) return;
  for (std::size_t t = 0; t < n; ++t) {
    for (std::size_t i = 0; i < linear.out; ++i) y[t * linear.out + i] += linear.bias[i];
  }
}

void LayerRunner::apply(const Norm& norm, const float* x, std::size_t n, float* y) const {
  for (std::size_t t = 0; t < n; ++t) {
    if (spec_.norm == NormKind::rms) {
      kernels_.rms_norm(x + t * hidden_, norm.weight, spec_.norm_eps, hidden_, y + t * hidden_);
    } else {
      kernels_.layer_norm(x + t * hidden_, norm.weight, norm.bias, spec_.norm_eps, hidden_, y + t * hidden_);
    }
  }
}

void LayerRunner::run(const Layer& layer, std::size_t slot, const TokenBatch& batch, KvCache& cache,
                      std::span<float> states) {
  const std::size_t n = states.size() / hidden_;
  input_.resize(n * hidden_);
  output_.resize(n * hidden_);

  attention(layer, slot, batch, cache, branch_input(layer.attention_in, states));
  add_branch(layer.attention_out, states);

  up_.resize(n * layer.up.out);
  apply(layer.up, branch_input(layer.mlp_in, states), n, up_.data());
  mlp(layer, n);
  add_branch(layer.mlp_out, states);
}

const float* LayerRunner::branch_input(const Norm& norm_in, std::span<const float> states) {
  if (norm_in.weight == nullptr) return states.data();
  apply(norm_in, states.data(), states.size() / hidden_, input_.data());
  return input_.data();
}

void LayerRunner::add_branch(const Norm& norm_out, std::span<float> states) {
  const std::size_t n = states.size() / hidden_;
  const NormPlacement placement = spec_.norm_placement;
  const float* branch = output_.data();
  if (placement == NormPlacement::branch || placement == NormPlacement::post_branch) {
    apply(norm_out, output_.data(), n, input_.data());
    branch = input_.data();
  }
  for (std::size_t i = 0; i < states.size(); ++i) states[i] += branch[i];
  if (placement == NormPlacement::post || placement == NormPlacement::sandwich) {
    std::copy(states.begin(), states.end(), input_.begin());
    apply(norm_out, input_.data(), n, states.data());
  }
}

void LayerRunner::attention(const Layer& layer, std::size_t slot, const TokenBatch& batch, KvCache& cache,
                            const float* input) {
  const std::size_t n = batch.tokens.size();
  qkv_.resize(n * layer.qkv.out);
  apply(layer.qkv, input, n, qkv_.data());
  if (layer.value_embed != nullptr) embed_values(layer, batch, input);
  store_and_rotate(layer, slot, batch, cache);
  mixed_.resize(n * layer.out.in);
  attend(slot, cache, n);
  apply(layer.out, mixed_.data(), n, output_.data());
}

void LayerRunner::embed_values(const Layer& layer, const TokenBatch& batch, const float* input) {
  const std::size_t heads = layer.value_gate.out;
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const std::size_t kv_size = heads * head_size;
  gates_.resize(heads);
  for (std::size_t t = 0; t < batch.tokens.size(); ++t) {
    kernels_.matmul(input + t * hidden_, 1, layer.value_gate.in, layer.value_gate.weight, 0, heads, heads,
                    gates_.data());
    float* values = qkv_.data() + (t + 1) * layer.qkv.out - kv_size;
    const float* embedding = layer.value_embed + static_cast<std::size_t>(batch.tokens[t]) * kv_size;
    for (std::size_t i = 0; i < kv_size; ++i) {
      values[i] += 2.0F / (1.0F + std::exp(-gates_[i / head_size])) * embedding[i];
    }
  }
}

void LayerRunner::norm_heads(float* heads, const float* weight, std::size_t count) const {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const bool whole = spec_.qk_norm == QkNorm::full;
  const std::size_t size = whole ? count * head_size : head_size;
  for (std::size_t i = 0; i < count * head_size; i += size) {
    kernels_.rms_norm(heads + i, weight, spec_.qk_norm_eps, size, heads + i);
  }
}

void LayerRunner::rotate_heads(float* row, int position) {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const std::size_t size = static_cast<std::size_t>(spec_.attention_size()) + static_cast<std::size_t>(spec_.kv_size());
  const std::size_t pairs = head_size / 2;
  const std::size_t angle = static_cast<std::size_t>(position) * pairs;
  for (std::size_t i = 0; i < size; i += head_size) {
    rotate(row + i, cosines_.data() + angle, sines_.data() + angle, pairs,
           spec_.position == PositionKind::rotary_adjacent);
  }
}

void LayerRunner::store_and_rotate(const Layer& layer, std::size_t slot, const TokenBatch& batch, KvCache& cache) {
  const auto heads = static_cast<std::size_t>(spec_.heads);
  const auto kv_heads = static_cast<std::size_t>(spec_.kv_heads);
  const auto q_size = static_cast<std::size_t>(spec_.attention_size());
  const auto kv_size = static_cast<std::size_t>(spec_.kv_size());
  const int n = static_cast<int>(batch.tokens.size());
  const bool rotary = spec_.position != PositionKind::learned;
  if (rotary) grow_rotary(batch.position + n);
  for (int t = 0; t < n; ++t) {
    float* row = qkv_.data() + static_cast<std::size_t>(t) * (q_size + 2 * kv_size);
    if (layer.q_norm != nullptr) {
      norm_heads(row, layer.q_norm, heads);
      norm_heads(row + q_size, layer.k_norm, kv_heads);
    }
    if (rotary) rotate_heads(row, batch.position + t);
    if (spec_.qk_norm == QkNorm::after_rotary) norm_heads(row, ones_.data(), heads + kv_heads);
    const int entry = cache.next_entry(slot) + t;
    std::copy_n(row + q_size, kv_size, cache.keys(slot, entry));
    std::copy_n(row + q_size + kv_size, kv_size, cache.values(slot, entry));
  }
}

void LayerRunner::attend(std::size_t slot, KvCache& cache, std::size_t n) {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const auto heads = static_cast<std::size_t>(spec_.heads);
  const auto kv_size = static_cast<std::size_t>(spec_.kv_size());
  const std::size_t row_size = heads * head_size + 2 * kv_size;
  const std::size_t heads_per_kv = heads / static_cast<std::size_t>(spec_.kv_heads);
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_size));
  const auto earlier = static_cast<std::size_t>(cache.next_entry(slot));
  const std::size_t most = earlier + n;
  const float* keys = cache.keys(slot, 0);
  const float* values = cache.values(slot, 0);

  const auto run_share = [&](int part, int parts) {
    std::vector<float>& scores = scores_[static_cast<std::size_t>(part)];
    if (scores.size() < most) scores.resize(static_cast<std::size_t>(cache.context()));
    const Share share = share_of(n * heads, 1, part, parts);
    for (std::size_t index = share.begin; index < share.end; ++index) {
      // Heads outermost, so that every thread gets early (cheap) and late (dear) positions alike.
      const std::size_t head = index / n;
      const std::size_t t = index % n;
      const std::size_t kv = head / heads_per_kv * head_size;
      kernels_.attend(qkv_.data() + t * row_size + head * head_size, keys + kv, values + kv, kv_size, earlier + t + 1,
                      head_size, scale, scores.data(), mixed_.data() + (t * heads + head) * head_size);
    }
  };
  if (n * heads * head_size * most < kParallelWork || pool_.size() == 1) {
    run_share(0, 1);
  } else {
    pool_.run([&](int part) { run_share(part, pool_.size()); });
  }
}

void LayerRunner::mlp(const Layer& layer, std::size_t n) {
  activated_.resize(n * layer.down.in);
  activate(n);
  apply(layer.down, activated_.data(), n, output_.data());
}

void LayerRunner::activate(std::size_t n) {
  const auto ffn = static_cast<std::size_t>(spec_.ffn_size);
  switch (spec_.mlp) {
    case MlpKind::silu_gated:
      for (std::size_t t = 0; t < n; ++t) {
        kernels_.silu_gated(up_.data() + t * 2 * ffn, ffn, activated_.data() + t * ffn);
      }
      return;
    case MlpKind::gelu:
      std::transform(up_.begin(), up_.end(), activated_.begin(), gelu);
      return;
    case MlpKind::gelu_tanh:
      std::transform(up_.begin(), up_.end(), activated_.begin(), gelu_tanh);
      return;
    case MlpKind::relu_squared:
      std::transform(up_.begin(), up_.end(), activated_.begin(), relu_squared);
      return;
  }
}

void LayerRunner::grow_rotary(int positions) {
  const int pairs = spec_.head_size / 2;
  // In f64 before rounding, so that far positions keep their angles.
  for (int t = static_cast<int>(cosines_.size()) / pairs; t < positions; ++t) {
    for (int i = 0; i < pairs; ++i) {
      double angle = t * std::pow(static_cast<double>(spec_.rotary_theta), -static_cast<double>(i) / pairs);
      if (!spec_.rotary_divisors.empty()) {
        angle /= static_cast<double>(spec_.rotary_divisors[static_cast<std::size_t>(i)]);
      }
      cosines_.push_back(static_cast<float>(std::cos(angle)));
      sines_.push_back(static_cast<float>(std::sin(angle)));
    }
  }
}

}  // namespace gyre
