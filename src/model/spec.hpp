#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
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

enum class MlpKind {
  gelu,
  gelu_tanh,
  silu_gated,  ///< down(silu(gate x) ⊙ up x)
  relu_squared,
  gelu_gated,          ///< down(gelu(gate x) ⊙ up x)
  gelu_tanh_gated,     ///< the same with the tanh form of gelu   Gemma
  leaky_relu_squared,  ///< x² above 0, (x / 2)² below   Parameter Golf
};

/// Whether queries and keys are normalised (RMS).
enum class QkNorm {
  none,
  head,          ///< each head by itself, weights [head_size], before rotation   Qwen3
  full,          ///< all heads of a token together, weights [heads · head_size], before rotation   OLMo-2
  after_rotary,  ///< each head by itself, no weights, after rotation   Parcae
};

/// What enters a group again before every loop; e is the state the group was handed.
enum class Injection {
  none,
  add,     ///< x + e
  linear,  ///< W [x ; e], W of shape [hidden, 2 hidden]
  decay,   ///< a ⊙ x + W e, a of shape [hidden], W of shape [hidden, hidden]: a stable linear system   Parcae
};

/// The state x^(0) of a group.
enum class FirstState {
  carried,  ///< the state the group was handed
  zero,
  noise,  ///< normal, a function of (noise seed, group, position, channel) alone; see base/random.hpp
};

/// Channels of its branch's input that the gate of a value embedding reads.
inline constexpr int kValueGateWidth = 32;
/// Loops of a group, and layers of a model, are at most so many.
inline constexpr int kMostLoops = 4096;
/// Sizes are at most so large: no product of them that the program forms exceeds 2^62.
inline constexpr int kMostWidth = 1 << 20;  ///< hidden_size, heads · head_size
inline constexpr int kMostFfn = 1 << 22;
inline constexpr int kMostVocab = 1 << 24;
inline constexpr int kMostContext = 1 << 24;
inline constexpr std::int64_t kMostPasses = 1 << 20;  ///< layers, counted as often as they run

/// A second, faster stack over a state z of its own, which a token begins with the vector `first_state`. It runs before
/// every loop of its group: z ← norm(stack(z + x)), `runs` times; then the loop works on x + z.   HRM (arXiv
/// 2506.21734)
struct FastStack {
  int layers = 0;  ///< 0: there is none
  int runs = 1;

  [[nodiscard]] bool there() const { return layers > 0; }
  bool operator==(const FastStack&) const = default;
};

/// A state that a later run of a layer takes back: before run `to` of a group's loop, x ← w ⊙ s + σ(g) ⊙ (x − w ⊙ s),
/// where s is the state behind run `from` of that loop and w, g are vectors of the skip's own.   Parameter Golf
struct Skip {
  int from = 0;
  int to = 0;

  bool operator==(const Skip&) const = default;
};

/// A run of layers applied `loops` times; loops = 1 is an ordinary stretch of layers.
struct Group {
  std::string name;
  int layers = 1;
  int loops = 1;
  Injection injection = Injection::none;
  FirstState first_state = FirstState::carried;
  float noise_std = 1.0F;
  bool loop_norm = false;        ///< a norm with weights of its own ends every loop
  bool exit_norm = false;        ///< a norm with weights of its own is applied once, behind the last loop
  bool exit_linear = false;      ///< and then a square linear map
  bool exit_gate = false;        ///< a gate w·x + b reads the state after every loop, for the exit rule `gate`
  float damping = 1.0F;          ///< from the second loop on: x + damping · (loop(x) − x)
  bool bare_first_loop = false;  ///< the first loop takes what the group was handed as it is, without the injection
  bool minus_state = false;      ///< a loop gives F(x) − x, x being the state that entered it   Attractor
  int update_rank = 0;  ///< above 0: x + exp(−softplus(up(down d)) ⊙ decay) ⊙ d, d = loop(x) − x   LoopUS
  bool exit_gate_norm = false;  ///< a LayerNorm stands before the exit gate, whatever the other norms are
  /// Layers (from 0) that add an embedding of the token to their values: v + 2 σ(G h) ⊙ E[token], where G reads the
  /// first kValueGateWidth channels of the branch's input.
  std::vector<int> value_layers = {};
  FastStack fast = {};
  std::vector<int> window_layers = {};  ///< layers (from 0) that see ModelSpec::window positions; the others see all
  /// From the second loop on the queries of a layer attend twice, to the keys of the first loop (which gives A) and to
  /// those of their own (B). A head gives σ(w·q + b) A + (1 − σ(w·q + b)) B, w and b being its own.   IQuest-Loop
  bool first_loop_attention = false;
  int loop_window = 0;          ///< positions that B sees, their own among them; 0: those that A sees
  std::vector<int> order = {};  ///< layers (from 0) as one loop runs them; empty: each of them once, in turn
  std::vector<Skip> skips = {};

  [[nodiscard]] bool looped() const { return loops > 1; }
  /// Runs of the group's own layers in one loop, and the layer of one of them.
  [[nodiscard]] int runs() const { return order.empty() ? layers : static_cast<int>(order.size()); }
  [[nodiscard]] int layer_of(int run) const { return order.empty() ? run : order[static_cast<std::size_t>(run)]; }
  /// Passes of layers in one loop, those of the fast stack behind the group's own: each keeps keys and values.
  [[nodiscard]] int passes() const { return runs() + fast.layers * fast.runs; }
  bool operator==(const Group&) const = default;
};

/// Whether layer `layer` of a group is among its value_layers, or its window_layers.
bool has_value_embedding(const Group& group, int layer);
bool sees_window(const Group& group, int layer);

/// Whether a loop of the group reads the state that entered it once more behind its layers, or its injection.
bool keeps_state(const Group& group);

/// A group whose layers run once.
Group plain_group(std::string name, int layers);

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
  bool norm_weights = true;  ///< false: norms only scale to unit size (RMS)
  bool final_norm = true;
  bool embedding_norm = false;
  QkNorm qk_norm = QkNorm::none;
  float qk_norm_eps = 1e-5F;
  /// Each channel of the heads' output is scaled by σ(G h), h being the branch's input; the rows of G are behind those
  /// of queries, keys and values.
  bool attention_gate = false;
  /// Trained with prompts whose tokens see one another whole: a run may ask for that.
  bool prefix_lm = false;
  /// Every token of a text sees all of them, and there is no head: the model gives states, and no next token.   BERT
  bool encoder = false;

  PositionKind position = PositionKind::rotary_half;
  float rotary_theta = 10000.0F;
  std::vector<float> rotary_divisors;  ///< one a pair, dividing its frequency; empty: none does
  int rotary_channels = 0;             ///< of a head that turn, the first ones; 0: all
  float rotary_scale = 1.0F;           ///< of cosines and sines   yarn, longrope: "attention factor"
  /// Sequences with room for more positions turn by other divisors, or (arXiv 2309.00071, "NTK by length") by
  /// theta · (growth · length / rotary_context − (growth − 1))^(c / (c − 2)), c the channels that turn. 0: all alike.
  int rotary_context = 0;
  std::vector<float> rotary_long_divisors;  ///< empty: rotary_divisors hold for all
  float rotary_growth = 0;                  ///< 0: theta holds for all

  int window = 0;             ///< positions that layers of Group::window_layers see, their own among them
  float window_theta = 0;     ///< rotary theta of those layers, undivided and not scaled; 0: they turn as the others do
  float attention_scale = 0;  ///< of scores; 0: 1 / √head_size
  bool rotary_bf16 = false;   ///< cos and sin are rounded to bfloat16, of angles made in f32

  MlpKind mlp = MlpKind::silu_gated;
  bool biases = false;      ///< on every linear map inside layers
  bool qkv_biases = false;  ///< on queries, keys and values alone
  bool tied_head = true;
  float logit_softcap = 0;  ///< c: logits become c · tanh(logits / c); 0: none
  float embedding_scale = 1.0F;

  /// Before every run of a layer x ← m ⊙ x + n ⊙ e, where e is the embedding of the token as it enters the first group
  /// and m, n are vectors of the layer's own.
  bool embedding_mix = false;
  bool branch_scales = false;  ///< what a branch adds is multiplied by a vector of its own
  bool query_gain = false;     ///< queries of a head, turned and normalised, are multiplied by a number of its own

  std::vector<Group> groups;

  [[nodiscard]] int kv_size() const { return kv_heads * head_size; }
  [[nodiscard]] int attention_size() const { return heads * head_size; }
  /// Rows of the matrix that makes queries, keys, values and the gate of a token.
  [[nodiscard]] int qkv_size() const { return attention_size() * (attention_gate ? 2 : 1) + 2 * kv_size(); }
  [[nodiscard]] bool gated_mlp() const {
    return mlp == MlpKind::silu_gated || mlp == MlpKind::gelu_gated || mlp == MlpKind::gelu_tanh_gated;
  }
  /// Channels of a head that turn.
  [[nodiscard]] int turned_channels() const { return rotary_channels > 0 ? rotary_channels : head_size; }
  /// Positions up to which all sequences turn as the model was trained to.
  [[nodiscard]] int trained_context() const { return rotary_context > 0 ? rotary_context : context; }
  /// Loops of every group, in order: the default depth.
  [[nodiscard]] std::vector<int> default_loops() const;
  /// Indices of the groups with more than one loop.
  [[nodiscard]] std::vector<int> looped_groups() const;

  bool operator==(const ModelSpec&) const = default;
};

/// Reads a spec from JSON, its groups as they are, or cut from an `order` (see cut_order). `where` (a file name) leads
/// every message. Throws Error naming the key that is missing,
/// unknown, of the wrong type, or out of range.
ModelSpec parse_spec(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const ModelSpec& spec);
ModelSpec load_spec(const std::filesystem::path& file);

/// Throws Error naming the key when the numbers contradict each other.
void validate(const ModelSpec& spec, const std::string& where);

/// Cuts layers out of groups of one loop and loops each run by itself; the first loop is the model's own pass. Throws
/// Error naming `flag` when a run is outside the model, overlaps another, or lies in a looped group.
struct LayerLoop {
  int first = 0;  ///< counted through the whole model, from 0
  int last = 0;
  int loops = 1;
};
/// "10-13x4", or several: "4x2,10-13x4".
std::vector<LayerLoop> parse_layer_loops(const std::string& text, const std::string& flag);
ModelSpec with_loops(const ModelSpec& spec, std::span<const LayerLoop> runs, float damping, const std::string& flag);

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
