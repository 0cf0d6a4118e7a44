#include "model/families/recpre.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "model/families/decoder_names.hpp"

namespace gyre {
namespace {

/// The strategies of initialisation differ in two things that a running model reads: the spread of embeddings, which
/// the first state takes over, and their scale.
struct Strategy {
  std::string_view name;
  bool scaled_embedding = false;  ///< by the root of n_embd
};
constexpr Strategy kStrategies[] = {{"scaled"},       {"scaled-zero"}, {"scaled-geiping"},
                                    {"scaled-stuck"}, {"small"},       {"takase", true}};

/// Of the weightless norm of q and k: the smallest step of f32 at 1.
constexpr float kQkEps = 0x1p-23F;

/// What embeddings are scaled by under `init_strategy`. Throws Error for one with other scales.
float embedding_scale_of(const JsonObject& object, int hidden, const std::string& where) {
  const std::string given = object.text("init_strategy", "scaled");
  std::string names;
  for (const Strategy& strategy : kStrategies) {
    if (strategy.name == given) return strategy.scaled_embedding ? std::sqrt(static_cast<float>(hidden)) : 1.0F;
    names += (names.empty() ? "" : ", ") + std::string(strategy.name);
  }
  throw Error("{}: init_strategy is \"{}\", whose scales gyre does not have; it does {}", where, given, names);
}

/// `rope_settings`: adjacent pairs, at 50000 unless told.
void read_rope_settings(ModelSpec& spec, const JsonObject& object, const std::string& where) {
  spec.position = PositionKind::rotary_adjacent;
  spec.rotary_theta = 50000.0F;
  if (!object.given("rope_settings")) return;
  const JsonObject settings = object.object("rope_settings");
  settings.allow({"use_rope", "rope_condense_ratio", "rope_base"});
  if (!settings.boolean("use_rope", true)) {
    throw Error("{}: rope_settings: use_rope is false; gyre rotates in this family", where);
  }
  spec.rotary_theta = settings.number("rope_base", 1, 1e12, spec.rotary_theta);
  const float ratio = settings.number("rope_condense_ratio", 1e-6, 1e6, 1.0F);
  if (ratio != 1) spec.rotary_divisors.assign(static_cast<std::size_t>(spec.head_size / 2), ratio);
}

}  // namespace

bool is_class(const nlohmann::json& config, std::string_view name) {
  const auto found = config.find("model_class_name");
  return found != config.end() && *found == name;
}

void set_first_state(Group& core, const JsonObject& object, const ModelSpec& spec, const std::string& where) {
  const std::string kind = object.text("state_init", "like-init");
  const auto width = static_cast<float>(spec.hidden_size);
  core.first_state = kind == "zero" ? FirstState::zero : FirstState::noise;
  if (kind == "zero" || kind == "normal") return;
  if (kind == "embed") {
    core.noise_std = 1 / std::sqrt(width);
  } else if (kind == "like-init") {
    core.noise_std = std::sqrt(2.0F / (5.0F * width)) * spec.embedding_scale;
  } else {
    throw Error("{}: state_init is \"{}\"; gyre does like-init, normal, embed and zero", where, kind);
  }
}

ModelSpec recpre_sizes(const JsonObject& object, std::string_view name, const std::string& where) {
  ModelSpec spec;
  spec.name = object.text("name", std::string(name));
  spec.vocab_size = object.integer("padded_vocab_size", 1, kMostSize);
  spec.context = object.integer("block_size", 1, kMostSize);
  spec.hidden_size = object.integer("n_embd", 1, kMostWidth);
  spec.heads = object.integer("num_attention_heads", 1, kMostSize);
  spec.kv_heads =
      object.given("num_key_value_heads") ? object.integer("num_key_value_heads", 1, kMostSize) : spec.heads;
  spec.head_size = whole_head_size(spec.hidden_size, "n_embd", spec.heads, "num_attention_heads", where);
  spec.ffn_size = object.integer("intermediate_size", 1, kMostSize);
  spec.norm_eps = object.number("norm_eps", 0, 1, 1e-5F);
  spec.qk_norm = object.boolean("qk_norm", false) ? QkNorm::after_rotary : QkNorm::none;
  spec.qk_norm_eps = kQkEps;
  read_rope_settings(spec, object, where);
  spec.embedding_scale = embedding_scale_of(object, spec.hidden_size, where);
  return spec;
}

void require_name(const JsonObject& object, const char* key, const char* right, const std::string& where) {
  if (const std::string given = object.text(key); given != right) {
    throw Error("{}: {} is \"{}\"; gyre does {} in this family", where, key, given, right);
  }
}

}  // namespace gyre
