#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "format/tensor_store.hpp"
#include "model/mapping.hpp"
#include "model/spec.hpp"

namespace gyre {

/// A linear map of shape [out, in]; `bias` may be null.
struct Linear {
  const float* weight = nullptr;
  const float* bias = nullptr;
  std::size_t in = 0;
  std::size_t out = 0;
};

/// A norm over the state; null weight: there is none at this place.
struct Norm {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

/// Weights of one layer. A layer does not know its index: loop k of a layer uses another KV slot than loop k + 1.
struct Layer {
  Norm attention_in;
  Norm attention_out;
  Linear qkv;
  const float* q_norm = nullptr;  ///< null: none, or one without weights
  const float* k_norm = nullptr;
  Linear value_gate;                   ///< [kv_heads, kValueGateWidth]; null: no value embedding in this layer
  const float* value_embed = nullptr;  ///< [vocabulary, kv_size]
  Linear out;
  Norm mlp_in;
  Norm mlp_out;
  Linear up;
  Linear down;
};

struct GroupWeights {
  Linear inject;                 ///< for linear injection and decay
  const float* decay = nullptr;  ///< [hidden], for decay
  std::vector<Layer> layers;
  Norm loop_norm;
  Linear gate;
  Norm exit_norm;
  Linear exit;
};

/// A spec and its weights, mapped read-only and shared by all sequences. Tensors that are stored in F32 are used where
/// they lie; others are widened once.
class Model {
 public:
  /// Loads a folder (config.json of gyre or of a family in families.hpp, safetensors in one file or several) or a GGUF
  /// file. Throws Error for a missing or foreign file, a tensor that is missing, superfluous, of the wrong shape, or
  /// that holds numbers which are not finite.
  static Model load(const std::filesystem::path& path);

  /// Loops layers of a model that does not loop them: see with_loops.
  void loop_layers(std::span<const LayerLoop> runs, float damping, const std::string& flag);

  [[nodiscard]] const ModelSpec& spec() const { return spec_; }
  /// The folder or file it was loaded from.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// "gyre", or the family of the checkpoint.
  [[nodiscard]] const std::string& family() const { return family_; }
  [[nodiscard]] const float* embedding() const { return embedding_; }
  [[nodiscard]] const float* positions() const { return positions_; }  ///< null unless learned
  [[nodiscard]] const Norm& embedding_norm() const { return embedding_norm_; }
  [[nodiscard]] const std::vector<GroupWeights>& groups() const { return groups_; }
  [[nodiscard]] const Norm& final_norm() const { return final_norm_; }
  [[nodiscard]] const Linear& head() const { return head_; }

  /// The floats of a tensor of tensor_table(spec()).
  [[nodiscard]] std::span<const float> tensor(const std::string& name) const;
  [[nodiscard]] std::int64_t parameter_count() const;
  /// The type most parameters are stored in.
  [[nodiscard]] std::string_view stored_type() const;
  /// SHA-256 of the weights in hexadecimal, see TensorStore::hash.
  [[nodiscard]] std::string hash() const;

 private:
  Model(std::filesystem::path path, std::string family, Mapping mapping, TensorStore store);

  void check_names() const;
  void rename_tensors(const ModelSpec& looped);
  void bind();
  /// The floats of a tensor of the table: where they lie, or made by its recipe.
  const float* floats(const std::string& name);
  const float* found(const std::string& name);
  const float* made(const std::string& name, const Recipe& recipe, std::size_t count);
  Linear linear(const std::string& name, int out, int in, bool bias);
  Norm norm(const std::string& name);
  Layer layer(const std::string& name, const Group& group, int index);
  GroupWeights group(std::size_t index);

  std::filesystem::path path_;
  std::string family_;
  ModelSpec spec_;
  Mapping mapping_;
  TensorStore store_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;  ///< of the table
  std::map<std::string, const float*> bound_;                ///< where the floats of each lie
  std::deque<std::vector<float>> widened_;
  const float* embedding_ = nullptr;
  const float* positions_ = nullptr;
  Norm embedding_norm_;
  std::vector<GroupWeights> groups_;
  Norm final_norm_;
  Linear head_;
};

}  // namespace gyre
