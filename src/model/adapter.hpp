#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/tensor_source.hpp"
#include "model/weights.hpp"

namespace gyre {

/// A change of low rank of one linear map: W becomes W + scale · B A (LoRA, arXiv 2106.09685). With magnitudes each row
/// of that is then brought to the length m (DoRA, arXiv 2402.09353).
struct LowRank {
  std::string module;  ///< the linear map as the model's own files name it: "model.layers.0.self_attn.q_proj"
  int loop = -1;       ///< the loop of its group that it is for; -1: every one
  std::size_t rank = 0;
  float scale = 1;
  std::vector<float> down = {};       ///< A [rank, in]
  std::vector<float> up = {};         ///< B [out, rank]
  std::vector<float> magnitude = {};  ///< m [out]; empty: LoRA
};

/// What a model learned beside its weights. In files it has the layout of the PEFT library (adapter_config.json,
/// adapter_model.safetensors); gyre_adapter.json says of which weights it is.
struct Adapter {
  int rank = 8;
  double alpha = 16;
  double dropout = 0;
  bool rank_stabilised = false;  ///< scale is alpha / √rank rather than alpha / rank
  bool magnitudes = false;       ///< DoRA
  int loops = 0;                 ///< above 0: a set for each of so many loops; later ones have the last
  std::string weights_sha256;    ///< of the model that it was trained on; empty: its files do not say
  std::vector<LowRank> parts;
};

/// Of a part whose rank is `rank`.
float adapter_scale(double alpha, std::size_t rank, bool rank_stabilised);

/// Reads a folder. Throws Error naming the file and what in it is missing, asks for something gyre does not do, or does
/// not fit together.
Adapter read_adapter(const std::filesystem::path& folder);
/// Whole or not at all. Throws Error when the folder is there already.
void write_adapter(const std::filesystem::path& folder, const Adapter& adapter);
/// SHA-256, in hexadecimal, of the numbers in a folder.
std::string adapter_digest(const std::filesystem::path& folder);

/// Where a linear map of a checkpoint went: these rows of a tensor of tensor_table(spec).
struct ModulePlace {
  std::string tensor;
  RowRange rows;
  std::size_t in = 0;
};

/// The linear maps inside layers that an adapter may change, by the names that the checkpoint's files have for them,
/// which are gyre's own where a tensor is rearranged as it is read.
std::map<std::string, ModulePlace> adaptable_modules(const TensorSource& source);

/// Those whose last name ("q_proj"), or whole one, is among `targets`; "all-linear" is all of them. Throws Error naming
/// a target that is nowhere.
std::vector<std::string> targeted_modules(const std::map<std::string, ModulePlace>& modules,
                                          const std::vector<std::string>& targets);

/// Throws Error naming the first part that does not fit the model, `where` being the adapter's folder.
void require_fitting(const Adapter& adapter, const std::map<std::string, ModulePlace>& modules,
                     const std::string& where);

}  // namespace gyre
