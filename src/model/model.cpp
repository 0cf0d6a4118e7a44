#include "model/model.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.hpp"
#include "base/sha256.hpp"

namespace gyre {
namespace {

/// Whether all numbers are finite, judged by their exponents so that no conversion is needed.
bool all_finite(const TensorView& tensor) {
  if (tensor.dtype == DType::f32) {
    bool finite = true;
    for (std::size_t i = 0; i < tensor.element_count(); ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, tensor.bytes.data() + 4 * i, sizeof bits);
      finite &= (bits & 0x7f800000U) != 0x7f800000U;
    }
    return finite;
  }
  const std::uint16_t exponent = tensor.dtype == DType::bf16 ? 0x7f80U : 0x7c00U;
  bool finite = true;
  for (std::size_t i = 0; i < tensor.element_count(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + 2 * i, sizeof bits);
    finite &= (bits & exponent) != exponent;
  }
  return finite;
}

}  // namespace

Model::Model(ModelSpec spec, std::filesystem::path folder, Safetensors file)
    : spec_(std::move(spec)), folder_(std::move(folder)), file_(std::move(file)) {}

Model Model::load(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error("{}: not a folder; a model is a folder with config.json, model.safetensors and tokenizer.json",
                folder.string());
  }
  ModelSpec spec = load_spec(folder / "config.json");
  Model model(std::move(spec), folder, Safetensors(folder / "model.safetensors"));
  model.check_tensors();
  model.bind();
  return model;
}

void Model::check_tensors() const {
  const std::string where = file_.path().string();
  const std::vector<TensorInfo> table = tensor_table(spec_);
  for (const TensorInfo& info : table) {
    const TensorView& tensor = file_.at(info.name);
    if (tensor.shape != info.shape) {
      throw Error("{}: tensor {} is {}, but config.json makes it {}; the two files belong to different models", where,
                  info.name, describe_shape(tensor.shape), describe_shape(info.shape));
    }
    if (!all_finite(tensor)) {
      throw Error("{}: tensor {} holds numbers that are not finite; the training diverged or the file is damaged",
                  where, info.name);
    }
  }
  if (file_.tensors().size() == table.size()) return;
  for (const auto& stored : file_.tensors()) {
    const std::string& name = stored.first;
    const bool known = std::any_of(table.begin(), table.end(), [&](const TensorInfo& i) { return i.name == name; });
    if (!known) throw Error("{}: tensor {} has no place in the model that config.json describes", where, name);
  }
}

const float* Model::floats(const std::string& name) {
  const TensorView& tensor = file_.at(name);
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
  const bool aligned = address % alignof(float) == 0;
  if (tensor.dtype == DType::f32 && aligned) return reinterpret_cast<const float*>(tensor.bytes.data());
  widened_.emplace_back(tensor.element_count());
  widen(tensor, widened_.back());
  return widened_.back().data();
}

Linear Model::linear(const std::string& name, int out, int in, bool bias) {
  return {floats(name + ".weight"), bias ? floats(name + ".bias") : nullptr, static_cast<std::size_t>(in),
          static_cast<std::size_t>(out)};
}

Norm Model::norm(const std::string& name) {
  return {floats(name + ".weight"), spec_.norm == NormKind::layer ? floats(name + ".bias") : nullptr};
}

Layer Model::layer(const std::string& name) {
  const bool before = norm_before_branch(spec_.norm_placement);
  const bool after = norm_after_branch(spec_.norm_placement);
  const int up_size = spec_.gated_mlp() ? 2 * spec_.ffn_size : spec_.ffn_size;
  Layer layer;
  if (before) layer.attention_in = norm(name + ".attn.norm_in");
  if (after) layer.attention_out = norm(name + ".attn.norm_out");
  layer.qkv = linear(name + ".attn.qkv", spec_.attention_size() + 2 * spec_.kv_size(), spec_.hidden_size, spec_.biases);
  layer.out = linear(name + ".attn.out", spec_.hidden_size, spec_.attention_size(), spec_.biases);
  if (before) layer.mlp_in = norm(name + ".mlp.norm_in");
  if (after) layer.mlp_out = norm(name + ".mlp.norm_out");
  layer.up = linear(name + ".mlp.up", up_size, spec_.hidden_size, spec_.biases);
  layer.down = linear(name + ".mlp.down", spec_.hidden_size, spec_.ffn_size, spec_.biases);
  return layer;
}

void Model::bind() {
  embedding_ = floats("embed.weight");
  if (spec_.position == PositionKind::learned) positions_ = floats("position.weight");
  for (std::size_t g = 0; g < spec_.groups.size(); ++g) {
    GroupWeights group;
    if (spec_.groups[g].injection == Injection::linear) {
      group.inject = linear(fmt::format("groups.{}.inject", g), spec_.hidden_size, 2 * spec_.hidden_size, false);
    }
    for (int l = 0; l < spec_.groups[g].layers; ++l) {
      group.layers.push_back(layer(fmt::format("groups.{}.layers.{}", g, l)));
    }
    groups_.push_back(std::move(group));
  }
  if (spec_.final_norm) final_norm_ = norm("final_norm");
  head_ = {spec_.tied_head ? embedding_ : floats("head.weight"), nullptr, static_cast<std::size_t>(spec_.hidden_size),
           static_cast<std::size_t>(spec_.vocab_size)};
}

std::int64_t Model::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : file_.tensors()) count += static_cast<std::int64_t>(tensor.element_count());
  return count;
}

std::string_view Model::stored_type() const {
  std::map<DType, std::size_t> counts;
  for (const auto& [name, tensor] : file_.tensors()) counts[tensor.dtype] += tensor.element_count();
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return name_of(most->first);
}

std::string Model::hash() const { return sha256(file_.file_bytes()); }

}  // namespace gyre
