#pragma once

#include <filesystem>

#include "format/safetensors.hpp"
#include "model/language_files.hpp"
#include "train/adamw.hpp"
#include "train/run_folder.hpp"
#include "train/torch_model.hpp"
#include "train/weight_average.hpp"

namespace gyre {

/// Writes a model folder in the Hugging Face layout (model.safetensors, config.json, and the files of `language`):
/// whole or not at all. `config` is the plan's JSON, into which the spec's vocabulary size is put. An `average` of the
/// parameters is written in their place.
void write_model_folder(const std::filesystem::path& folder, const TorchModel& model, const FolderFiles& language,
                        const nlohmann::json& config, DType dtype, const WeightAverage* average = nullptr);

/// A model folder in f32 with the optimiser's state beside it, and the average of the weights where there is one, from
/// which training goes on exactly. `settings` says of which run it is (train/run_settings.hpp). Throws Error, and
/// leaves what was there, when a number is not finite.
void write_checkpoint(const std::filesystem::path& folder, const TorchModel& model, AdamW& optimiser,
                      const FolderFiles& language, const nlohmann::json& config, int step,
                      const nlohmann::json& settings = {}, const WeightAverage* average = nullptr);

/// training_state.json of a checkpoint.
struct CheckpointState {
  int step = 0;
  nlohmann::json settings;  ///< of the run; null in checkpoints of programs that did not keep them
};
CheckpointState read_state(const std::filesystem::path& folder);

/// Restores parameters and optimiser, and the average if one is kept. Returns the step. Throws Error when the
/// checkpoint is of another model.
int read_checkpoint(const std::filesystem::path& folder, const Parameters& model, AdamW& optimiser,
                    const WeightAverage* average = nullptr);

// The parts of a checkpoint, for models that are kept in another kind of folder.

/// The parameters as one safetensors file. Throws Error when one is not finite.
void write_parameters(const std::filesystem::path& file, const Parameters& model, DType dtype);
/// Throws Error when the file holds other tensors than the model, or others than F32.
void read_parameters(const std::filesystem::path& file, const Parameters& model);
/// optimizer.safetensors and training_state.json.
void write_optimiser(const std::filesystem::path& folder, AdamW& optimiser, int step,
                     const nlohmann::json& settings = {});

/// What a run learns beside weights that stay, with the optimiser's state: whole or not at all.
void write_learned(const std::filesystem::path& folder, const Parameters& learned, AdamW& optimiser, int step,
                   const nlohmann::json& settings);
/// Restores both. Returns the step. Throws Error as read_checkpoint().
int read_learned(const std::filesystem::path& folder, const Parameters& learned, AdamW& optimiser);

}  // namespace gyre
