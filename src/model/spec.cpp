#include "model/spec.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

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
    {Injection::none, "none"}, {Injection::add, "add"}, {Injection::linear, "linear"}};
constexpr EnumName<FirstState> kFirstStates[] = {
    {FirstState::carried, "carried"}, {FirstState::zero, "zero"}, {FirstState::noise, "noise"}};

constexpr int kMaxSize = 1 << 20;
constexpr int kMaxVocab = 1 << 24;
constexpr int kMaxLoops = 4096;

Group parse_group(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"name", "layers", "loops", "injection", "first_state", "noise_std"});
  const Group defaults;
  Group group;
  group.name = object.text("name");
  group.layers = object.integer("layers", 1, kMaxLoops, defaults.layers);
  group.loops = object.integer("loops", 1, kMaxLoops, defaults.loops);
  group.injection = object.choice<Injection>("injection", kInjections, defaults.injection);
  group.first_state = object.choice<FirstState>("first_state", kFirstStates, defaults.first_state);
  group.noise_std = object.number("noise_std", 0, 1e6, defaults.noise_std);
  return group;
}

nlohmann::json group_json(const Group& group) {
  nlohmann::json json = {{"name", group.name}, {"layers", group.layers}, {"loops", group.loops}};
  if (group.injection != Injection::none) json["injection"] = name_of<Injection>(kInjections, group.injection);
  if (group.first_state != FirstState::carried) {
    json["first_state"] = name_of<FirstState>(kFirstStates, group.first_state);
  }
  if (group.noise_std != Group().noise_std) json["noise_std"] = group.noise_std;
  return json;
}

/// Appends the tensors of one norm: a weight, and for LayerNorm a bias.
void add_norm(std::vector<TensorInfo>& table, const ModelSpec& spec, const std::string& name) {
  table.push_back({name + ".weight", {spec.hidden_size}});
  if (spec.norm == NormKind::layer) table.push_back({name + ".bias", {spec.hidden_size}});
}

void add_linear(std::vector<TensorInfo>& table, const ModelSpec& spec, const std::string& name, int out, int in) {
  table.push_back({name + ".weight", {out, in}});
  if (spec.biases) table.push_back({name + ".bias", {out}});
}

/// The norms of one branch, named by where they stand (norm_in before f, norm_out after it).
void add_branch_norms(std::vector<TensorInfo>& table, const ModelSpec& spec, const std::string& branch) {
  if (norm_before_branch(spec.norm_placement)) add_norm(table, spec, branch + ".norm_in");
  if (norm_after_branch(spec.norm_placement)) add_norm(table, spec, branch + ".norm_out");
}

}  // namespace

bool norm_before_branch(NormPlacement placement) {
  return placement == NormPlacement::pre || placement == NormPlacement::sandwich || placement == NormPlacement::branch;
}

bool norm_after_branch(NormPlacement placement) { return placement != NormPlacement::pre; }

int ModelSpec::layer_count() const {
  return std::accumulate(groups.begin(), groups.end(), 0, [](int sum, const Group& g) { return sum + g.layers; });
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
  object.allow({"model_type",      "name",      "vocab_size",   "context", "hidden_size",    "heads",
                "kv_heads",        "head_size", "ffn_size",     "norm",    "norm_placement", "norm_eps",
                "final_norm",      "position",  "rotary_theta", "mlp",     "biases",         "tied_head",
                "embedding_scale", "groups",    "training"});
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
  spec.final_norm = object.boolean("final_norm", defaults.final_norm);
  spec.position = object.choice<PositionKind>("position", kPositionKinds, defaults.position);
  spec.rotary_theta = object.number("rotary_theta", 1, 1e12, defaults.rotary_theta);
  spec.mlp = object.choice<MlpKind>("mlp", kMlpKinds, defaults.mlp);
  spec.biases = object.boolean("biases", defaults.biases);
  spec.tied_head = object.boolean("tied_head", defaults.tied_head);
  spec.embedding_scale = object.number("embedding_scale", -1e6, 1e6, defaults.embedding_scale);

  const nlohmann::json& groups = object.array("groups");
  for (std::size_t g = 0; g < groups.size(); ++g) {
    spec.groups.push_back(parse_group(groups[g], fmt::format("{}: groups[{}]", where, g)));
  }
  validate(spec, where);
  return spec;
}

void validate(const ModelSpec& spec, const std::string& where) {
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
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    const Group& group = spec.groups[g];
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
                         {"position", name_of<PositionKind>(kPositionKinds, spec.position)},
                         {"rotary_theta", spec.rotary_theta},
                         {"mlp", name_of<MlpKind>(kMlpKinds, spec.mlp)},
                         {"biases", spec.biases},
                         {"tied_head", spec.tied_head},
                         {"embedding_scale", spec.embedding_scale},
                         {"groups", std::move(groups)}};
  return json;
}

ModelSpec load_spec(const std::filesystem::path& file) { return parse_spec(load_json(file), file.string()); }

std::vector<TensorInfo> tensor_table(const ModelSpec& spec) {
  std::vector<TensorInfo> table;
  table.push_back({"embed.weight", {spec.vocab_size, spec.hidden_size}});
  if (spec.position == PositionKind::learned) {
    table.push_back({"position.weight", {spec.context, spec.hidden_size}});
  }
  const int qkv_size = spec.attention_size() + 2 * spec.kv_size();
  const int up_size = spec.gated_mlp() ? 2 * spec.ffn_size : spec.ffn_size;
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    if (spec.groups[g].injection == Injection::linear) {
      table.push_back(
          {fmt::format("groups.{}.inject.weight", g), {spec.hidden_size, std::int64_t{2} * spec.hidden_size}});
    }
    for (int l = 0; l < spec.groups[g].layers; ++l) {
      const std::string layer = fmt::format("groups.{}.layers.{}", g, l);
      add_branch_norms(table, spec, layer + ".attn");
      add_linear(table, spec, layer + ".attn.qkv", qkv_size, spec.hidden_size);
      add_linear(table, spec, layer + ".attn.out", spec.hidden_size, spec.attention_size());
      add_branch_norms(table, spec, layer + ".mlp");
      add_linear(table, spec, layer + ".mlp.up", up_size, spec.hidden_size);
      add_linear(table, spec, layer + ".mlp.down", spec.hidden_size, spec.ffn_size);
    }
  }
  if (spec.final_norm) add_norm(table, spec, "final_norm");
  if (!spec.tied_head) table.push_back({"head.weight", {spec.vocab_size, spec.hidden_size}});
  return table;
}

std::vector<int> parse_loops(const std::string& text, const ModelSpec& spec, const std::string& flag) {
  std::vector<int> counts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    int count = 0;
    const auto [stop, failure] = std::from_chars(text.data() + begin, text.data() + end, count);
    if (failure != std::errc() || stop != text.data() + end || count < 1 || count > kMaxLoops) {
      throw Error("{}: \"{}\" is not a loop count; give one number, or one per looped group as in 4/8/4", flag, text);
    }
    counts.push_back(count);
    begin = end + 1;
  }
  const std::vector<int> looped = spec.looped_groups();
  if (counts.size() != 1 && counts.size() != looped.size()) {
    throw Error("{}: {} counts for {} looped groups; give one number, or one per looped group", flag, counts.size(),
                looped.size());
  }
  std::vector<int> loops = spec.default_loops();
  for (std::size_t i = 0; i < looped.size(); ++i) {
    loops[static_cast<std::size_t>(looped[i])] = counts.size() == 1 ? counts[0] : counts[i];
  }
  return loops;
}

}  // namespace gyre
