#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "format/safetensors.hpp"
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
  Linear out;
  Norm mlp_in;
  Norm mlp_out;
  Linear up;
  Linear down;
};

struct GroupWeights {
  Linear inject;  ///< only for linear injection
  std::vector<Layer> layers;
};

/// A spec and its weights, mapped read-only and shared by all sequences. Tensors that are stored in F32 are used where
/// they lie; others are widened once.
class Model {
 public:
  /// Loads a model folder (config.json, model.safetensors). Throws Error for a missing or foreign file, a tensor that
  /// is missing, superfluous, of the wrong shape, or that holds numbers which are not finite.
  static Model load(const std::filesystem::path& folder);

  [[nodiscard]] const ModelSpec& spec() const { return spec_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] const float* embedding() const { return embedding_; }
  [[nodiscard]] const float* positions() const { return positions_; }  ///< null unless learned
  [[nodiscard]] const std::vector<GroupWeights>& groups() const { return groups_; }
  [[nodiscard]] const Norm& final_norm() const { return final_norm_; }
  [[nodiscard]] const Linear& head() const { return head_; }

  [[nodiscard]] std::int64_t parameter_count() const;
  /// The type most parameters are stored in.
  [[nodiscard]] std::string_view stored_type() const;
  /// SHA-256 of the weights file in hexadecimal, as sha256sum prints it.
  [[nodiscard]] std::string hash() const;

 private:
  Model(ModelSpec spec, std::filesystem::path folder, Safetensors file);

  void check_tensors() const;
  void bind();
  const float* floats(const std::string& name);
  Linear linear(const std::string& name, int out, int in, bool bias);
  Norm norm(const std::string& name);
  Layer layer(const std::string& name);

  ModelSpec spec_;
  std::filesystem::path folder_;
  Safetensors file_;
  std::deque<std::vector<float>> widened_;
  const float* embedding_ = nullptr;
  const float* positions_ = nullptr;
  std::vector<GroupWeights> groups_;
  Norm final_norm_;
  Linear head_;
};

}  // namespace gyre
