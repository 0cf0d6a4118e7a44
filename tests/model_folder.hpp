#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/half.hpp"
#include "base/random.hpp"
#include "format/safetensors.hpp"
#include "model/spec.hpp"
#include "model/spec_keys.hpp"
#include "scratch_folder.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// Tensors by name, in f32.
using Weights = std::map<std::string, std::vector<float>>;

/// The characters that the tokenizer of a test model knows: 16 of them, ids in this order.
inline constexpr std::string_view kTestCharacters = " abcdefghijklmno";

/// A small model with two looped groups between single layers.
inline ModelSpec small_spec() {
  ModelSpec spec;
  spec.name = "small";
  spec.vocab_size = static_cast<int>(kTestCharacters.size());
  spec.context = 24;
  spec.hidden_size = 16;
  spec.heads = 4;
  spec.kv_heads = 2;
  spec.head_size = 4;
  spec.ffn_size = 24;
  spec.groups = {{"prelude", 1, 1, Injection::none, FirstState::carried, 1.0F},
                 {"loop a", 1, 4, Injection::linear, FirstState::carried, 1.0F},
                 {"loop b", 2, 3, Injection::none, FirstState::carried, 1.0F},
                 {"coda", 1, 1, Injection::none, FirstState::carried, 1.0F}};
  return spec;
}

/// Draws the switches that it visits; sizes and numbers it leaves to whoever knows what fits together.
class SwitchDraws {
 public:
  explicit SwitchDraws(Random& random) : random_(random) {}

  int pick(int least, int most) {
    return least + static_cast<int>(random_.below(static_cast<std::uint64_t>(most - least + 1)));
  }
  bool one_in(int count) { return pick(1, count) == 1; }

  void only_rare() const {}
  template <typename Field>
  void text(const SpecKey& /*key*/, Field& /*field*/) const {}
  template <typename Field, typename... Most>
  void needed(const SpecKey& /*key*/, Field& /*field*/, Most... /*most*/) const {}
  void integer(const SpecKey& /*key*/, int& /*field*/, int /*most*/, int /*otherwise*/) const {}
  void count(const SpecKey& /*key*/, int& /*field*/, int /*most*/) const {}
  void number(const SpecKey& /*key*/, float& /*field*/, double /*least*/, double /*most*/, float /*otherwise*/) const {}
  void boolean(const SpecKey& /*key*/, bool& field, bool /*otherwise*/) { field = one_in(2); }
  template <typename Enum, typename Names>
  void choice(const SpecKey& /*key*/, Enum& field, const Names& names, Enum /*otherwise*/) {
    field = names[static_cast<std::size_t>(pick(0, static_cast<int>(std::size(names)) - 1))].value;
  }
  void numbers(const SpecKey& /*key*/, std::vector<float>& /*field*/) const {}
  void layers(const SpecKey& /*key*/, std::vector<int>& /*field*/) const {}
  void skips(const SpecKey& /*key*/, std::vector<Skip>& /*field*/) const {}
  void fast(const SpecKey& /*key*/, FastStack& field) {
    if (one_in(3)) field = {pick(1, 2), pick(1, 2)};
  }

 private:
  Random& random_;
};

/// The order of a group's layers, each of them in it, and skips that may reach over its ends.
inline void draw_runs(Group& group, SwitchDraws& draw) {
  if (draw.one_in(3)) {
    for (int run = group.layers + draw.pick(0, 3); run > 0; --run) group.order.push_back(run % group.layers);
  }
  for (int to = 1; to < group.runs() && draw.one_in(2); ++to) group.skips.push_back({draw.pick(0, to - 1), to});
}

/// The switches of one group, drawn.
inline Group random_group(int index, const ModelSpec& spec, Random& random) {
  SwitchDraws draw(random);
  Group group;
  visit_group(draw, group);
  group.name = "group " + std::to_string(index);
  group.layers = draw.pick(1, 2);
  group.loops = draw.pick(1, 4);
  if (group.first_state != FirstState::carried && group.injection == Injection::none) group.injection = Injection::add;
  if (group.first_state == FirstState::noise) group.noise_std = 0.25F * static_cast<float>(draw.pick(1, 4));
  if (group.first_state != FirstState::carried || group.injection == Injection::none) group.bare_first_loop = false;
  if (!group.exit_gate) group.exit_gate_norm = false;
  if (group.minus_state) {  // what is left of two near states is mostly their rounding, which further loops multiply
    group.minus_state = draw.one_in(2);
    group.loops = std::min(group.loops, 2);
  }
  if (draw.one_in(4)) {
    group.update_rank = draw.pick(1, 5);
  } else if (draw.one_in(3)) {
    group.damping = 0.25F * static_cast<float>(draw.pick(1, 6));
  }
  draw_runs(group, draw);
  for (int layer = 0; layer < group.layers && spec.hidden_size >= kValueGateWidth; ++layer) {
    if (draw.one_in(2)) group.value_layers.push_back(layer);
  }
  for (int layer = 0; layer < group.layers && spec.window > 0; ++layer) {
    if (draw.one_in(2)) group.window_layers.push_back(layer);
  }
  return group;
}

/// How positions turn.
inline void draw_rotation(ModelSpec& spec, SwitchDraws& draw) {
  const auto divisors = [&] {
    std::vector<float> drawn;
    for (int i = 0; i < spec.turned_channels() / 2; ++i) drawn.push_back(0.5F * static_cast<float>(draw.pick(1, 8)));
    return drawn;
  };
  spec.rotary_theta = static_cast<float>(draw.pick(10, 20000));
  if (draw.one_in(3)) spec.rotary_channels = 2 * draw.pick(1, spec.head_size / 2);
  if (draw.one_in(3)) spec.rotary_divisors = divisors();
  if (draw.one_in(4)) spec.rotary_scale = 0.25F * static_cast<float>(draw.pick(2, 6));
  if (draw.one_in(4)) {
    spec.rotary_context = draw.pick(4, 40);
    if (draw.one_in(2) || spec.turned_channels() < 4) {
      spec.rotary_long_divisors = divisors();
    } else {
      spec.rotary_growth = static_cast<float>(draw.pick(1, 4));
    }
  }
}

/// A window is read by a layer, and by no model whose prompts see themselves whole.
inline void draw_window(ModelSpec& spec, SwitchDraws& draw) {
  bool seen = false;
  for (const Group& group : spec.groups) seen = seen || !group.window_layers.empty();
  if (!seen) spec.window = 0;
  if (!seen) return;
  spec.prefix_lm = false;
  if (spec.position != PositionKind::learned && draw.one_in(2)) {
    spec.window_theta = static_cast<float>(draw.pick(10, 2000));
  }
}

/// In half of the models no group attends to its first loop: some KV policies are for those alone.
inline void draw_first_loops(ModelSpec& spec, SwitchDraws& draw) {
  const bool some = draw.one_in(2);
  for (Group& group : spec.groups) {
    group.first_loop_attention = group.first_loop_attention && some;
    if (group.first_loop_attention && !spec.prefix_lm && draw.one_in(2)) group.loop_window = draw.pick(1, 6);
  }
}

/// Any spec that is allowed, with every switch of a layer drawn, small enough for a reference written with plain loops.
inline ModelSpec random_spec(std::uint64_t seed) {
  Random random(seed);
  SwitchDraws draw(random);
  ModelSpec spec;
  visit_spec(draw, spec);
  spec.encoder = false;  // a model by itself, which gives no logits to compare
  spec.name = "random";
  spec.vocab_size = draw.pick(7, 40);
  spec.context = draw.pick(8, 16);
  spec.hidden_size = draw.pick(5, 44);
  spec.kv_heads = draw.pick(1, 3);
  spec.heads = spec.kv_heads * draw.pick(1, 3);
  spec.head_size = 2 * draw.pick(1, 9);
  spec.ffn_size = draw.pick(3, 40);
  spec.norm_eps = 1e-5F * static_cast<float>(draw.pick(1, 9));
  spec.qk_norm_eps = 1e-5F * static_cast<float>(draw.pick(1, 900));
  if (spec.position != PositionKind::learned) draw_rotation(spec, draw);
  if (spec.position == PositionKind::learned) spec.rotary_bf16 = false;
  if (draw.one_in(4)) spec.attention_scale = 0.1F * static_cast<float>(draw.pick(1, 9));
  if (spec.norm == NormKind::layer) spec.norm_weights = true;
  spec.logit_softcap = draw.one_in(3) ? static_cast<float>(draw.pick(1, 9)) : 0.0F;
  spec.embedding_scale = 0.5F * static_cast<float>(draw.pick(1, 4));
  const int groups = draw.pick(1, 4);
  if (draw.one_in(2)) spec.window = draw.pick(1, 12);
  for (int g = 0; g < groups; ++g) spec.groups.push_back(random_group(g, spec, random));
  draw_window(spec, draw);
  draw_first_loops(spec, draw);
  return spec;
}

/// Random weights that keep the states of every layer near length one per channel.
inline Weights random_weights(const ModelSpec& spec, std::uint64_t seed) {
  Random random(seed);
  Weights weights;
  for (const TensorInfo& info : tensor_table(spec)) {
    std::size_t count = 1;
    for (const std::int64_t size : info.shape) count *= static_cast<std::size_t>(size);
    const bool norm = info.name.find("norm") != std::string::npos && info.name.ends_with(".weight");
    const bool factor = info.name.ends_with(".scale") || info.name.ends_with(".mix.state") ||
                        info.name.ends_with(".query_gain") || info.name.find(".skips.") != std::string::npos;
    const double middle = norm || factor ? 1.0 : 0.0;
    const double spread = info.shape.size() == 2 ? 1.0 / std::sqrt(static_cast<double>(info.shape[1])) : 0.1;
    std::vector<float>& values = weights[info.name];
    for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(middle + spread * random.normal()));
  }
  return weights;
}

/// Writes the weights; `dtype` may be f32 or bf16.
inline void write_weights(const std::filesystem::path& file, const ModelSpec& spec, const Weights& weights,
                          DType dtype = DType::f32) {
  std::map<std::string, std::vector<std::uint16_t>> narrow;
  std::vector<NamedTensor> tensors;
  for (const TensorInfo& info : tensor_table(spec)) {
    const std::vector<float>& values = weights.at(info.name);
    std::span<const std::byte> bytes = std::as_bytes(std::span(values));
    if (dtype == DType::bf16) {
      std::vector<std::uint16_t>& rounded = narrow[info.name];
      for (const float value : values) rounded.push_back(to_bf16(value));
      bytes = std::as_bytes(std::span(rounded));
    }
    tensors.push_back({info.name, {dtype, info.shape, bytes}});
  }
  write_safetensors(file, tensors);
}

/// A model folder that is removed with the object.
class ModelFolder {
 public:
  explicit ModelFolder(ModelSpec spec = small_spec(), std::uint64_t seed = 1, DType dtype = DType::f32)
      : spec_(std::move(spec)), weights_(random_weights(spec_, seed)) {
    std::filesystem::create_directory(path());
    write_text_atomically(path() / "config.json", to_json(spec_).dump(2));
    write_weights(path() / "model.safetensors", spec_, weights_, dtype);
    Tokenizer::characters(kTestCharacters).save(path() / "tokenizer.json");
  }

  [[nodiscard]] std::filesystem::path path() const { return scratch_ / "model"; }
  /// A name beside the model that goes away with it.
  [[nodiscard]] std::filesystem::path beside(const std::string& name) const { return scratch_ / name; }
  [[nodiscard]] const ModelSpec& spec() const { return spec_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }

  /// Writes the weights again after `change` has seen them.
  template <typename Change>
  void rewrite(const Change& change) {
    change(weights_);
    write_weights(path() / "model.safetensors", spec_, weights_);
  }

 private:
  ScratchFolder scratch_;
  ModelSpec spec_;
  Weights weights_;
};

}  // namespace gyre
