#include <torch/utils.h>

#include <cmath>

#include "train/forward_pass.hpp"
#include "train/fused_ops.hpp"

// How a forward pass runs one layer.

namespace gyre {

using torch::Tensor;

namespace {

/// The first half of the channels are the gate's.
Tensor gelu_gated(const Tensor& x) {
  const std::vector<Tensor> halves = x.chunk(2, -1);
  return torch::gelu(halves[0]) * halves[1];
}

Tensor activated(MlpKind kind, const Tensor& up) {
  switch (kind) {
    case MlpKind::gelu:
      return torch::gelu(up);
    case MlpKind::gelu_tanh:
      return gelu_tanh(up);
    case MlpKind::silu_gated:
      return silu_gated(up);
    case MlpKind::gelu_gated:
      return gelu_gated(up);
    case MlpKind::gelu_tanh_gated:
      return gelu_tanh_gated(up);
    case MlpKind::relu_squared:
      return torch::square(torch::relu(up));
    case MlpKind::leaky_relu_squared:
      return torch::square(torch::leaky_relu(up, 0.5));
  }
  return up;
}

/// Each head of x [rows, heads, positions, head_size] `repeats` times in a row; a device is not waited for, as
/// repeat_interleave does.
Tensor repeated(const Tensor& x, int repeats) {
  return repeats == 1 ? x : x.unsqueeze(2).expand({-1, -1, repeats, -1, -1}).flatten(1, 2);
}

/// [rows, heads, positions, head_size] as [rows, positions, heads · head_size].
Tensor side_by_side(const Tensor& heads) { return heads.transpose(1, 2).flatten(-2); }

}  // namespace

Tensor ForwardPass::layer(const LayerKind& kind, const Tensor& state) {
  Tensor x = state;
  if (spec_.embedding_mix) {
    x = x * parameter(kind.name + ".mix.state") + embedded_ * parameter(kind.name + ".mix.embedding");
  }
  x = branch(kind.name + ".attn", x, [&](const Tensor& h) { return attention(kind, h); });
  return branch(kind.name + ".mlp", x, [&](const Tensor& h) { return mlp(kind.name + ".mlp", h); });
}

/// Residual branch `f` with its norms where the spec places them.
template <typename Function>
Tensor ForwardPass::branch(const std::string& name, const Tensor& x, const Function& f) {
  const NormPlacement placement = spec_.norm_placement;
  Tensor h = norm_before_branch(placement) ? norm(name + ".norm_in", x, type_) : x.to(type_);
  h = dropout(f(h));
  if (placement == NormPlacement::branch || placement == NormPlacement::post_branch) {
    h = norm(name + ".norm_out", h.to(torch::kFloat), torch::kFloat);
  }
  if (spec_.branch_scales) h = h.to(torch::kFloat) * parameter(name + ".scale");
  const Tensor sum = x + h;
  const bool norm_of_sum = placement == NormPlacement::post || placement == NormPlacement::sandwich;
  return norm_of_sum ? norm(name + ".norm_out", sum, torch::kFloat) : sum;
}

Tensor ForwardPass::attention(const LayerKind& kind, const Tensor& h) {
  const std::string name = kind.name + ".attn";
  const Tensor all = linear(name + ".qkv", h);
  const std::int64_t qkv_size = spec_.attention_size() + 2 * spec_.kv_size();
  const std::vector<Tensor> qkv = heads(kind, spec_.attention_gate ? all.narrow(-1, 0, qkv_size) : all, h);
  const bool looks_back = kind.own && group().first_loop_attention;
  const bool later = looks_back && place_.loop > 0;
  const int window = kind.window ? spec_.window : 0;
  const int own_window = later && group().loop_window > 0 ? group().loop_window : window;
  Tensor mixed = attended(qkv[0], qkv[1], qkv[2], own_window);
  if (later) mixed = blended_with_first_loop(kind, qkv, mixed);
  if (looks_back && !later) first_loop_[static_cast<std::size_t>(place_.run)] = {qkv[1], qkv[2]};
  mixed = side_by_side(mixed);
  if (spec_.attention_gate) mixed = mixed * torch::sigmoid(all.narrow(-1, qkv_size, spec_.attention_size()));
  return linear(name + ".out", mixed);
}

/// Queries [rows, heads, positions, head_size] as they meet keys, and keys and values [rows, kv_heads, positions,
/// head_size].
std::vector<Tensor> ForwardPass::heads(const LayerKind& kind, const Tensor& qkv, const Tensor& h) {
  const std::string name = kind.name + ".attn";
  std::vector<Tensor> heads = split_heads(normed_heads(name, qkv), spec_, places_->turns(kind.window));
  if (spec_.qk_norm == QkNorm::after_rotary) {
    heads[0] = unit(heads[0], {});
    heads[1] = unit(heads[1], {});
  }
  if (spec_.query_gain) heads[0] = heads[0] * weight(name + ".query_gain").view({-1, 1, 1});
  if (kind.value_embedding) heads[2] = heads[2] + embedded_values(name, h);
  return heads;
}

/// Queries, keys and values [rows, positions, (heads + 2 kv_heads) head_size], the first two normed before rotation.
Tensor ForwardPass::normed_heads(const std::string& name, const Tensor& qkv) {
  const bool whole = spec_.qk_norm == QkNorm::full;
  if (!whole && spec_.qk_norm != QkNorm::head) return qkv;
  const auto normed = [&](std::int64_t from, std::int64_t size, const char* weight) {
    const Tensor part = qkv.narrow(-1, from, size);
    const Tensor rows = whole ? part : part.reshape({qkv.size(0), qkv.size(1), -1, spec_.head_size});
    return unit(rows, parameter(name + weight)).reshape(part.sizes());
  };
  const std::int64_t q = spec_.attention_size();
  const std::int64_t k = spec_.kv_size();
  return torch::cat({normed(0, q, ".q_norm.weight"), normed(q, k, ".k_norm.weight"), qkv.narrow(-1, q + k, k)}, -1);
}

/// Norm of queries or keys over the last dimension; `weight` may be undefined.
Tensor ForwardPass::unit(const Tensor& x, const Tensor& weight) {
  const Tensor wide = x.to(torch::kFloat);
  const Tensor ones = weight.defined() ? weight : torch::ones({x.size(-1)}, wide.options());
  return fused_norm(wide, ones, Tensor(), NormKind::rms, spec_.qk_norm_eps, type_);
}

/// 2 σ(G h) ⊙ E[token] by heads, where G reads the first channels of the branch's input.
Tensor ForwardPass::embedded_values(const std::string& name, const Tensor& h) {
  const Tensor gates = 2 * torch::sigmoid(linear(name + ".value_gate", h.narrow(-1, 0, kValueGateWidth)));
  const Tensor rows = torch::embedding(parameter(name + ".value_embed.weight"), tokens_).to(type_);
  const Tensor by_heads = rows.unflatten(-1, {spec_.kv_heads, spec_.head_size});
  return (gates.unsqueeze(-1) * by_heads).transpose(1, 2);
}

/// What queries take from the values of the positions that they see.
Tensor ForwardPass::attended(const Tensor& q, const Tensor& k, const Tensor& v, int window) {
  const int repeats = spec_.heads / spec_.kv_heads;
  const Tensor keys = repeated(k, repeats);
  const Tensor values = repeated(v, repeats);
  const double scale =
      spec_.attention_scale > 0 ? spec_.attention_scale : 1.0 / std::sqrt(static_cast<double>(spec_.head_size));
  const Tensor p = visible_softmax(torch::matmul(q, keys.transpose(-2, -1)), scale, places_->sight(window));
  return torch::matmul(p, values);
}

/// s A + (1 − s) B, where A is what the queries take from the first loop, B from their own, and s = σ(w·q + b).
Tensor ForwardPass::blended_with_first_loop(const LayerKind& kind, const std::vector<Tensor>& heads,
                                            const Tensor& own) {
  const auto& [keys, values] = first_loop_[static_cast<std::size_t>(place_.run)];
  const Tensor first = attended(heads[0], keys, values, kind.window ? spec_.window : 0);
  const std::string gate = kind.name + ".attn.loop_gate";
  const Tensor scores = (heads[0] * weight(gate + ".weight").unsqueeze(1)).sum(-1, /*keepdim=*/true);
  return torch::lerp(own, first, torch::sigmoid(scores + weight(gate + ".bias").view({-1, 1, 1})));
}

Tensor ForwardPass::mlp(const std::string& name, const Tensor& h) {
  return linear(name + ".down", activated(spec_.mlp, linear(name + ".up", h)));
}

}  // namespace gyre
