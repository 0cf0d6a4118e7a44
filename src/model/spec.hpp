#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace gyre {

enum class NormKind { layer, rms };

/// Where a layer normalises, for each branch f (attention, then MLP):
enum class NormPlacement {
  pre,          ///< x + f(n(x))
  post,         ///< n(x + f(x))
  sandwich,     ///< n2(x + f(n1(x)))   Huginn
  branch,       ///< x + n2(f(n1(x)))   Ouro
  post_branch,  ///< x + n(f(x))        OLMo-2
};

/// Whether a branch has a norm on its input, and one on its output or on the sum.
bool norm_before_branch(NormPlacement placement);
bool norm_after_branch(NormPlacement placement);

enum class PositionKind {
  learned,          ///< a table added to the embedding
  rotary_half,      ///< rotary, pairs (i, i + head_size/2)
  rotary_adjacent,  ///< rotary, pairs (2i, 2i + 1)
};

enum class MlpKind { gelu, gelu_tanh, silu_gated, relu_squared };

/// What enters a group again before every loop; e is the state the group was handed.
enum class Injection {
  none,
  add,     ///< x + e
  linear,  ///< W [x ; e], W of shape [hidden, 2 hidden]
};

/// The state x^(0) of a group.
enum class FirstState {
  carried,  ///< the state the group was handed
  zero,
  noise,  ///< normal, a function of (noise seed, group, position, channel) alone; see base/random.hpp
};

/// A run of layers applied `loops` times; loops = 1 is an ordinary stretch of layers.
struct Group {
  std::string name;
  int layers = 1;
  int loops = 1;
  Injection injection = Injection::none;
  FirstState first_state = FirstState::carried;
  float noise_std = 1.0F;

  [[nodiscard]] bool looped() const { return loops > 1; }
  bool operator==(const Group&) const = default;
};

/// What a model is: dimensions, norms, positions and its stack of groups. Plain data, shared by engine and trainer.
struct ModelSpec {
  std::string name;
  int vocab_size = 0;
  int context = 0;      ///< most positions a sequence may have
  int hidden_size = 0;  ///< width of the state
  int heads = 0;
  int kv_heads = 0;  ///< divides heads
  int head_size = 0;
  int ffn_size = 0;

  NormKind norm = NormKind::rms;
  NormPlacement norm_placement = NormPlacement::pre;
  float norm_eps = 1e-5F;
  bool final_norm = true;

  PositionKind position = PositionKind::rotary_half;
  float rotary_theta = 10000.0F;

  MlpKind mlp = MlpKind::silu_gated;
  bool biases = false;  ///< on every linear map inside layers
  bool tied_head = true;
  float embedding_scale = 1.0F;

  std::vector<Group> groups;

  [[nodiscard]] int kv_size() const { return kv_heads * head_size; }
  [[nodiscard]] int attention_size() const { return heads * head_size; }
  [[nodiscard]] bool gated_mlp() const { return mlp == MlpKind::silu_gated; }
  [[nodiscard]] int layer_count() const;
  /// Loops of every group, in order: the default depth.
  [[nodiscard]] std::vector<int> default_loops() const;
  /// Indices of the groups with more than one loop.
  [[nodiscard]] std::vector<int> looped_groups() const;

  bool operator==(const ModelSpec&) const = default;
};

/// Reads a spec from JSON. `where` (a file name) leads every message. Throws Error naming the key that is missing,
/// unknown, of the wrong type, or out of range.
ModelSpec parse_spec(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const ModelSpec& spec);
ModelSpec load_spec(const std::filesystem::path& file);

/// Throws Error naming the key when the numbers contradict each other.
void validate(const ModelSpec& spec, const std::string& where);

/// One tensor of a checkpoint, by the name under which it is stored.
struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Every tensor of a model of this spec, in the order of computation. The one table that loading, training and
/// checking share.
std::vector<TensorInfo> tensor_table(const ModelSpec& spec);

/// Loops per group from a user's text: "8" for every looped group, or one count per looped group "4/8/4".
/// Throws Error naming `flag`.
std::vector<int> parse_loops(const std::string& text, const ModelSpec& spec, const std::string& flag);

}  // namespace gyre
