#pragma once

#include <filesystem>
#include <optional>

#include "format/safetensors.hpp"
#include "text/tokenizer.hpp"
#include "train/adamw.hpp"
#include "train/torch_model.hpp"

namespace gyre {

/// Writes a model folder in the Hugging Face layout (model.safetensors, config.json, tokenizer.json): whole or not at
/// all. `config` is the plan's JSON, into which the spec's vocabulary size is put.
void write_model_folder(const std::filesystem::path& folder, const TorchModel& model, const Tokenizer& tokenizer,
                        const nlohmann::json& config, DType dtype);

/// A model folder in f32 with the optimiser's state beside it, from which training goes on exactly.
void write_checkpoint(const std::filesystem::path& folder, const TorchModel& model, AdamW& optimiser,
                      const Tokenizer& tokenizer, const nlohmann::json& config, int step);

/// Restores parameters and optimiser. Returns the step. Throws Error when the checkpoint is of another model.
int read_checkpoint(const std::filesystem::path& folder, const TorchModel& model, AdamW& optimiser);

/// The checkpoint of the highest step below `folder`, if any.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder);

/// Removes what a killed run left half written in `folder`.
void remove_unfinished(const std::filesystem::path& folder);

/// "step-001500".
std::string checkpoint_name(int step);

}  // namespace gyre
