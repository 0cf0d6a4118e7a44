#include "model/model.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families.hpp"
#include "model/gguf_model.hpp"
#include "model/model_path.hpp"

namespace gyre {
namespace {

/// A checkpoint in gyre's own names: every tensor is itself.
Mapping own_mapping(ModelSpec spec) {
  Mapping mapping;
  for (const TensorInfo& info : tensor_table(spec)) mapping.recipes[info.name] = {{info.name}, {}};
  mapping.spec = std::move(spec);
  return mapping;
}

ModelSpec validated(const ModelSpec& spec, const std::string& where) {
  validate(spec, where);
  return spec;
}

bool is_own(const nlohmann::json& config) {
  const auto type = config.find("model_type");
  return (config.contains("groups") || config.contains("order")) && (type == config.end() || *type == "gyre");
}

}  // namespace

Model::Model(std::filesystem::path path, std::string family, Mapping mapping, TensorStore store,
             const LoadOptions& options)
    : path_(std::move(path)),
      family_(std::move(family)),
      spec_(validated(mapping.spec, store.where())),
      notes_(mapping.notes),
      source_(std::move(store), std::move(mapping), family_),
      options_(options) {
  load_adapter();
  bind();
}

Model Model::load(const std::filesystem::path& model_path, const LoadOptions& options) {
  const std::filesystem::path path = resolve_model_path(model_path);
  if (std::filesystem::is_regular_file(path)) {
    TensorStore store{Gguf(path)};
    const Gguf& file = *store.gguf();
    if (file.has("gyre.spec")) return {path, "gyre", own_mapping(gguf_spec(file)), std::move(store), options};
    Mapping mapping = gguf_mapping(file, store);
    std::string family = file.text("general.architecture");
    return {path, std::move(family), std::move(mapping), std::move(store), options};
  }
  require_model_file(path, "config.json");
  const std::filesystem::path config_file = path / "config.json";
  const nlohmann::json config = load_json(config_file);
  if (is_own(config)) {
    ModelSpec spec = parse_spec(config, config_file.string());
    return {path, "gyre", own_mapping(std::move(spec)), TensorStore::open(path), options};
  }
  const Family& family = family_of(config, config_file.string());
  TensorStore store = TensorStore::open(path);
  Mapping mapping = map_checkpoint(family, config, store, config_file.string());
  return {path, std::string(family.name), std::move(mapping), std::move(store), options};
}

const float* Model::floats(const std::string& name) {
  // A few numbers are copied: read where they lie, they keep the large page around them in memory.
  constexpr std::size_t kLeastMapped = std::size_t{1} << 20;
  const auto parts = source_.stored(name);
  if (parts && parts->size() == 1 && parts->front().dtype == DType::f32 &&
      parts->front().bytes.size() >= kLeastMapped) {
    source_.require_finite(name);
    const std::byte* const data = parts->front().bytes.data();
    if (reinterpret_cast<std::uintptr_t>(data) % alignof(float) == 0) return reinterpret_cast<const float*>(data);
  }
  return copies_.emplace_back(source_.floats(name)).data();
}

Linear Model::linear(const std::string& name, RowRange rows, bool bias) {
  const std::string matrix = name + ".weight";
  // A gate's few weights are not worth rounding, nor are they many enough to be fast.
  const bool gate = name.ends_with("gate");
  const std::vector<HeldRows>& held = held_[matrix] =
      held_rows(source_, matrix, gate ? WeightType::f32 : options_.weights);
  Linear linear{pack_matrix(source_, matrix, rows, held, memory_), nullptr};
  linear.tensor = matrix;
  if (bias) linear.bias = floats(name + ".bias") + rows.begin;
  if (adapted(matrix)) {
    linear.adapter = &adapted_.emplace_back(AdaptedLinear{matrix, rows, adapter_of(matrix, rows)}).adapter;
  }
  return linear;
}

Linear Model::linear(const std::string& name, bool bias) {
  return linear(name, {0, static_cast<std::size_t>(source_.shape(name + ".weight").front())}, bias);
}

Norm Model::norm(const std::string& name) {
  if (!spec_.norm_weights) {
    ones_.resize(static_cast<std::size_t>(spec_.hidden_size), 1.0F);
    return {ones_.data(), nullptr};
  }
  return {floats(name + ".weight"), spec_.norm == NormKind::layer ? floats(name + ".bias") : nullptr};
}

Layer Model::layer(const std::string& name, bool value_embedding, bool window) {
  const bool before = norm_before_branch(spec_.norm_placement);
  const bool after = norm_after_branch(spec_.norm_placement);
  Layer layer;
  layer.window = window;
  if (spec_.embedding_mix) {
    layer.mix_state = floats(name + ".mix.state");
    layer.mix_embedding = floats(name + ".mix.embedding");
  }
  if (spec_.branch_scales) {
    layer.attention_scale = floats(name + ".attn.scale");
    layer.mlp_scale = floats(name + ".mlp.scale");
  }
  if (spec_.query_gain) layer.query_gain = floats(name + ".attn.query_gain");
  if (before) layer.attention_in = norm(name + ".attn.norm_in");
  if (after) layer.attention_out = norm(name + ".attn.norm_out");
  layer.qkv = linear(name + ".attn.qkv", spec_.biases || spec_.qkv_biases);
  if (spec_.qk_norm == QkNorm::head || spec_.qk_norm == QkNorm::full) {
    layer.q_norm = floats(name + ".attn.q_norm.weight");
    layer.k_norm = floats(name + ".attn.k_norm.weight");
  }
  if (value_embedding) {
    layer.value_gate = linear(name + ".attn.value_gate", false);
    layer.value_embed = floats(name + ".attn.value_embed.weight");
  }
  layer.out = linear(name + ".attn.out", spec_.biases);
  if (before) layer.mlp_in = norm(name + ".mlp.norm_in");
  if (after) layer.mlp_out = norm(name + ".mlp.norm_out");
  const auto ffn = static_cast<std::size_t>(spec_.ffn_size);
  if (spec_.gated_mlp()) {
    layer.gate = linear(name + ".mlp.up", {0, ffn}, spec_.biases);
    layer.up = linear(name + ".mlp.up", {ffn, 2 * ffn}, spec_.biases);
  } else {
    layer.up = linear(name + ".mlp.up", spec_.biases);
  }
  layer.down = linear(name + ".mlp.down", spec_.biases);
  return layer;
}

SkipWeights Model::skip(const std::string& name) {
  std::vector<float> share = source_.floats(name + ".gate");
  for (float& value : share) value = 1.0F / (1.0F + std::exp(-value));
  return {floats(name + ".weight"), copies_.emplace_back(std::move(share)).data()};
}

FastWeights Model::fast_stack(const std::string& name, int layers) {
  FastWeights weights;
  weights.first_state = floats(name + ".first_state");
  for (int l = 0; l < layers; ++l) {
    weights.layers.push_back(layer(fmt::format("{}.layers.{}", name, l), false, false));
    source_.release();
  }
  weights.norm = norm(name + ".norm");
  return weights;
}

GroupWeights Model::group(std::size_t index) {
  const Group& group = spec_.groups[index];
  const std::string name = fmt::format("groups.{}", index);
  GroupWeights weights;
  if (group.injection == Injection::linear) weights.inject = linear(name + ".inject", false);
  if (group.injection == Injection::decay) {
    weights.inject = linear(name + ".inject", false);
    weights.decay = floats(name + ".inject.decay");
  }
  if (group.fast.there()) weights.fast = fast_stack(name + ".fast", group.fast.layers);
  for (int l = 0; l < group.layers; ++l) {
    const std::string own = fmt::format("{}.layers.{}", name, l);
    weights.layers.push_back(layer(own, has_value_embedding(group, l), sees_window(group, l)));
    if (group.first_loop_attention) {
      Layer& added = weights.layers.back();
      added.loop_gate = floats(own + ".attn.loop_gate.weight");
      added.loop_gate_bias = floats(own + ".attn.loop_gate.bias");
      added.loop_window = group.loop_window;
    }
    source_.release();
  }
  for (std::size_t s = 0; s < group.skips.size(); ++s)
    weights.skips.push_back(skip(fmt::format("{}.skips.{}", name, s)));
  if (group.loop_norm) weights.loop_norm = norm(name + ".loop_norm");
  if (group.update_rank > 0) {
    weights.update = {linear(name + ".update.down", false), linear(name + ".update.up", true),
                      floats(name + ".update.decay")};
  }
  if (group.exit_gate_norm) weights.gate_norm = {floats(name + ".gate_norm.weight"), floats(name + ".gate_norm.bias")};
  if (group.exit_gate) weights.gate = linear(name + ".gate", true);
  if (group.exit_norm) weights.exit_norm = norm(name + ".exit_norm");
  if (group.exit_linear) weights.exit = linear(name + ".exit", false);
  return weights;
}

void Model::bind() {
  if (const auto parts = source_.stored("embed.weight"); parts && parts->size() == 1) {
    source_.require_finite("embed.weight");
    embedding_ = parts->front();
  } else {
    const std::span<const float> copy = copies_.emplace_back(source_.floats("embed.weight"));
    embedding_ = {DType::f32, source_.shape("embed.weight"), std::as_bytes(copy)};
  }
  source_.release();
  if (spec_.position == PositionKind::learned) positions_ = floats("position.weight");
  if (spec_.embedding_norm) embedding_norm_ = norm("embed_norm");
  for (std::size_t g = 0; g < spec_.groups.size(); ++g) groups_.push_back(group(g));
  if (spec_.final_norm) final_norm_ = norm("final_norm");
  if (!spec_.encoder) head_ = linear(spec_.tied_head ? "embed" : "head", false);
  source_.release();
}

void require_next_tokens(const Model& model) {
  if (!model.spec().encoder) return;
  throw Error("{}: this model is an encoder, which gives no next token; embed texts with gyre embed",
              model.path().string());
}

void Model::embed(std::int32_t token, std::span<float> out) const {
  widen_rows(embedding_, static_cast<std::size_t>(token), out);
}

namespace {

/// Calls visit(Linear&) for each linear map of a group that is there.
template <typename Visit>
void visit_linears(GroupWeights& group, const Visit& visit) {
  const auto visit_layers = [&](std::vector<Layer>& layers) {
    for (Layer& layer : layers) {
      for (Linear* linear : {&layer.qkv, &layer.value_gate, &layer.out, &layer.gate, &layer.up, &layer.down}) {
        if (linear->there()) visit(*linear);
      }
    }
  };
  visit_layers(group.fast.layers);
  visit_layers(group.layers);
  for (Linear* linear : {&group.inject, &group.update.down, &group.update.up, &group.gate, &group.exit}) {
    if (linear->there()) visit(*linear);
  }
}

}  // namespace

void Model::rename_tensors(const ModelSpec& looped) {
  // The tensors of both specs are the same in the same order; only their groups' numbers differ.
  const std::vector<TensorInfo> before = tensor_table(spec_);
  const std::vector<TensorInfo> after = tensor_table(looped);
  std::map<std::string, std::string> old_by_new;
  std::map<std::string, std::vector<HeldRows>> held;
  for (std::size_t i = 0; i < after.size(); ++i) {
    old_by_new[after[i].name] = before[i].name;
    if (const auto found = held_.find(before[i].name); found != held_.end()) held[after[i].name] = found->second;
  }
  source_.rename(old_by_new);
  held_ = std::move(held);
  std::map<std::string, std::vector<PlacedLowRank>> placed;
  std::map<std::string, std::string> new_by_old;
  for (const auto& [now, old] : old_by_new) {
    new_by_old[old] = now;
    if (adapted(old)) placed[now] = placed_.at(old);
  }
  for (AdaptedLinear& linear : adapted_) linear.matrix = new_by_old.at(linear.matrix);
  placed_ = std::move(placed);
  for (GroupWeights& group : groups_) {
    visit_linears(group, [&](Linear& linear) { linear.tensor = new_by_old.at(linear.tensor); });
  }
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
  groups_ = std::move(pieces);
  rename_tensors(looped);
  spec_ = std::move(looped);
}

std::size_t Model::held_bytes(const std::string& name) const {
  const std::vector<std::int64_t>& shape = source_.shape(name);
  const auto found = held_.find(name);
  if (found != held_.end()) {
    std::size_t bytes = 0;
    for (const auto& [rows, type] : found->second) {
      bytes += packed_bytes(type, rows.end - rows.begin, static_cast<std::size_t>(shape.back()));
    }
    return bytes;
  }
  if (name == "embed.weight") return embedding_.bytes.size();
  return elements_of(shape) * sizeof(float);
}

std::int64_t Model::parameter_count() const {
  std::uint64_t count = 0;
  for (const auto& [name, shape] : source_.shapes()) count += elements_of(shape);
  return static_cast<std::int64_t>(count);
}

std::string_view Model::stored_type() const {
  std::map<DType, std::size_t> counts;
  for (const auto& [name, tensor] : source_.store().tensors()) counts[tensor.dtype] += tensor.element_count();
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return name_of(most->first);
}

std::string_view Model::weight_type() const {
  std::map<WeightType, std::uint64_t> counts;
  for (const auto& [name, held] : held_) {
    const auto columns = static_cast<std::size_t>(source_.shape(name).back());
    for (const auto& [rows, type] : held) counts[type] += (rows.end - rows.begin) * columns;
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return name_of(most->first);
}

}  // namespace gyre
