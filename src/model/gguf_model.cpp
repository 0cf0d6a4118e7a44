#include "model/gguf_model.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families.hpp"

namespace gyre {
namespace {

constexpr std::int64_t kMost = 1 << 24;

/// Tensor names of Hugging Face's checkpoints and of llama.cpp's, without the layer.
struct Renamed {
  std::string_view stored;
  std::string_view gguf;
};
constexpr std::array<Renamed, 3> kTopNames = {{{"model.embed_tokens.weight", "token_embd.weight"},
                                               {"model.norm.weight", "output_norm.weight"},
                                               {"lm_head.weight", "output.weight"}}};
constexpr std::array<Renamed, 16> kLayerNames = {{{"self_attn.q_proj.weight", "attn_q.weight"},
                                                  {"self_attn.k_proj.weight", "attn_k.weight"},
                                                  {"self_attn.v_proj.weight", "attn_v.weight"},
                                                  {"self_attn.q_proj.bias", "attn_q.bias"},
                                                  {"self_attn.k_proj.bias", "attn_k.bias"},
                                                  {"self_attn.v_proj.bias", "attn_v.bias"},
                                                  {"self_attn.o_proj.weight", "attn_output.weight"},
                                                  {"self_attn.q_norm.weight", "attn_q_norm.weight"},
                                                  {"self_attn.k_norm.weight", "attn_k_norm.weight"},
                                                  {"input_layernorm.weight", "attn_norm.weight"},
                                                  {"post_attention_layernorm.weight", "ffn_norm.weight"},
                                                  {"mlp.gate_proj.weight", "ffn_gate.weight"},
                                                  {"mlp.up_proj.weight", "ffn_up.weight"},
                                                  {"mlp.down_proj.weight", "ffn_down.weight"},
                                                  // OLMo 2 has norms behind its branches only.
                                                  {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
                                                  {"self_attn.rotary_emb.inv_freq", ""}}};

std::string gguf_name(const std::string& stored, const std::string& architecture) {
  for (const Renamed& name : kTopNames) {
    if (name.stored == stored) return std::string(name.gguf);
  }
  constexpr std::string_view kLayer = "model.layers.";
  const std::size_t dot = stored.find('.', kLayer.size());
  const std::string_view rest = std::string_view(stored).substr(dot + 1);
  const std::string block = "blk." + stored.substr(kLayer.size(), dot - kLayer.size()) + ".";
  if (architecture == "olmo2" && rest == "post_attention_layernorm.weight") return block + "post_attention_norm.weight";
  for (const Renamed& name : kLayerNames) {
    if (name.stored == rest) return block + std::string(name.gguf);
  }
  return stored;
}

/// The keys of a Hugging Face config.json that say the same.
nlohmann::json config_of(const Gguf& file, const std::string& architecture) {
  const auto key = [&](const char* name) { return architecture + "." + name; };
  const auto integer = [&](const char* name, std::optional<std::int64_t> otherwise = {}) {
    return file.integer(key(name), 1, kMost, otherwise);
  };
  const std::int64_t heads = integer("attention.head_count");
  const std::int64_t hidden = integer("embedding_length");
  const std::int64_t head_size = integer("attention.key_length", hidden / heads);
  nlohmann::json config = {
      {"model_type", architecture},
      {"vocab_size", file.at("token_embd.weight").rows()},
      {"max_position_embeddings", integer("context_length")},
      {"hidden_size", hidden},
      {"num_attention_heads", heads},
      {"num_key_value_heads", integer("attention.head_count_kv", heads)},
      {"head_dim", head_size},
      {"intermediate_size", integer("feed_forward_length")},
      {"num_hidden_layers", integer("block_count")},
      {"rms_norm_eps", file.number(key("attention.layer_norm_rms_epsilon"), 0, 1)},
      {"rope_theta", file.number(key("rope.freq_base"), 1, 1e12, 10000.0)},
      {"tie_word_embeddings", !file.tensors().contains("output.weight")},
  };
  if (file.integer(key("rope.dimension_count"), 1, kMost, head_size) != head_size) {
    throw Error("{}: {} is not the head size, {}; gyre rotates whole heads", file.path().string(),
                key("rope.dimension_count"), head_size);
  }
  const std::string scaling = file.text(key("rope.scaling.type"), "none");
  if (scaling == "linear") {
    config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", file.number(key("rope.scaling.factor"), 1e-6, 1e6)}};
  } else if (scaling != "none") {
    throw Error("{}: {} is \"{}\"; gyre does linear", file.path().string(), key("rope.scaling.type"), scaling);
  }
  config["num_loops"] = file.integer(key("num_loops"), 1, kMostLoops, 1);
  config["skip_loop_final_norm"] = file.boolean(key("skip_loop_final_norm"), false);
  return config;
}

/// The stack loops as Nanbeige's does, whatever its architecture is called.
bool loops(const nlohmann::json& config) { return config.at("num_loops") > 1; }

}  // namespace

ModelSpec gguf_spec(const Gguf& file) {
  const std::string where = file.path().string() + ": gyre.spec";
  if (file.integer("gyre.format", 1, kMost, 1) > 1) {
    throw Error("{}: gyre.format is above 1; a newer gyre wrote this file, and reads it", file.path().string());
  }
  return parse_spec(parse_json(file.text("gyre.spec"), where), where);
}

Mapping gguf_mapping(const Gguf& file, const TensorStore& tensors) {
  const std::string where = file.path().string();
  const std::string architecture = file.text("general.architecture");
  constexpr std::array<std::string_view, 5> kKnown = {"llama", "qwen2", "qwen3", "olmo2", "nanbeige"};
  if (std::find(kKnown.begin(), kKnown.end(), architecture) == kKnown.end()) {
    throw Error("{}: general.architecture is \"{}\"; gyre reads llama, qwen2, qwen3, olmo2 and nanbeige, and its own",
                where, architecture);
  }
  nlohmann::json config = config_of(file, architecture);
  if (architecture == "llama" && loops(config)) config["model_type"] = "nanbeige";
  if (architecture != "llama" && architecture != "nanbeige" && loops(config)) {
    throw Error("{}: {}.num_loops is {}; gyre loops the stacks of llama and nanbeige", where, architecture,
                config.at("num_loops").dump());
  }
  Mapping mapping = family_of(config, where).map(config, tensors, where);
  for (auto& [name, recipe] : mapping.recipes) {
    for (std::string& part : recipe.parts) part = gguf_name(part, architecture);
  }
  mapping.unused = {"rope_freqs.weight"};
  // llama.cpp's converter reorders q and k of Llama so that pairs are neighbours; the others stay in halves.
  if (architecture == "llama" || architecture == "nanbeige") mapping.spec.position = PositionKind::rotary_adjacent;
  if (file.tensors().contains("rope_freqs.weight")) {
    const TensorView& divisors = file.at("rope_freqs.weight");
    mapping.spec.rotary_divisors.resize(divisors.element_count());
    widen(divisors, mapping.spec.rotary_divisors);
  }
  mapping.spec.name = file.text("general.name", architecture);
  return mapping;
}

}  // namespace gyre
