#include "base/error.hpp"
#include "model/spec.hpp"

namespace gyre {
namespace {

/// Appends the tensors of one norm: a weight unless norms have none, and for LayerNorm a bias.
void add_norm(std::vector<TensorInfo>& table, const ModelSpec& spec, const std::string& name) {
  if (!spec.norm_weights) return;
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

void add_attention(std::vector<TensorInfo>& table, const ModelSpec& spec, bool value_embedding,
                   const std::string& name) {
  const int qkv_size = spec.qkv_size();
  add_branch_norms(table, spec, name);
  add_linear(table, spec, name + ".qkv", qkv_size, spec.hidden_size);
  if (spec.qkv_biases && !spec.biases) table.push_back({name + ".qkv.bias", {qkv_size}});
  if (spec.qk_norm == QkNorm::head || spec.qk_norm == QkNorm::full) {
    const bool whole = spec.qk_norm == QkNorm::full;
    table.push_back({name + ".q_norm.weight", {whole ? spec.attention_size() : spec.head_size}});
    table.push_back({name + ".k_norm.weight", {whole ? spec.kv_size() : spec.head_size}});
  }
  if (spec.query_gain) table.push_back({name + ".query_gain", {spec.heads}});
  if (value_embedding) {
    table.push_back({name + ".value_gate.weight", {spec.kv_heads, kValueGateWidth}});
    table.push_back({name + ".value_embed.weight", {spec.vocab_size, spec.kv_size()}});
  }
  add_linear(table, spec, name + ".out", spec.hidden_size, spec.attention_size());
}

void add_layer(std::vector<TensorInfo>& table, const ModelSpec& spec, bool value_embedding, const std::string& name) {
  const int up_size = spec.gated_mlp() ? 2 * spec.ffn_size : spec.ffn_size;
  if (spec.embedding_mix) {
    table.push_back({name + ".mix.state", {spec.hidden_size}});
    table.push_back({name + ".mix.embedding", {spec.hidden_size}});
  }
  add_attention(table, spec, value_embedding, name + ".attn");
  if (spec.branch_scales) table.push_back({name + ".attn.scale", {spec.hidden_size}});
  add_branch_norms(table, spec, name + ".mlp");
  add_linear(table, spec, name + ".mlp.up", up_size, spec.hidden_size);
  add_linear(table, spec, name + ".mlp.down", spec.hidden_size, spec.ffn_size);
  if (spec.branch_scales) table.push_back({name + ".mlp.scale", {spec.hidden_size}});
}

void add_fast_stack(std::vector<TensorInfo>& table, const ModelSpec& spec, const FastStack& fast,
                    const std::string& name) {
  if (!fast.there()) return;
  table.push_back({name + ".first_state", {spec.hidden_size}});
  for (int l = 0; l < fast.layers; ++l) add_layer(table, spec, false, fmt::format("{}.layers.{}", name, l));
  add_norm(table, spec, name + ".norm");
}

/// What a group holds besides its layers: before them.
void add_entry(std::vector<TensorInfo>& table, const ModelSpec& spec, const Group& group, const std::string& name) {
  const std::int64_t hidden = spec.hidden_size;
  if (group.injection == Injection::linear) table.push_back({name + ".inject.weight", {hidden, 2 * hidden}});
  if (group.injection == Injection::decay) {
    table.push_back({name + ".inject.decay", {hidden}});
    table.push_back({name + ".inject.weight", {hidden, hidden}});
  }
}

/// And behind them.
void add_exit(std::vector<TensorInfo>& table, const ModelSpec& spec, const Group& group, const std::string& name) {
  const std::int64_t hidden = spec.hidden_size;
  if (group.loop_norm) add_norm(table, spec, name + ".loop_norm");
  if (group.update_rank > 0) {
    table.push_back({name + ".update.down.weight", {group.update_rank, hidden}});
    table.push_back({name + ".update.up.weight", {hidden, group.update_rank}});
    table.push_back({name + ".update.up.bias", {hidden}});
    table.push_back({name + ".update.decay", {hidden}});
  }
  if (group.exit_gate_norm) {
    table.push_back({name + ".gate_norm.weight", {hidden}});
    table.push_back({name + ".gate_norm.bias", {hidden}});
  }
  if (group.exit_gate) {
    table.push_back({name + ".gate.weight", {1, hidden}});
    table.push_back({name + ".gate.bias", {1}});
  }
  if (group.exit_norm) add_norm(table, spec, name + ".exit_norm");
  if (group.exit_linear) table.push_back({name + ".exit.weight", {hidden, hidden}});
}

}  // namespace

std::vector<TensorInfo> tensor_table(const ModelSpec& spec) {
  std::vector<TensorInfo> table;
  table.push_back({"embed.weight", {spec.vocab_size, spec.hidden_size}});
  if (spec.position == PositionKind::learned) {
    table.push_back({"position.weight", {spec.context, spec.hidden_size}});
  }
  if (spec.embedding_norm) add_norm(table, spec, "embed_norm");
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    const Group& group = spec.groups[g];
    const std::string name = fmt::format("groups.{}", g);
    add_entry(table, spec, group, name);
    add_fast_stack(table, spec, group.fast, name + ".fast");
    for (int l = 0; l < group.layers; ++l) {
      const std::string layer = fmt::format("{}.layers.{}", name, l);
      add_layer(table, spec, has_value_embedding(group, l), layer);
      if (!group.first_loop_attention) continue;
      table.push_back({layer + ".attn.loop_gate.weight", {spec.heads, spec.head_size}});
      table.push_back({layer + ".attn.loop_gate.bias", {spec.heads}});
    }
    for (std::size_t s = 0; s < group.skips.size(); ++s) {
      table.push_back({fmt::format("{}.skips.{}.weight", name, s), {spec.hidden_size}});
      table.push_back({fmt::format("{}.skips.{}.gate", name, s), {spec.hidden_size}});
    }
    add_exit(table, spec, group, name);
  }
  if (spec.final_norm) add_norm(table, spec, "final_norm");
  if (!spec.tied_head) table.push_back({"head.weight", {spec.vocab_size, spec.hidden_size}});
  return table;
}

}  // namespace gyre
