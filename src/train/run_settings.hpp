#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec.hpp"
#include "train/config.hpp"

namespace gyre {

/// Everything that decides what a run computes: {"model": the spec, "training": every key with its value,
/// "data_sha256", "tokenizer_sha256"}, and where the run starts from a model the digest of its weights, "from_sha256"
/// (`from_digest`; empty: it does not). A checkpoint keeps it, so that a resumed run goes on with no other run.
nlohmann::json run_settings(const ModelSpec& spec, const TrainConfig& config, const std::string& data_digest,
                            const std::string& tokenizer_digest, const std::string& from_digest = {});

/// One key whose value differs between two runs; "absent" where a run has no such key.
struct SettingChange {
  std::string key;  ///< as in "training.batch" or "groups[1].loops"
  std::string before;
  std::string now;
};
std::vector<SettingChange> changes_between(const nlohmann::json& before, const nlohmann::json& now);

/// Whether a run that goes on may have another value of this key: the steps (training.steps, grpo.steps), what is
/// measured and when, when checkpoints are written, the type of the exported model, and the model's name.
bool may_change(std::string_view key);

/// Compares the settings of the checkpoint `where`, of step `step`, with those asked for. Returns the changes that are
/// allowed. Throws Error naming every other one with both values, or when the checkpoint is beyond the steps asked for.
std::vector<SettingChange> require_same_run(const nlohmann::json& before, const nlohmann::json& now,
                                            const std::string& where, int step);

/// Says on standard error what a run that goes on does otherwise.
void tell_changes(const std::vector<SettingChange>& changes);

/// The settings that a checkpoint without them (of an older program) tells by its config.json: no digests. Throws Error
/// for the answers layout, whose examples such programs divided otherwise.
nlohmann::json settings_of_config(const nlohmann::json& config, const std::string& where);

}  // namespace gyre
