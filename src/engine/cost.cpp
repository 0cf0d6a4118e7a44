#include "engine/cost.hpp"

#include <algorithm>
#include <charconv>

#include "kernels/kernels.hpp"

namespace gyre {
namespace {

/// How often a token uses a tensor, or that it takes one row of it.
struct Use {
  int times = 1;
  bool row = false;
};

/// How often one loop runs the layer of a tensor "layers.L.…"; 1 for what is of no layer.
int runs_of(std::string_view part, const Group& group) {
  constexpr std::string_view kLayers = "layers.";
  if (group.order.empty() || !part.starts_with(kLayers)) return 1;
  int layer = 0;
  std::from_chars(part.data() + kLayers.size(), part.data() + part.size(), layer);
  return static_cast<int>(std::count(group.order.begin(), group.order.end(), layer));
}

Use use_of(std::string_view name, const std::vector<Group>& groups, const std::vector<int>& loops) {
  constexpr std::string_view kGroup = "groups.";
  if (name == "embed.weight" || name == "position.weight") return {1, true};
  if (!name.starts_with(kGroup)) return {};
  std::size_t group = 0;
  const char* const end = name.data() + name.size();
  const auto [dot, failure] = std::from_chars(name.data() + kGroup.size(), end, group);
  const std::string_view part(dot + 1, static_cast<std::size_t>(end - dot - 1));
  if (part.starts_with("exit")) return {};
  if (part.starts_with("gate")) return {0};  // read only for a rule that asks
  if (part == "fast.first_state") return {};
  const int runs = part.starts_with("fast.") ? groups[group].fast.runs : runs_of(part, groups[group]);
  const int times = part.find(".loop_gate.") == std::string_view::npos ? loops[group] : loops[group] - 1;
  return {times * runs, part.ends_with("value_embed.weight")};
}

/// Numbers that the passes over one position hold at once: what Stack and LayerRunner keep between calls.
std::size_t activation_width(const ModelSpec& spec) {
  const auto hidden = static_cast<std::size_t>(spec.hidden_size);
  const auto attention = static_cast<std::size_t>(spec.attention_size());
  const auto ffn = static_cast<std::size_t>(spec.ffn_size);
  std::size_t joined = 0;
  // What the group was handed and the fast state, each kept and in use; the state before the loop, where it is read
  // behind it; a state on its way out.
  std::size_t besides = 0;
  // Kept and in use.
  const std::size_t embedded = spec.embedding_mix ? 2 * hidden : 0;
  for (const Group& group : spec.groups) {
    const bool linear = group.injection == Injection::linear;
    const bool copied = group.injection == Injection::decay || group.loop_norm || group.fast.there();
    joined = std::max(joined, linear ? 2 * hidden : copied ? hidden : 0);
    if (group.update_rank > 0) joined = std::max(joined, hidden + static_cast<std::size_t>(group.update_rank));
    std::size_t more = group.injection == Injection::none ? 0 : 2 * hidden;
    if (group.fast.there()) more += 2 * hidden;
    if (keeps_state(group)) more += hidden;
    if (group.exit_norm || group.exit_linear) more += 2 * hidden;
    more += group.skips.size() * hidden;
    if (group.first_loop_attention) more += attention;
    besides = std::max(besides, more);
  }
  // The state, kept and in use, the output of a branch and its sum; queries, keys and values; their mix.
  const std::size_t branch = 4 * hidden + attention + static_cast<std::size_t>(spec.qkv_size());
  const std::size_t widest = std::max({hidden, attention, ffn});  // what a matrix reads: in f32, and rounded to bytes
  return branch + (spec.gated_mlp() ? 2 : 1) * ffn + widest + widest / 3 + joined + besides + embedded;
}

}  // namespace

std::size_t layer_passes(const ModelSpec& spec, const std::vector<int>& loops) {
  int passes = 0;
  for (std::size_t g = 0; g < loops.size(); ++g) passes += spec.groups[g].passes() * loops[g];
  return static_cast<std::size_t>(passes);
}

TokenCost token_cost(const Model& model, const std::vector<int>& loops, int context, KvType kv_type) {
  const ModelSpec& spec = model.spec();
  TokenCost cost;
  const auto add = [&](const TensorInfo& info, Use use) {
    const auto bytes = static_cast<double>(model.held_bytes(info.name));
    if (use.row) {
      cost.weight_bytes += use.times * bytes / static_cast<double>(info.shape.front());
      return;
    }
    cost.weight_bytes += use.times * bytes;
    if (info.shape.size() > 1) cost.flops += 2.0 * use.times * static_cast<double>(elements_of(info.shape));
  };
  const std::vector<TensorInfo> table = tensor_table(spec);
  for (const TensorInfo& info : table) add(info, use_of(info.name, spec.groups, loops));
  if (spec.tied_head && !spec.encoder) add(table.front(), {});  // the table of embeddings again, as the head
  std::size_t looks = layer_passes(spec, loops);
  for (std::size_t g = 0; g < loops.size(); ++g) {
    const Group& group = spec.groups[g];
    if (group.first_loop_attention) looks += static_cast<std::size_t>(group.runs() * (loops[g] - 1));
  }
  const auto seen = static_cast<double>(looks) * context;
  cost.attention_flops = 4.0 * spec.attention_size() * seen;
  const std::size_t row = kv_row_bytes(kv_type, static_cast<std::size_t>(spec.head_size));
  cost.kv_bytes = 2.0 * static_cast<double>(row) * spec.kv_heads * seen;
  return cost;
}

MemoryNeed memory_need(const Model& model, const std::vector<int>& loops, int context, KvPolicy policy, int threads) {
  const ModelSpec& spec = model.spec();
  const auto positions = static_cast<std::size_t>(context);
  MemoryNeed need;
  for (const TensorInfo& info : tensor_table(spec)) need.weights += model.held_bytes(info.name);
  need.kv_cache = KvCache(spec, loops, 1, policy).bytes_per_token() * positions;
  const std::size_t angles = spec.position == PositionKind::learned ? 0 : static_cast<std::size_t>(spec.head_size);
  const std::size_t scores =
      static_cast<std::size_t>(threads) * attend_scratch(positions, static_cast<std::size_t>(spec.head_size));
  const auto logits = static_cast<std::size_t>(spec.encoder ? 0 : spec.vocab_size);
  const auto last = static_cast<std::size_t>(spec.hidden_size) + logits;
  need.activations = ((activation_width(spec) + angles) * positions + scores + last) * sizeof(float);
  return need;
}

}  // namespace gyre
