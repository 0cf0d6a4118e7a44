#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/adapter.hpp"
#include "model/low_rank.hpp"
#include "model/spec.hpp"
#include "model/tensor_source.hpp"
#include "model/weights.hpp"

namespace gyre {

/// A linear map of shape [out, in]; `bias` may be null.
struct Linear {
  PackedMatrix weight;
  const float* bias = nullptr;
  const LinearAdapter* adapter = nullptr;  ///< null: none changes it
  std::string tensor = {};                 ///< of tensor_table(), whose rows it has, or some of them

  [[nodiscard]] std::size_t in() const { return weight.columns; }
  [[nodiscard]] std::size_t out() const { return weight.rows; }
  [[nodiscard]] bool there() const { return weight.data != nullptr; }
};

/// A norm over the state; null weight: there is none at this place.
struct Norm {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

/// Weights of one layer. A layer does not know its index: loop k of a layer uses another KV slot than loop k + 1.
struct Layer {
  bool window = false;               ///< sees ModelSpec::window positions
  const float* mix_state = nullptr;  ///< [hidden], and of the embedding; null: no mix
  const float* mix_embedding = nullptr;
  Norm attention_in;
  Norm attention_out;
  Linear qkv;
  const float* q_norm = nullptr;  ///< null: none, or one without weights
  const float* k_norm = nullptr;
  const float* query_gain = nullptr;       ///< [heads]; null: none
  const float* loop_gate = nullptr;        ///< [heads, head_size]; null: no Group::first_loop_attention
  const float* loop_gate_bias = nullptr;   ///< [heads]
  int loop_window = 0;                     ///< that of its group
  const float* attention_scale = nullptr;  ///< [hidden], of what the branch adds; null: none
  const float* mlp_scale = nullptr;
  Linear value_gate;                   ///< [kv_heads, kValueGateWidth]; absent: no value embedding in this layer
  const float* value_embed = nullptr;  ///< [vocabulary, kv_size]
  Linear out;
  Norm mlp_in;
  Norm mlp_out;
  Linear gate;  ///< absent unless the MLP is gated
  Linear up;
  Linear down;
};

/// A fast stack's layers, and what ends each of its runs.
struct FastWeights {
  const float* first_state = nullptr;  ///< [hidden]
  std::vector<Layer> layers;
  Norm norm;
};

/// What decides how much of a loop's change a state takes: see Group::update_rank.
struct UpdateWeights {
  Linear down;
  Linear up;
  const float* decay = nullptr;  ///< [hidden]
};

/// Of a Skip.
struct SkipWeights {
  const float* weight = nullptr;  ///< [hidden]
  const float* share = nullptr;   ///< [hidden], of the state that the run would have had: σ of the gate
};

struct GroupWeights {
  FastWeights fast;              ///< without layers: there is none
  Linear inject;                 ///< for linear injection and decay
  const float* decay = nullptr;  ///< [hidden], for decay
  std::vector<Layer> layers;
  std::vector<SkipWeights> skips;  ///< as the group has them
  Norm loop_norm;
  UpdateWeights update;
  Norm gate_norm;
  Linear gate;
  Norm exit_norm;
  Linear exit;
};

/// How a model is loaded.
struct LoadOptions {
  std::optional<WeightType> weights = {};  ///< what its matrices are rounded to; nothing: as they are stored
  std::filesystem::path adapter = {};      ///< folder of an adapter that is run beside the weights; empty: none
  const Adapter* parts = nullptr;          ///< an adapter that is no folder, in its place; null: none
};

/// A spec and its weights, read-only and shared by all sequences. Matrices are packed for the kernels in the type they
/// are stored in (others than those of WeightType are widened to f32); the table of embeddings stays in the file.
class Model {
 public:
  /// Loads a folder (config.json of gyre or of a family in families.hpp, safetensors in one file or several) or a GGUF
  /// file. Throws Error for a missing or foreign file, a tensor that is missing, superfluous, of the wrong shape, or
  /// that holds numbers which are not finite.
  static Model load(const std::filesystem::path& model_path, const LoadOptions& options = {});

  /// Loops layers of a model that does not loop them: see with_loops.
  void loop_layers(std::span<const LayerLoop> runs, float damping, const std::string& flag);

  [[nodiscard]] const ModelSpec& spec() const { return spec_; }
  /// The folder or file it was loaded from.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// "gyre", or the family of the checkpoint.
  [[nodiscard]] const std::string& family() const { return family_; }
  /// Where a run of it differs from one by its authors' program, a sentence each.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  /// The embedding of a token: `out` holds hidden_size floats.
  void embed(std::int32_t token, std::span<float> out) const;
  [[nodiscard]] const float* positions() const { return positions_; }  ///< null unless learned
  [[nodiscard]] const Norm& embedding_norm() const { return embedding_norm_; }
  [[nodiscard]] const std::vector<GroupWeights>& groups() const { return groups_; }
  [[nodiscard]] const Norm& final_norm() const { return final_norm_; }
  [[nodiscard]] const Linear& head() const { return head_; }  ///< absent in encoders

  /// The checkpoint behind it, in the names of tensor_table(spec()).
  [[nodiscard]] const TensorSource& source() const { return source_; }
  /// The numbers of a tensor of tensor_table(spec()), as they are stored;
  /// with an adapter merged into them. Throws Error when that has a set for each loop.
  [[nodiscard]] std::vector<float> tensor(const std::string& name) const;
  /// Whether an adapter changes that tensor.
  [[nodiscard]] bool adapted(const std::string& name) const { return placed_.contains(name); }
  /// The linear maps that an adapter may change.
  [[nodiscard]] std::map<std::string, ModulePlace> adaptable() const { return adaptable_modules(source_); }
  /// Runs these parts from now on, in place of those before. Not while an engine is at work. Throws Error when they do
  /// not fit; then nothing is changed.
  void set_adapter(const Adapter& adapter, const std::string& where);
  /// SHA-256 of the adapter's file; empty without one.
  [[nodiscard]] const std::string& adapter_hash() const { return adapter_hash_; }
  /// The matrices as the kernels read them.
  [[nodiscard]] const WeightMemory& packed_weights() const { return memory_; }
  /// Bytes of a tensor of tensor_table(spec()) as it is computed with.
  [[nodiscard]] std::size_t held_bytes(const std::string& name) const;
  [[nodiscard]] std::int64_t parameter_count() const;
  /// The type most parameters are stored in, and the one most are computed with.
  [[nodiscard]] std::string_view stored_type() const;
  [[nodiscard]] std::string_view weight_type() const;
  /// SHA-256 of the weights in hexadecimal, see TensorStore::hash; with an adapter that of both of theirs, one behind
  /// the other.
  [[nodiscard]] std::string hash() const;

 private:
  Model(std::filesystem::path path, std::string family, Mapping mapping, TensorStore store, const LoadOptions& options);

  /// Finds the rows that the parts of an adapter change.
  static std::map<std::string, std::vector<PlacedLowRank>> placed(const Adapter& adapter,
                                                                  const std::map<std::string, ModulePlace>& modules);
  void load_adapter();
  [[nodiscard]] LinearAdapter adapter_of(const std::string& matrix, RowRange rows) const;
  void rename_tensors(const ModelSpec& looped);
  void bind();
  /// The floats of a tensor that is no matrix: where they lie in the file, or a copy.
  const float* floats(const std::string& name);
  Linear linear(const std::string& name, bool bias);
  /// Some rows of a matrix and of its bias.
  Linear linear(const std::string& name, RowRange rows, bool bias);
  Norm norm(const std::string& name);
  Layer layer(const std::string& name, bool value_embedding, bool window);
  SkipWeights skip(const std::string& name);
  FastWeights fast_stack(const std::string& name, int layers);
  GroupWeights group(std::size_t index);

  std::filesystem::path path_;
  std::string family_;
  ModelSpec spec_;
  std::vector<std::string> notes_;
  TensorSource source_;
  LoadOptions options_;
  WeightMemory memory_;
  std::map<std::string, std::vector<HeldRows>> held_;  ///< how the matrices are held
  std::deque<std::vector<float>> copies_;
  std::vector<float> ones_;                                   ///< [hidden]: what norms without weights multiply by
  std::map<std::string, std::vector<PlacedLowRank>> placed_;  ///< by the tensor they change
  /// What adapters do to each matrix of a layer, at addresses that stay.
  struct AdaptedLinear {
    std::string matrix;
    RowRange rows;
    LinearAdapter adapter;
  };
  std::deque<AdaptedLinear> adapted_;
  std::string adapter_hash_;
  TensorView embedding_;
  const float* positions_ = nullptr;
  Norm embedding_norm_;
  std::vector<GroupWeights> groups_;
  Norm final_norm_;
  Linear head_;
};

/// Throws Error naming the model when it is an encoder.
void require_next_tokens(const Model& model);

}  // namespace gyre
