#include "model/spec.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

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

/// Reads the keys it visits. A field without a default has to be there.
class Reader {
 public:
  Reader(const nlohmann::json& json, std::string where) : where_(std::move(where)), object_(json, where_) {}

  void only_rare() const {}
  void needed(const char* key, std::string& field) const { field = object_.text(key); }
  void text(const char* key, std::string& field) const { field = object_.text(key, ""); }
  void needed(const char* key, int& field, int most) const { field = object_.integer(key, 1, most); }
  void integer(const char* key, int& field, int most, int otherwise) const {
    field = object_.integer(key, 1, most, otherwise);
  }
  void number(const char* key, float& field, double least, double most, float otherwise) const {
    field = object_.number(key, least, most, otherwise);
  }
  void boolean(const char* key, bool& field, bool otherwise) const { field = object_.boolean(key, otherwise); }
  template <typename Enum, typename Names>
  void choice(const char* key, Enum& field, const Names& names, Enum otherwise) const {
    field = object_.choice<Enum>(key, names, otherwise);
  }
  void numbers(const char* key, std::vector<float>& field) const {
    if (!object_.has(key)) return;
    for (const nlohmann::json& value : object_.array(key)) {
      if (!value.is_number()) throw Error("{}: {} holds something that is no number", where_, key);
      field.push_back(value.get<float>());
    }
  }
  void layers(const char* key, std::vector<int>& field) const {
    if (object_.has(key)) field = parse_layers(object_.array(key), where_);
  }
  void fast(const char* key, FastStack& field) const {
    if (object_.has(key)) field = parse_fast(object_.object(key));
  }

 private:
  std::string where_;
  JsonObject object_;
};

/// Writes the keys it visits; behind only_rare(), unless all are wanted, those that are not at their defaults: older
/// programs then go on reading the models that do without them.
class Writer {
 public:
  explicit Writer(bool all = false) : all_(all) {}
  nlohmann::json json = nlohmann::json::object();

  void only_rare() { rare_ = !all_; }
  void needed(const char* key, const std::string& field) { json[key] = field; }
  void text(const char* key, const std::string& field) { json[key] = field; }
  void needed(const char* key, int field, int /*most*/) { json[key] = field; }
  void integer(const char* key, int field, int /*most*/, int otherwise) { put(key, field, otherwise); }
  void number(const char* key, float field, double /*least*/, double /*most*/, float otherwise) {
    put(key, field, otherwise);
  }
  void boolean(const char* key, bool field, bool otherwise) { put(key, field, otherwise); }
  template <typename Enum, typename Names>
  void choice(const char* key, Enum field, const Names& names, Enum otherwise) {
    put(key, name_of<Enum>(names, field), name_of<Enum>(names, otherwise));
  }
  void numbers(const char* key, const std::vector<float>& field) { put(key, field, {}); }
  void layers(const char* key, const std::vector<int>& field) { put(key, field, {}); }
  void fast(const char* key, const FastStack& field) {
    if (field.there() || all_) json[key] = {{"layers", field.layers}, {"runs", field.runs}};
  }

 private:
  template <typename Value>
  void put(const char* key, const Value& field, const Value& otherwise) {
    if (!rare_ || field != otherwise) json[key] = field;
  }
  bool all_;
  bool rare_ = false;
};

/// The keys of a group: the one table that reading, writing and the list of what is allowed share.
template <typename Visitor, typename AnyGroup>
void visit_group(Visitor& visit, AnyGroup& group) {
  const Group defaults;
  visit.needed("name", group.name);
  visit.integer("layers", group.layers, kMostLoops, defaults.layers);
  visit.integer("loops", group.loops, kMostLoops, defaults.loops);
  visit.only_rare();
  visit.fast("fast", group.fast);
  visit.choice("injection", group.injection, kInjections, defaults.injection);
  visit.choice("first_state", group.first_state, kFirstStates, defaults.first_state);
  visit.number("noise_std", group.noise_std, 0, 1e6, defaults.noise_std);
  visit.boolean("loop_norm", group.loop_norm, defaults.loop_norm);
  visit.boolean("exit_norm", group.exit_norm, defaults.exit_norm);
  visit.boolean("exit_linear", group.exit_linear, defaults.exit_linear);
  visit.boolean("exit_gate", group.exit_gate, defaults.exit_gate);
  visit.number("damping", group.damping, 0, 2, defaults.damping);
  visit.layers("value_layers", group.value_layers);
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
}

/// Throws Error on a key that is neither among those that `all` wrote nor among `more`.
void allow(const JsonObject& object, const Writer& all, std::initializer_list<std::string_view> more) {
  std::vector<std::string_view> keys(more);
  for (const auto& [key, value] : all.json.items()) keys.emplace_back(key);
  object.allow(keys);
}

Group parse_group(const nlohmann::json& json, const std::string& where) {
  Group group;
  Writer all(true);
  visit_group(all, std::as_const(group));
  allow(JsonObject(json, where), all, {});
  const Reader reader(json, where);
  visit_group(reader, group);
  return group;
}

nlohmann::json group_json(const Group& group) {
  Writer writer;
  visit_group(writer, group);
  return writer.json;
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
  ModelSpec spec;
  Writer all(true);
  visit_spec(all, std::as_const(spec));
  allow(object, all, {"model_type", "groups", "training"});
  if (const std::string type = object.text("model_type", "gyre"); type != "gyre") {
    throw Error("{}: model_type is \"{}\"; this program reads \"gyre\"", where, type);
  }
  const Reader reader(json, where);
  visit_spec(reader, spec);
  const nlohmann::json& groups = object.array("groups");
  for (std::size_t g = 0; g < groups.size(); ++g) {
    spec.groups.push_back(parse_group(groups[g], fmt::format("{}: groups[{}]", where, g)));
  }
  validate(spec, where);
  return spec;
}

nlohmann::json to_json(const ModelSpec& spec) {
  Writer writer;
  visit_spec(writer, spec);
  writer.json["model_type"] = "gyre";
  writer.json["groups"] = nlohmann::json::array();
  for (const Group& group : spec.groups) writer.json["groups"].push_back(group_json(group));
  return std::move(writer.json);
}

ModelSpec load_spec(const std::filesystem::path& file) { return parse_spec(load_json(file), file.string()); }

}  // namespace gyre
