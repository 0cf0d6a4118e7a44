#include "model/model.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families.hpp"
#include "model/gguf_model.hpp"

namespace gyre {
namespace {

std::size_t numbers_in(std::span<const std::int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, [](std::size_t product, std::int64_t size) {
    return product * static_cast<std::size_t>(size);
  });
}

/// A checkpoint in gyre's own names: every tensor is itself.
Mapping own_mapping(ModelSpec spec) {
  Mapping mapping;
  for (const TensorInfo& info : tensor_table(spec)) mapping.recipes[info.name] = {{info.name}, {}};
  mapping.spec = std::move(spec);
  return mapping;
}

bool is_own(const nlohmann::json& config) {
  const auto type = config.find("model_type");
  return config.contains("groups") && (type == config.end() || *type == "gyre");
}

}  // namespace

Model::Model(std::filesystem::path path, std::string family, Mapping mapping, TensorStore store)
    : path_(std::move(path)),
      family_(std::move(family)),
      spec_(mapping.spec),
      mapping_(std::move(mapping)),
      store_(std::move(store)) {
  validate(spec_, store_.where());
  for (TensorInfo& info : tensor_table(spec_)) shapes_[info.name] = std::move(info.shape);
  check_names();
  bind();
}

Model Model::load(const std::filesystem::path& path) {
  if (std::filesystem::is_regular_file(path)) {
    Gguf file(path);
    if (file.has("gyre.spec")) {
      ModelSpec spec = gguf_spec(file);
      return {path, "gyre", own_mapping(std::move(spec)), TensorStore(std::move(file))};
    }
    Mapping mapping = gguf_mapping(file);
    std::string family = file.text("general.architecture");
    return {path, std::move(family), std::move(mapping), TensorStore(std::move(file))};
  }
  if (!std::filesystem::is_directory(path)) {
    throw Error(
        "{}: not there; a model is a GGUF file, or a folder with config.json, model.safetensors and tokenizer.json",
        path.string());
  }
  const std::filesystem::path config_file = path / "config.json";
  const nlohmann::json config = load_json(config_file);
  if (is_own(config)) {
    ModelSpec spec = parse_spec(config, config_file.string());
    return {path, "gyre", own_mapping(std::move(spec)), TensorStore::open(path)};
  }
  const Family& family = family_of(config, config_file.string());
  TensorStore store = TensorStore::open(path);
  Mapping mapping = family.map(config, store, config_file.string());
  return {path, std::string(family.name), std::move(mapping), std::move(store)};
}

void Model::check_names() const {
  std::set<std::string> known(mapping_.unused.begin(), mapping_.unused.end());
  for (const auto& [name, shape] : shapes_) {
    const auto recipe = mapping_.recipes.find(name);
    if (recipe == mapping_.recipes.end()) {
      throw Error("{}: the {} family has no source for tensor {}", store_.where(), family_, name);
    }
    known.insert(recipe->second.parts.begin(), recipe->second.parts.end());
  }
  for (const auto& [name, tensor] : store_.tensors()) {
    if (!known.contains(name)) {
      throw Error("{}: tensor {} has no place in the model that its configuration describes", store_.where(), name);
    }
  }
}

const float* Model::made(const std::string& name, const Recipe& recipe, std::size_t count) {
  std::vector<std::vector<float>> parts;
  std::string shapes;
  std::size_t total = 0;
  for (const std::string& part : recipe.parts) {
    const TensorView& tensor = store_.at(part);
    shapes += (shapes.empty() ? "" : ", ") + describe_shape(tensor.shape);
    parts.emplace_back(tensor.element_count());
    total += tensor.element_count();
    widen(tensor, parts.back());
  }
  std::vector<float>& made = widened_.emplace_back(count);
  bool fits = recipe.arrange ? recipe.arrange(parts, made) : total == count;
  if (fits && !recipe.arrange) {
    auto to = made.begin();
    for (const std::vector<float>& part : parts) to = std::copy(part.begin(), part.end(), to);
  }
  if (!fits) {
    throw Error("{}: tensor {} of shape {} does not make {} of {}; the configuration belongs to another model",
                store_.where(), recipe.parts.front(), shapes, name, describe_shape(shapes_.at(name)));
  }
  return made.data();
}

const float* Model::floats(const std::string& name) { return bound_[name] = found(name); }

const float* Model::found(const std::string& name) {
  const Recipe& recipe = mapping_.recipes.at(name);
  const std::vector<std::int64_t>& shape = shapes_.at(name);
  for (const std::string& part : recipe.parts) {
    if (is_finite(store_.at(part))) continue;
    throw Error("{}: tensor {} holds numbers that are not finite; the training diverged or the file is damaged",
                store_.where(), part);
  }
  if (recipe.arrange || recipe.parts.size() > 1) return made(name, recipe, numbers_in(shape));
  const TensorView& tensor = store_.at(recipe.parts.front());
  if (tensor.shape != shape) {
    throw Error("{}: tensor {} is {}, but config.json makes it {}; the two files belong to different models",
                store_.where(), recipe.parts.front(), describe_shape(tensor.shape), describe_shape(shape));
  }
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
  const bool aligned = address % alignof(float) == 0;
  if (tensor.dtype == DType::f32 && aligned) return reinterpret_cast<const float*>(tensor.bytes.data());
  return made(name, recipe, numbers_in(shape));
}

Linear Model::linear(const std::string& name, int out, int in, bool bias) {
  return {floats(name + ".weight"), bias ? floats(name + ".bias") : nullptr, static_cast<std::size_t>(in),
          static_cast<std::size_t>(out)};
}

Norm Model::norm(const std::string& name) {
  return {floats(name + ".weight"), spec_.norm == NormKind::layer ? floats(name + ".bias") : nullptr};
}

Layer Model::layer(const std::string& name, const Group& group, int index) {
  const bool before = norm_before_branch(spec_.norm_placement);
  const bool after = norm_after_branch(spec_.norm_placement);
  const int up_size = spec_.gated_mlp() ? 2 * spec_.ffn_size : spec_.ffn_size;
  Layer layer;
  if (before) layer.attention_in = norm(name + ".attn.norm_in");
  if (after) layer.attention_out = norm(name + ".attn.norm_out");
  layer.qkv = linear(name + ".attn.qkv", spec_.attention_size() + 2 * spec_.kv_size(), spec_.hidden_size,
                     spec_.biases || spec_.qkv_biases);
  if (spec_.qk_norm == QkNorm::head || spec_.qk_norm == QkNorm::full) {
    layer.q_norm = floats(name + ".attn.q_norm.weight");
    layer.k_norm = floats(name + ".attn.k_norm.weight");
  }
  if (std::find(group.value_layers.begin(), group.value_layers.end(), index) != group.value_layers.end()) {
    layer.value_gate = linear(name + ".attn.value_gate", spec_.kv_heads, kValueGateWidth, false);
    layer.value_embed = floats(name + ".attn.value_embed.weight");
  }
  layer.out = linear(name + ".attn.out", spec_.hidden_size, spec_.attention_size(), spec_.biases);
  if (before) layer.mlp_in = norm(name + ".mlp.norm_in");
  if (after) layer.mlp_out = norm(name + ".mlp.norm_out");
  layer.up = linear(name + ".mlp.up", up_size, spec_.hidden_size, spec_.biases);
  layer.down = linear(name + ".mlp.down", spec_.hidden_size, spec_.ffn_size, spec_.biases);
  return layer;
}

GroupWeights Model::group(std::size_t index) {
  const Group& group = spec_.groups[index];
  const int hidden = spec_.hidden_size;
  const std::string name = fmt::format("groups.{}", index);
  GroupWeights weights;
  if (group.injection == Injection::linear) weights.inject = linear(name + ".inject", hidden, 2 * hidden, false);
  if (group.injection == Injection::decay) {
    weights.inject = linear(name + ".inject", hidden, hidden, false);
    weights.decay = floats(name + ".inject.decay");
  }
  for (int l = 0; l < group.layers; ++l) {
    weights.layers.push_back(layer(fmt::format("{}.layers.{}", name, l), group, l));
  }
  if (group.loop_norm) weights.loop_norm = norm(name + ".loop_norm");
  if (group.exit_gate) weights.gate = linear(name + ".gate", 1, hidden, true);
  if (group.exit_norm) weights.exit_norm = norm(name + ".exit_norm");
  if (group.exit_linear) weights.exit = linear(name + ".exit", hidden, hidden, false);
  return weights;
}

void Model::bind() {
  embedding_ = floats("embed.weight");
  if (spec_.position == PositionKind::learned) positions_ = floats("position.weight");
  if (spec_.embedding_norm) embedding_norm_ = norm("embed_norm");
  for (std::size_t g = 0; g < spec_.groups.size(); ++g) groups_.push_back(group(g));
  if (spec_.final_norm) final_norm_ = norm("final_norm");
  head_ = {spec_.tied_head ? embedding_ : floats("head.weight"), nullptr, static_cast<std::size_t>(spec_.hidden_size),
           static_cast<std::size_t>(spec_.vocab_size)};
}

void Model::rename_tensors(const ModelSpec& looped) {
  // The tensors of both specs are the same in the same order; only their groups' numbers differ.
  const std::vector<TensorInfo> before = tensor_table(spec_);
  const std::vector<TensorInfo> after = tensor_table(looped);
  std::map<std::string, const float*> bound;
  shapes_.clear();
  for (std::size_t i = 0; i < after.size(); ++i) {
    bound[after[i].name] = bound_.at(before[i].name);
    shapes_[after[i].name] = after[i].shape;
  }
  bound_ = std::move(bound);
}

void Model::loop_layers(std::span<const LayerLoop> runs, float damping, const std::string& flag) {
  ModelSpec looped = with_loops(spec_, runs, damping, flag);
  std::vector<GroupWeights> pieces;
  std::size_t from = 0;  // the group that is being cut, and how many of its layers are gone
  std::size_t taken = 0;
  for (const Group& group : looped.groups) {
    GroupWeights piece = groups_[from];
    const auto first = groups_[from].layers.begin() + static_cast<std::ptrdiff_t>(taken);
    piece.layers.assign(first, first + group.layers);
    pieces.push_back(std::move(piece));
    taken += static_cast<std::size_t>(group.layers);
    if (taken == groups_[from].layers.size()) {
      ++from;
      taken = 0;
    }
  }
  rename_tensors(looped);
  spec_ = std::move(looped);
  groups_ = std::move(pieces);
}

std::span<const float> Model::tensor(const std::string& name) const {
  return {bound_.at(name), numbers_in(shapes_.at(name))};
}

std::int64_t Model::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& [name, shape] : shapes_) count += static_cast<std::int64_t>(numbers_in(shape));
  return count;
}

std::string_view Model::stored_type() const {
  std::map<DType, std::size_t> counts;
  for (const auto& [name, tensor] : store_.tensors()) counts[tensor.dtype] += tensor.element_count();
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return name_of(most->first);
}

std::string Model::hash() const { return store_.hash(); }

}  // namespace gyre
