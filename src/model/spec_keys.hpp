#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/enum_name.hpp"
#include "model/spec.hpp"

namespace gyre {

// The one table of what a description can say. Whoever goes through all switches does it here: reading and writing
// them, drawing descriptions at random. A visitor has a function for each kind of row; see Reader and Writer in
// spec.cpp.

/// The key of a switch in config.json.
struct SpecKey {
  SpecKey(const char* text) : name(text) {}  // NOLINT(google-explicit-constructor): rows begin with their keys

  const char* name;
};

inline constexpr EnumName<NormKind> kNormKinds[] = {{NormKind::layer, "layer"}, {NormKind::rms, "rms"}};
inline constexpr EnumName<NormPlacement> kNormPlacements[] = {{NormPlacement::pre, "pre"},
                                                              {NormPlacement::post, "post"},
                                                              {NormPlacement::sandwich, "sandwich"},
                                                              {NormPlacement::branch, "branch"},
                                                              {NormPlacement::post_branch, "post_branch"}};
inline constexpr EnumName<PositionKind> kPositionKinds[] = {{PositionKind::learned, "learned"},
                                                            {PositionKind::rotary_half, "rotary_half"},
                                                            {PositionKind::rotary_adjacent, "rotary_adjacent"}};
inline constexpr EnumName<MlpKind> kMlpKinds[] = {{MlpKind::gelu, "gelu"},
                                                  {MlpKind::gelu_tanh, "gelu_tanh"},
                                                  {MlpKind::silu_gated, "silu_gated"},
                                                  {MlpKind::relu_squared, "relu_squared"},
                                                  {MlpKind::gelu_gated, "gelu_gated"},
                                                  {MlpKind::gelu_tanh_gated, "gelu_tanh_gated"},
                                                  {MlpKind::leaky_relu_squared, "leaky_relu_squared"}};
inline constexpr EnumName<Injection> kInjections[] = {
    {Injection::none, "none"}, {Injection::add, "add"}, {Injection::linear, "linear"}, {Injection::decay, "decay"}};
inline constexpr EnumName<QkNorm> kQkNorms[] = {
    {QkNorm::none, "none"}, {QkNorm::head, "head"}, {QkNorm::full, "full"}, {QkNorm::after_rotary, "after_rotary"}};
inline constexpr EnumName<FirstState> kFirstStates[] = {
    {FirstState::carried, "carried"}, {FirstState::zero, "zero"}, {FirstState::noise, "noise"}};

/// The keys of a group, each with its field, what it may be and its default.
template <typename Visitor, typename AnyGroup>
void visit_group(Visitor& visit, AnyGroup& group) {
  const Group defaults;
  visit.needed("name", group.name);
  visit.integer("layers", group.layers, kMostLoops, defaults.layers);
  visit.integer("loops", group.loops, kMostLoops, defaults.loops);
  visit.only_rare();
  visit.choice("injection", group.injection, kInjections, defaults.injection);
  visit.choice("first_state", group.first_state, kFirstStates, defaults.first_state);
  visit.number("noise_std", group.noise_std, 0, 1e6, defaults.noise_std);
  visit.number("damping", group.damping, 0, 2, defaults.damping);
  visit.fast("fast", group.fast);
  visit.boolean("loop_norm", group.loop_norm, defaults.loop_norm);
  visit.boolean("exit_norm", group.exit_norm, defaults.exit_norm);
  visit.boolean("exit_linear", group.exit_linear, defaults.exit_linear);
  visit.boolean("exit_gate", group.exit_gate, defaults.exit_gate);
  visit.layers("value_layers", group.value_layers);
  visit.layers("window_layers", group.window_layers);
  visit.boolean("bare_first_loop", group.bare_first_loop, defaults.bare_first_loop);
  visit.boolean("minus_state", group.minus_state, defaults.minus_state);
  visit.count("update_rank", group.update_rank, kMostWidth);
  visit.boolean("exit_gate_norm", group.exit_gate_norm, defaults.exit_gate_norm);
  visit.boolean("first_loop_attention", group.first_loop_attention, defaults.first_loop_attention);
  visit.count("loop_window", group.loop_window, kMostContext);
  visit.layers("order", group.order);
  visit.skips("skips", group.skips);
}

/// Those of a model, but for its groups. A default may follow from what was visited before.
template <typename Visitor, typename Spec>
void visit_spec(Visitor& visit, Spec& spec) {
  const ModelSpec defaults;
  visit.text("name", spec.name);
  visit.needed("vocab_size", spec.vocab_size, kMostVocab);
  visit.needed("context", spec.context, kMostContext);
  visit.needed("hidden_size", spec.hidden_size, kMostWidth);
  visit.needed("heads", spec.heads, kMostWidth);
  visit.integer("kv_heads", spec.kv_heads, kMostWidth, spec.heads);
  visit.integer("head_size", spec.head_size, kMostWidth, std::max(1, spec.hidden_size / std::max(1, spec.heads)));
  visit.integer("ffn_size", spec.ffn_size, kMostFfn, 4 * spec.hidden_size);
  visit.choice("norm", spec.norm, kNormKinds, defaults.norm);
  visit.choice("norm_placement", spec.norm_placement, kNormPlacements, defaults.norm_placement);
  visit.number("norm_eps", spec.norm_eps, 0, 1, defaults.norm_eps);
  visit.boolean("final_norm", spec.final_norm, defaults.final_norm);
  visit.boolean("embedding_norm", spec.embedding_norm, defaults.embedding_norm);
  visit.choice("qk_norm", spec.qk_norm, kQkNorms, defaults.qk_norm);
  visit.number("qk_norm_eps", spec.qk_norm_eps, 0, 1, spec.norm_eps);
  visit.choice("position", spec.position, kPositionKinds, defaults.position);
  visit.number("rotary_theta", spec.rotary_theta, 1, 1e12, defaults.rotary_theta);
  visit.choice("mlp", spec.mlp, kMlpKinds, defaults.mlp);
  visit.boolean("biases", spec.biases, defaults.biases);
  visit.boolean("qkv_biases", spec.qkv_biases, defaults.qkv_biases);
  visit.boolean("tied_head", spec.tied_head, defaults.tied_head);
  visit.number("logit_softcap", spec.logit_softcap, 0, 1e6, defaults.logit_softcap);
  visit.number("embedding_scale", spec.embedding_scale, -1e6, 1e6, defaults.embedding_scale);
  visit.only_rare();
  visit.boolean("norm_weights", spec.norm_weights, defaults.norm_weights);
  visit.boolean("attention_gate", spec.attention_gate, defaults.attention_gate);
  visit.boolean("prefix_lm", spec.prefix_lm, defaults.prefix_lm);
  visit.numbers("rotary_divisors", spec.rotary_divisors);
  visit.count("rotary_channels", spec.rotary_channels, kMostWidth);
  visit.number("rotary_scale", spec.rotary_scale, 0, 1e6, defaults.rotary_scale);
  visit.count("rotary_context", spec.rotary_context, kMostContext);
  visit.numbers("rotary_long_divisors", spec.rotary_long_divisors);
  visit.number("rotary_growth", spec.rotary_growth, 0, 1e6, defaults.rotary_growth);
  visit.count("window", spec.window, kMostContext);
  visit.number("window_theta", spec.window_theta, 0, 1e12, defaults.window_theta);
  visit.number("attention_scale", spec.attention_scale, 0, 1e6, defaults.attention_scale);
  visit.boolean("rotary_bf16", spec.rotary_bf16, defaults.rotary_bf16);
  visit.boolean("embedding_mix", spec.embedding_mix, defaults.embedding_mix);
  visit.boolean("branch_scales", spec.branch_scales, defaults.branch_scales);
  visit.boolean("query_gain", spec.query_gain, defaults.query_gain);
  visit.boolean("encoder", spec.encoder, defaults.encoder);
}

}  // namespace gyre
