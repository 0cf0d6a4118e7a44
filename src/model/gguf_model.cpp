#include "model/gguf_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families.hpp"
#include "model/families/decoder_names.hpp"
#include "model/gguf_hrm_text.hpp"
#include "model/gguf_phi3.hpp"

namespace gyre {
namespace {

constexpr std::int64_t kLargest = 1 << 24;

/// Tensor names of Hugging Face's checkpoints and of llama.cpp's, without the layer.
struct Renamed {
  std::string_view stored;
  std::string_view gguf;
};
constexpr std::array<Renamed, 3> kTopNames = {{{"model.embed_tokens.weight", "token_embd.weight"},
                                               {"model.norm.weight", "output_norm.weight"},
                                               {"lm_head.weight", "output.weight"}}};
constexpr std::array<Renamed, 24> kLayerNames = {{{"self_attn.q_proj.weight", "attn_q.weight"},
                                                  {"self_attn.k_proj.weight", "attn_k.weight"},
                                                  {"self_attn.v_proj.weight", "attn_v.weight"},
                                                  {"self_attn.q_proj.bias", "attn_q.bias"},
                                                  {"self_attn.k_proj.bias", "attn_k.bias"},
                                                  {"self_attn.v_proj.bias", "attn_v.bias"},
                                                  {"self_attn.o_proj.weight", "attn_output.weight"},
                                                  {"self_attn.o_proj.bias", "attn_output.bias"},
                                                  {"self_attn.gate_proj.weight", "attn_gate.weight"},
                                                  {"self_attn.qkv_proj.weight", "attn_qkv.weight"},
                                                  {"mlp.gate_up_proj.weight", "ffn_up.weight"},
                                                  {"self_attn.q_norm.weight", "attn_q_norm.weight"},
                                                  {"self_attn.k_norm.weight", "attn_k_norm.weight"},
                                                  {"input_layernorm.weight", "attn_norm.weight"},
                                                  {"post_attention_layernorm.weight", "ffn_norm.weight"},
                                                  {"mlp.gate_proj.weight", "ffn_gate.weight"},
                                                  {"mlp.up_proj.weight", "ffn_up.weight"},
                                                  {"mlp.down_proj.weight", "ffn_down.weight"},
                                                  {"mlp.gate_proj.bias", "ffn_gate.bias"},
                                                  {"mlp.up_proj.bias", "ffn_up.bias"},
                                                  {"mlp.down_proj.bias", "ffn_down.bias"},
                                                  {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
                                                  // OLMo 2 has norms behind its branches only, Gemma too.
                                                  {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
                                                  {"self_attn.rotary_emb.inv_freq", ""}}};

std::string gguf_name(const std::string& stored, const std::string& architecture) {
  for (const Renamed& name : kTopNames) {
    if (name.stored == stored) return std::string(name.gguf);
  }
  constexpr std::string_view kLayer = "model.layers.";
  if (!stored.starts_with(kLayer)) return stored;
  const std::size_t dot = stored.find('.', kLayer.size());
  const std::string_view rest = std::string_view(stored).substr(dot + 1);
  const std::string block = "blk." + stored.substr(kLayer.size(), dot - kLayer.size()) + ".";
  const bool behind = architecture == "olmo2" || architecture == "gemma3";
  if (behind && rest == "post_attention_layernorm.weight") return block + "post_attention_norm.weight";
  for (const Renamed& name : kLayerNames) {
    if (name.stored == rest) return block + std::string(name.gguf);
  }
  return stored;
}

/// Keys behind the architecture's name that are read.
constexpr std::array<std::string_view, 19> kReadKeys = {"attention.head_count",
                                                        "attention.head_count_kv",
                                                        "attention.key_length",
                                                        "attention.layer_norm_rms_epsilon",
                                                        "attention.value_length",
                                                        "block_count",
                                                        "context_length",
                                                        "embedding_length",
                                                        "feed_forward_length",
                                                        "num_loops",
                                                        "rope.dimension_count",
                                                        "rope.freq_base",
                                                        "rope.scale_linear",
                                                        "rope.scaling.attn_factor",
                                                        "rope.scaling.factor",
                                                        "rope.scaling.original_context_length",
                                                        "rope.scaling.type",
                                                        "skip_loop_final_norm",
                                                        "vocab_size"};
/// Notes, and what other kinds of scaling would read.
constexpr std::array<std::string_view, 2> kHarmless = {"rope.scaling.finetuned", "tensor_data_layout"};
/// Keys that change the computation unless they have one of two values, which say the same.
struct Neutral {
  std::string_view key;
  double value;
  double other;
};
constexpr std::array<Neutral, 17> kNeutral = {{{"attention.clamp_kqv", 0, 0},
                                               {"attention.max_alibi_bias", 0, 0},
                                               {"attention.sliding_window", 0, 0},
                                               {"attn_logit_softcapping", 0, 0},
                                               {"embedding_scale", 0, 1},
                                               {"expert_count", 0, 0},
                                               {"expert_used_count", 0, 0},
                                               {"final_logit_softcapping", 0, 0},
                                               {"logit_scale", 0, 1},
                                               {"pooling_type", 0, 0},
                                               {"residual_scale", 0, 1},
                                               {"rope.scaling.alpha", 0, 0},
                                               // What yarn is without them: llama.cpp does not read them.
                                               {"rope.scaling.yarn_attn_factor", 1, 1},
                                               {"rope.scaling.yarn_beta_fast", 32, 32},
                                               {"rope.scaling.yarn_beta_slow", 1, 1},
                                               {"rope.scaling.yarn_ext_factor", 1, 1},
                                               {"rope.scaling.yarn_log_multiplier", 0, 0}}};
/// Keys of Gemma that are read.
constexpr std::array<std::string_view, 4> kGemma3 = {"attention.sliding_window", "attention.sliding_window_pattern",
                                                     "final_logit_softcapping", "rope.freq_base_swa"};

template <typename Keys>
bool among(const Keys& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// Throws Error unless `key`, which is not read, is known to change nothing at the value it has.
void require_neutral(const Gguf& file, const std::string& full, std::string_view key, std::int64_t head_size) {
  const std::string where = file.path().string();
  const auto found =
      std::find_if(kNeutral.begin(), kNeutral.end(), [key](const Neutral& row) { return row.key == key; });
  if (found != kNeutral.end()) {
    const double value = file.number(full, -1e30, 1e30);
    if (value == found->value || value == found->other) return;
    throw Error("{}: {} is {}; gyre has no switch for it and does {} only", where, full, value, found->other);
  }
  if (key == "attention.scale") {
    const double usual = 1 / std::sqrt(static_cast<double>(head_size));
    const double value = file.number(full, -1e30, 1e30);
    if (value == 0 || std::abs(value - usual) <= 1e-5 * usual) return;
    throw Error("{}: {} is {}; gyre scales by the root of the head size, {}", where, full, value, usual);
  }
  if (key == "attention.causal" || key == "use_parallel_residual") {
    if (file.boolean(full) == (key == "attention.causal")) return;
    throw Error("{}: {} is {}; gyre does not do that", where, full, file.boolean(full));
  }
  throw Error(
      "{}: the key {} is not known to gyre; it may change what the model computes, so take it out only if it does not",
      where, full);
}

/// Keys of other names (general, tokenizer, split, quantize, those of whoever made the file) are no part of the model.
void require_known_keys(const Gguf& file, const std::string& architecture, std::int64_t head_size) {
  const std::string own = architecture + ".";
  for (const std::string& full : file.keys()) {
    if (!full.starts_with(own)) continue;
    const std::string_view key = std::string_view(full).substr(own.size());
    if (architecture == "gemma3" && among(kGemma3, key)) continue;
    if (architecture == "hrm_text" && among(kHrmTextKeys, key)) continue;
    if (architecture == "phi3" && key == "attention.sliding_window") continue;
    if (!among(kReadKeys, key) && !among(kHarmless, key)) require_neutral(file, full, key, head_size);
  }
}

/// A model, whole.
void require_model(const Gguf& file) {
  const std::string where = file.path().string();
  if (const std::string type = file.text("general.type", "model"); type != "model") {
    throw Error("{}: general.type is \"{}\"; this file is no model by itself", where, type);
  }
}

/// What positions are divided by. As in llama.cpp, a factor without a type is linear, scale_linear is the key's name of
/// old, and 0 is none.
double rotary_factor(const Gguf& file, const std::string& architecture, const std::string& type) {
  const std::string where = file.path().string();
  const std::string factor = architecture + ".rope.scaling.factor";
  const std::string old_factor = architecture + ".rope.scale_linear";
  const double old_one = file.number(old_factor, 0, 1e6, 0.0);
  const double given = file.number(factor, 0, 1e6, old_one);
  if (file.has(old_factor) && given != old_one) {
    throw Error("{}: {} is {}, but {} is {}; the two name the same thing and have to agree", where, factor, given,
                old_factor, old_one);
  }
  return type == "none" || given == 0 ? 1.0 : given;
}

/// rope_scaling of a Hugging Face config.json that says the same; null: none. llama.cpp multiplies what yarn gives
/// cosines and sines by attn_factor.
nlohmann::json rotation_of(const Gguf& file, const std::string& architecture) {
  const auto key = [&](const char* name) { return architecture + ".rope.scaling." + name; };
  const std::string type = file.text(key("type"), "linear");
  if (type != "linear" && type != "none" && type != "yarn") {
    throw Error("{}: {} is \"{}\"; gyre does linear and yarn", file.path().string(), key("type"), type);
  }
  const double factor = rotary_factor(file, architecture, type);
  const double attention = file.number(key("attn_factor"), 0, 1e6, 0.0);
  if (type == "yarn") {
    nlohmann::json yarn = {{"rope_type", "yarn"}, {"factor", factor}};
    if (file.has(key("original_context_length"))) {
      yarn["original_max_position_embeddings"] = file.integer(key("original_context_length"), 1, kLargest);
    }
    if (attention != 0 && attention != 1)
      yarn["attention_factor"] = attention * (1 + 0.1 * std::log(std::max(factor, 1.0)));
    return yarn;
  }
  if (attention != 0 && attention != 1) {
    throw Error("{}: {} is {}; gyre has no switch for it and does 1 only", file.path().string(), key("attn_factor"),
                attention);
  }
  if (factor == 1) return nullptr;
  return {{"rope_type", "linear"}, {"factor", factor}};
}

/// Keys that say what Gemma's config.json says: which layers see windows, and how those turn. What has no key is in the
/// code of llama.cpp.
void add_gemma3(const Gguf& file, nlohmann::json& config) {
  constexpr std::int64_t kLayersOf27B = 62;
  const auto layers = config.at("num_hidden_layers").get<std::int64_t>();
  config["model_type"] = "gemma3_text";
  config["hidden_activation"] = "gelu_pytorch_tanh";
  // Scores are scaled by the head's width, in the largest one by what a head's share of the width would be.
  config["query_pre_attn_scalar"] =
      layers == kLayersOf27B ? config.at("hidden_size").get<double>() / config.at("num_attention_heads").get<double>()
                             : config.at("head_dim").get<double>();
  config["rope_local_base_freq"] = file.number("gemma3.rope.freq_base_swa", 1, 1e12, 10000.0);
  config["final_logit_softcapping"] = file.number("gemma3.final_logit_softcapping", 0, 1e6, 0.0);
  constexpr const char* kWindow = "gemma3.attention.sliding_window";
  constexpr const char* kPattern = "gemma3.attention.sliding_window_pattern";
  const std::int64_t window = file.integer(kWindow, 0, kLargest, 0);
  nlohmann::json types = nlohmann::json::array();
  const bool each = file.is_list(kPattern);
  const std::vector<double> slides = each ? file.numbers(kPattern) : std::vector<double>();
  if (each && slides.size() != static_cast<std::size_t>(layers)) {
    throw Error("{}: {} has {} entries; the model has {} layers", file.path().string(), kPattern, slides.size(),
                layers);
  }
  const std::int64_t period = each ? 1 : file.integer(kPattern, 1, kLargest, 6);
  for (std::int64_t l = 0; l < layers; ++l) {
    const bool slide = window > 0 && (each ? slides[static_cast<std::size_t>(l)] != 0 : l % period < period - 1);
    types.push_back(slide ? "sliding_attention" : "full_attention");
  }
  config["layer_types"] = types;
  if (window > 0) config["sliding_window"] = window;
}

/// Heads are of one width, all of which is rotated but in Phi 3.
std::int64_t head_size_of(const Gguf& file, const std::string& architecture, std::int64_t hidden, std::int64_t heads) {
  const auto key = [&](const char* name) { return architecture + "." + name; };
  const std::string where = file.path().string();
  if (!file.has(key("attention.key_length")) && hidden % heads != 0) {
    throw Error("{}: {} ({}) must be a multiple of {} ({})", where, key("embedding_length"), hidden,
                key("attention.head_count"), heads);
  }
  const std::int64_t size = file.integer(key("attention.key_length"), 1, kLargest, hidden / heads);
  if (file.integer(key("attention.value_length"), 1, kLargest, size) != size) {
    throw Error("{}: {} is not the head size, {}; gyre does one size for keys and values", where,
                key("attention.value_length"), size);
  }
  if (architecture != "phi3" && file.integer(key("rope.dimension_count"), 1, kLargest, size) != size) {
    throw Error("{}: {} is not the head size, {}; gyre rotates whole heads", where, key("rope.dimension_count"), size);
  }
  return size;
}

/// The rows of the embedding; the key, where there is one, has to say the same.
std::int64_t vocab_size_of(const Gguf& file, const std::string& architecture) {
  const auto rows = static_cast<std::int64_t>(file.at("token_embd.weight").rows());
  const std::string key = architecture + ".vocab_size";
  if (file.integer(key, 1, kLargest, rows) == rows) return rows;
  throw Error("{}: {} is {}, but token_embd.weight has {} rows", file.path().string(), key,
              file.integer(key, 1, kLargest), rows);
}

/// The keys of a Hugging Face config.json that say the same.
nlohmann::json config_of(const Gguf& file, const std::string& architecture) {
  const auto key = [&](const char* name) { return architecture + "." + name; };
  const auto integer = [&](const char* name, std::optional<std::int64_t> otherwise = {}) {
    return file.integer(key(name), 1, kLargest, otherwise);
  };
  const std::int64_t heads = integer("attention.head_count");
  const std::int64_t hidden = integer("embedding_length");
  const std::int64_t head_size = head_size_of(file, architecture, hidden, heads);
  require_known_keys(file, architecture, head_size);
  nlohmann::json config = {
      {"model_type", architecture},
      {"vocab_size", vocab_size_of(file, architecture)},
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
  const bool own_rotation = architecture == "phi3" && has_phi3_factors(file);
  if (nlohmann::json rotation = own_rotation ? nullptr : rotation_of(file, architecture); !rotation.is_null()) {
    config["rope_scaling"] = std::move(rotation);
  }
  if (architecture == "gemma3") add_gemma3(file, config);
  if (architecture == "hrm_text") add_hrm_text(file, config);
  if (architecture == "phi3") add_phi3(file, config);
  const std::int64_t loops = file.integer(key("num_loops"), 1, kMostLoops, 1);
  const bool skip_norm = file.boolean(key("skip_loop_final_norm"), false);
  if (architecture == "nanbeige" || loops > 1) {
    config["num_loops"] = loops;
    config["skip_loop_final_norm"] = skip_norm;
  }
  return config;
}

/// Biases that llama.cpp takes where a file has them, whatever the architecture.
LayerBiases biases_of(const Gguf& file) {
  const auto has = [&](const char* name) { return file.tensors().contains(std::string("blk.0.") + name); };
  return {has("attn_q.bias") || has("attn_k.bias") || has("attn_v.bias"), has("attn_output.bias"),
          has("ffn_gate.bias") || has("ffn_up.bias") || has("ffn_down.bias")};
}

/// Frequencies are divided by those of the tensor too, where there is one.
void divide_frequencies(ModelSpec& spec, const TensorView& divisors) {
  const float linear = spec.rotary_divisors.empty() ? 1.0F : spec.rotary_divisors.front();
  spec.rotary_divisors.resize(divisors.element_count());
  widen(divisors, spec.rotary_divisors);
  for (float& divisor : spec.rotary_divisors) divisor *= linear;
}

/// Queries, keys and values may be one matrix in the file, of rows in that order.
void take_fused(Recipe& recipe, const TensorStore& tensors) {
  constexpr std::string_view kFirst = "attn_q.weight";
  if (recipe.parts.empty() || !recipe.parts[0].ends_with(kFirst) || tensors.has(recipe.parts[0])) return;
  const std::string block = recipe.parts[0].substr(0, recipe.parts[0].size() - kFirst.size());
  if (!tensors.has(block + "attn_qkv.weight")) return;
  recipe.parts[0] = block + "attn_qkv.weight";
  recipe.parts.erase(recipe.parts.begin() + 1, recipe.parts.begin() + 3);
}

/// The stack loops as Nanbeige's does, whatever its architecture is called.
bool loops(const nlohmann::json& config) { return config.value("num_loops", 1) > 1; }

}  // namespace

ModelSpec gguf_spec(const Gguf& file) {
  const std::string where = file.path().string() + ": gyre.spec";
  if (file.integer("gyre.format", 1, kLargest, 1) > 1) {
    throw Error("{}: gyre.format is above 1; a newer gyre wrote this file, and reads it", file.path().string());
  }
  return parse_spec(parse_json(file.text("gyre.spec"), where), where);
}

Mapping gguf_mapping(const Gguf& file, const TensorStore& tensors) {
  require_model(file);
  const std::string where = file.path().string();
  const std::string architecture = file.text("general.architecture");
  constexpr std::array<std::string_view, 8> kKnown = {"llama",    "qwen2",  "qwen3",    "olmo2",
                                                      "nanbeige", "gemma3", "hrm_text", "phi3"};
  if (!among(kKnown, architecture)) {
    throw Error("{}: general.architecture is \"{}\"; gyre reads {}, and its own", where, architecture,
                fmt::join(kKnown, ", "));
  }
  nlohmann::json config = config_of(file, architecture);
  if (architecture == "llama" && loops(config)) config["model_type"] = "nanbeige";
  if (architecture != "llama" && architecture != "nanbeige" && loops(config)) {
    throw Error("{}: {}.num_loops is {}; gyre loops the stacks of llama and nanbeige", where, architecture,
                config.at("num_loops").dump());
  }
  Mapping mapping = map_checkpoint(family_of(config, where), config, tensors, where);
  if (architecture != "hrm_text") {
    LayerBiases biases = biases_of(file);
    biases.qkv = biases.qkv || mapping.spec.qkv_biases;
    map_biases(mapping, biases);
  }
  for (auto& [name, recipe] : mapping.recipes) {
    for (std::string& part : recipe.parts) {
      if (architecture == "hrm_text") part = plain_hrm_text_name(part, mapping.spec.groups[0].layers);
      part = gguf_name(part, architecture);
    }
    take_fused(recipe, tensors);
    // The one that Gemma's norms add is in the file's weights.
    if (architecture == "gemma3" && name.find("norm") != std::string::npos) recipe.arrange = nullptr;
  }
  mapping.unused = {"rope_freqs.weight"};
  if (architecture == "phi3") mapping.unused.insert(mapping.unused.end(), {kPhi3Short, kPhi3Long});
  // llama.cpp's converter reorders q and k of Llama so that pairs are neighbours; the others stay in halves.
  if (architecture == "llama" || architecture == "nanbeige") mapping.spec.position = PositionKind::rotary_adjacent;
  if (file.tensors().contains("rope_freqs.weight")) {
    divide_frequencies(mapping.spec, file.at("rope_freqs.weight"));
  }
  mapping.spec.name = file.text("general.name", architecture);
  return mapping;
}

}  // namespace gyre
