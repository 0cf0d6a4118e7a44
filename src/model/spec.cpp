#include "model/spec.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<NormKind> kNormKinds[] = {{NormKind::layer, "layer"}, {NormKind::rms, "rms"}};
constexpr EnumName<NormPlacement> kNormPlacements[] = {{NormPlacement::pre, "pre"},
                                                       {NormPlacement::post, "post"},
                                                       {NormPlacement::sandwich, "sandwich"},
                                                       {NormPlacement::branch, "branch"},
                                                       {NormPlacement::post_branch, "post_branch"}};
constexpr EnumName<PositionKind> kPositionKinds[] = {{PositionKind::learned, "learned"},
                                                     {PositionKind::rotary_half, "rotary_half"},
                                                     {PositionKind::rotary_adjacent, "rotary_adjacent"}};
constexpr EnumName<MlpKind> kMlpKinds[] = {{MlpKind::gelu, "gelu"},
                                           {MlpKind::gelu_tanh, "gelu_tanh"},
                                           {MlpKind::silu_gated, "silu_gated"},
                                           {MlpKind::relu_squared, "relu_squared"}};
constexpr EnumName<Injection> kInjections[] = {
    {Injection::none, "none"}, {Injection::add, "add"}, {Injection::linear, "linear"}, {Injection::decay, "decay"}};
constexpr EnumName<QkNorm> kQkNorms[] = {
    {QkNorm::none, "none"}, {QkNorm::head, "head"}, {QkNorm::full, "full"}, {QkNorm::after_rotary, "after_rotary"}};
constexpr EnumName<FirstState> kFirstStates[] = {
    {FirstState::carried, "carried"}, {FirstState::zero, "zero"}, {FirstState::noise, "noise"}};

constexpr int kMaxSize = 1 << 20;
constexpr int kMaxVocab = 1 << 24;

std::vector<float> parse_numbers(const JsonObject& object, std::string_view key, const std::string& where) {
  std::vector<float> numbers;
  if (!object.has(key)) return numbers;
  for (const nlohmann::json& value : object.array(key)) {
    if (!value.is_number()) throw Error("{}: {} holds something that is no number", where, key);
    numbers.push_back(value.get<float>());
  }
  return numbers;
}

std::vector<int> parse_layers(const nlohmann::json& list, const std::string& where) {
  std::vector<int> layers;
  for (const nlohmann::json& value : list) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= kMostLoops) {
      throw Error("{}: value_layers holds {}, which is no layer", where, value.dump());
    }
    layers.push_back(value.get<int>());
  }
  return layers;
}

FastStack parse_fast(const JsonObject& object) {
  object.allow({"layers", "runs"});
  return {object.integer("layers", 1, kMostLoops), object.integer("runs", 1, kMostLoops, FastStack().runs)};
}

Group parse_group(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"name", "layers", "loops", "fast", "injection", "first_state", "noise_std", "loop_norm", "exit_norm",
                "exit_linear", "exit_gate", "damping", "value_layers"});
  const Group defaults;
  Group group;
  group.name = object.text("name");
  group.layers = object.integer("layers", 1, kMostLoops, defaults.layers);
  group.loops = object.integer("loops", 1, kMostLoops, defaults.loops);
  if (object.has("fast")) group.fast = parse_fast(object.object("fast"));
  group.injection = object.choice<Injection>("injection", kInjections, defaults.injection);
  group.first_state = object.choice<FirstState>("first_state", kFirstStates, defaults.first_state);
  group.noise_std = object.number("noise_std", 0, 1e6, defaults.noise_std);
  group.loop_norm = object.boolean("loop_norm", defaults.loop_norm);
  group.exit_norm = object.boolean("exit_norm", defaults.exit_norm);
  group.exit_linear = object.boolean("exit_linear", defaults.exit_linear);
  group.exit_gate = object.boolean("exit_gate", defaults.exit_gate);
  group.damping = object.number("damping", 0, 2, defaults.damping);
  if (object.has("value_layers")) group.value_layers = parse_layers(object.array("value_layers"), where);
  return group;
}

nlohmann::json group_json(const Group& group) {
  nlohmann::json json = {{"name", group.name}, {"layers", group.layers}, {"loops", group.loops}};
  if (group.fast.there()) json["fast"] = {{"layers", group.fast.layers}, {"runs", group.fast.runs}};
  if (group.injection != Injection::none) json["injection"] = name_of<Injection>(kInjections, group.injection);
  if (group.first_state != FirstState::carried) {
    json["first_state"] = name_of<FirstState>(kFirstStates, group.first_state);
  }
  if (group.noise_std != Group().noise_std) json["noise_std"] = group.noise_std;
  if (group.loop_norm) json["loop_norm"] = true;
  if (group.exit_norm) json["exit_norm"] = true;
  if (group.exit_linear) json["exit_linear"] = true;
  if (group.exit_gate) json["exit_gate"] = true;
  if (group.damping != Group().damping) json["damping"] = group.damping;
  if (!group.value_layers.empty()) json["value_layers"] = group.value_layers;
  return json;
}

}  // namespace

bool norm_before_branch(NormPlacement placement) {
  return placement == NormPlacement::pre || placement == NormPlacement::sandwich || placement == NormPlacement::branch;
}

bool norm_after_branch(NormPlacement placement) { return placement != NormPlacement::pre; }

bool has_value_embedding(const Group& group, int layer) {
  return std::find(group.value_layers.begin(), group.value_layers.end(), layer) != group.value_layers.end();
}

Group plain_group(std::string name, int layers) {
  Group group;
  group.name = std::move(name);
  group.layers = layers;
  return group;
}

std::vector<int> ModelSpec::default_loops() const {
  std::vector<int> loops;
  for (const Group& group : groups) loops.push_back(group.loops);
  return loops;
}

std::vector<int> ModelSpec::looped_groups() const {
  std::vector<int> indices;
  for (int g = 0; g < static_cast<int>(groups.size()); ++g) {
    if (groups[static_cast<std::size_t>(g)].looped()) indices.push_back(g);
  }
  return indices;
}

ModelSpec parse_spec(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"model_type",
                "name",
                "vocab_size",
                "context",
                "hidden_size",
                "heads",
                "kv_heads",
                "head_size",
                "ffn_size",
                "norm",
                "norm_placement",
                "norm_eps",
                "norm_weights",
                "final_norm",
                "embedding_norm",
                "qk_norm",
                "qk_norm_eps",
                "attention_gate",
                "prefix_lm",
                "position",
                "rotary_theta",
                "rotary_divisors",
                "mlp",
                "biases",
                "qkv_biases",
                "tied_head",
                "logit_softcap",
                "embedding_scale",
                "groups",
                "training"});
  if (const std::string type = object.text("model_type", "gyre"); type != "gyre") {
    throw Error("{}: model_type is \"{}\"; this program reads \"gyre\"", where, type);
  }
  const ModelSpec defaults;
  ModelSpec spec;
  spec.name = object.text("name", "");
  spec.vocab_size = object.integer("vocab_size", 1, kMaxVocab);
  spec.context = object.integer("context", 1, kMaxSize);
  spec.hidden_size = object.integer("hidden_size", 1, kMaxSize);
  spec.heads = object.integer("heads", 1, kMaxSize);
  spec.kv_heads = object.integer("kv_heads", 1, kMaxSize, spec.heads);
  spec.head_size = object.integer("head_size", 1, kMaxSize, std::max(1, spec.hidden_size / spec.heads));
  spec.ffn_size = object.integer("ffn_size", 1, kMaxSize, 4 * spec.hidden_size);
  spec.norm = object.choice<NormKind>("norm", kNormKinds, defaults.norm);
  spec.norm_placement = object.choice<NormPlacement>("norm_placement", kNormPlacements, defaults.norm_placement);
  spec.norm_eps = object.number("norm_eps", 0, 1, defaults.norm_eps);
  spec.norm_weights = object.boolean("norm_weights", defaults.norm_weights);
  spec.final_norm = object.boolean("final_norm", defaults.final_norm);
  spec.embedding_norm = object.boolean("embedding_norm", defaults.embedding_norm);
  spec.qk_norm = object.choice<QkNorm>("qk_norm", kQkNorms, defaults.qk_norm);
  spec.qk_norm_eps = object.number("qk_norm_eps", 0, 1, spec.norm_eps);
  spec.attention_gate = object.boolean("attention_gate", defaults.attention_gate);
  spec.prefix_lm = object.boolean("prefix_lm", defaults.prefix_lm);
  spec.position = object.choice<PositionKind>("position", kPositionKinds, defaults.position);
  spec.rotary_theta = object.number("rotary_theta", 1, 1e12, defaults.rotary_theta);
  spec.rotary_divisors = parse_numbers(object, "rotary_divisors", where);
  spec.mlp = object.choice<MlpKind>("mlp", kMlpKinds, defaults.mlp);
  spec.biases = object.boolean("biases", defaults.biases);
  spec.qkv_biases = object.boolean("qkv_biases", defaults.qkv_biases);
  spec.tied_head = object.boolean("tied_head", defaults.tied_head);
  spec.logit_softcap = object.number("logit_softcap", 0, 1e6, defaults.logit_softcap);
  spec.embedding_scale = object.number("embedding_scale", -1e6, 1e6, defaults.embedding_scale);

  const nlohmann::json& groups = object.array("groups");
  for (std::size_t g = 0; g < groups.size(); ++g) {
    spec.groups.push_back(parse_group(groups[g], fmt::format("{}: groups[{}]", where, g)));
  }
  validate(spec, where);
  return spec;
}

void validate(const ModelSpec& spec, const std::string& where) {
  if (spec.head_size < 1) {
    throw Error("{}: head_size is {}; give it, or no more heads than hidden_size", where, spec.head_size);
  }
  if (std::int64_t{spec.heads} * spec.head_size > kMaxSize) {
    throw Error("{}: heads ({}) times head_size ({}) is more than {}", where, spec.heads, spec.head_size, kMaxSize);
  }
  if (spec.groups.empty()) throw Error("{}: groups is empty; name at least one group of layers", where);
  if (spec.heads % spec.kv_heads != 0) {
    throw Error("{}: kv_heads ({}) must divide heads ({})", where, spec.kv_heads, spec.heads);
  }
  if (spec.position != PositionKind::learned && spec.head_size % 2 != 0) {
    throw Error("{}: head_size ({}) must be even for rotary positions", where, spec.head_size);
  }
  if (!spec.rotary_divisors.empty() && spec.rotary_divisors.size() != static_cast<std::size_t>(spec.head_size / 2)) {
    throw Error("{}: rotary_divisors has {} numbers; give head_size / 2 = {}", where, spec.rotary_divisors.size(),
                spec.head_size / 2);
  }
  for (const float divisor : spec.rotary_divisors) {
    if (divisor > 0 && std::isfinite(divisor)) continue;
    throw Error("{}: rotary_divisors holds {}; each must be a positive number", where, divisor);
  }
  if (spec.norm == NormKind::layer && !spec.norm_weights) {
    throw Error("{}: norm_weights is false, but norm is \"layer\"; leave the weights out of norms of kind \"rms\" only",
                where);
  }
  std::int64_t layers = 0;
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    const Group& group = spec.groups[g];
    layers += std::int64_t{group.layers} + std::int64_t{group.fast.layers} * group.fast.runs;
    if (layers > kMostLoops) {
      throw Error("{}: the groups pass through more than {} layers, groups[{}].fast included as often as it runs",
                  where, kMostLoops, g);
    }
    for (const int layer : group.value_layers) {
      if (layer >= 0 && layer < group.layers && spec.hidden_size >= kValueGateWidth) continue;
      throw Error("{}: groups[{}].value_layers names layer {} of {}, or hidden_size is below {}", where, g, layer,
                  group.layers, kValueGateWidth);
    }
    if (group.first_state != FirstState::carried && group.injection == Injection::none) {
      throw Error(
          "{}: groups[{}].first_state is \"{}\" without injection, so the group would forget its input; "
          "set injection to \"add\" or \"linear\"",
          where, g, name_of<FirstState>(kFirstStates, group.first_state));
    }
  }
}

nlohmann::json to_json(const ModelSpec& spec) {
  nlohmann::json groups = nlohmann::json::array();
  for (const Group& group : spec.groups) groups.push_back(group_json(group));
  nlohmann::json json = {{"model_type", "gyre"},
                         {"name", spec.name},
                         {"vocab_size", spec.vocab_size},
                         {"context", spec.context},
                         {"hidden_size", spec.hidden_size},
                         {"heads", spec.heads},
                         {"kv_heads", spec.kv_heads},
                         {"head_size", spec.head_size},
                         {"ffn_size", spec.ffn_size},
                         {"norm", name_of<NormKind>(kNormKinds, spec.norm)},
                         {"norm_placement", name_of<NormPlacement>(kNormPlacements, spec.norm_placement)},
                         {"norm_eps", spec.norm_eps},
                         {"final_norm", spec.final_norm},
                         {"embedding_norm", spec.embedding_norm},
                         {"qk_norm", name_of<QkNorm>(kQkNorms, spec.qk_norm)},
                         {"qk_norm_eps", spec.qk_norm_eps},
                         {"position", name_of<PositionKind>(kPositionKinds, spec.position)},
                         {"rotary_theta", spec.rotary_theta},
                         {"mlp", name_of<MlpKind>(kMlpKinds, spec.mlp)},
                         {"biases", spec.biases},
                         {"qkv_biases", spec.qkv_biases},
                         {"tied_head", spec.tied_head},
                         {"logit_softcap", spec.logit_softcap},
                         {"embedding_scale", spec.embedding_scale},
                         {"groups", std::move(groups)}};
  // Keys that few models need are left out of the others', which older programs then go on reading.
  if (!spec.norm_weights) json["norm_weights"] = false;
  if (spec.attention_gate) json["attention_gate"] = true;
  if (spec.prefix_lm) json["prefix_lm"] = true;
  if (!spec.rotary_divisors.empty()) json["rotary_divisors"] = spec.rotary_divisors;
  return json;
}

ModelSpec load_spec(const std::filesystem::path& file) { return parse_spec(load_json(file), file.string()); }

}  // namespace gyre
