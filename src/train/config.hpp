#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec.hpp"
#include "text/chat_examples.hpp"
#include "text/examples.hpp"
#include "train/optimiser_config.hpp"
#include "train/retrofit.hpp"
#include "train/torch_adapter_config.hpp"

namespace gyre {

enum class VocabularyKind { bytes, characters, bpe };
enum class DataLayout {
  text,     ///< running text: random windows, loss on every token
  answers,  ///< JSON lines {"prompt", "answer"}: one example a row, loss on the answer alone
  chat,     ///< JSON lines of conversations, written by the model's chat template; loss on the assistant's turns alone
};
/// What becomes of an example that is longer than a row.
enum class Truncation { refuse, drop, cut };
std::string_view name_of(DataLayout layout);
enum class LoopSampling { fixed, poisson_lognormal };
enum class Precision { f32, bf16 };

/// How a model is trained: the "training" object of a config file. Every field has a default.
struct TrainConfig : OptimiserConfig {
  VocabularyKind vocabulary = VocabularyKind::characters;
  int bpe_size = 4096;
  DataLayout layout = DataLayout::text;
  /// Never trained on: the last part of a text; of examples so many of the different prompts (split_examples).
  float validation_share = 0.1F;

  ExampleKeys keys;                          ///< prompt_key, answer_key and split_key
  LearnedTurns turns = LearnedTurns::all;    ///< of layout chat
  Truncation truncate = Truncation::refuse;  ///< of examples
  bool packing = false;                      ///< several examples a row, none of which sees another
  /// An added token behind every answer, or of a folder behind every text. Templates of chats have their own.
  std::string end_token;

  int batch = 16;
  int sequence = 256;  ///< tokens of a training window
  std::uint64_t seed = 1;
  Precision precision = Precision::bf16;
  float dropout = 0.0F;

  LoopSampling loop_sampling = LoopSampling::fixed;
  float loop_sigma = 0.5F;  ///< of the lognormal
  int max_loops = 0;        ///< cap of a draw; 0: four times the group's default
  int backprop_loops = 0;   ///< gradient through the last so many loops of each group; 0: all
  float loops_from = 0.0F;  ///< share of the steps before which every group loops once

  int evaluate_every = 250;
  int evaluate_windows = 64;
  std::vector<std::string> trainable;  ///< only parameters with one of these in their names learn; empty: all
  float loops_over = 0.0F;  ///< share of the steps, behind loops_from, over which loop counts rise to what they are

  std::vector<std::string> evaluate_loops;  ///< further depths, as for --loops; the default depth is always there

  int checkpoint_every = 500;
  std::vector<int> checkpoint_at;  ///< further steps
  bool export_bf16 = false;        ///< dtype of OUT/model; checkpoints keep f32
  float ema = 0.0F;                ///< decay of the average of the weights that is exported; 0: the last weights are
};

/// The "training" object of a config file; `where` leads every message.
TrainConfig parse_train_config(const nlohmann::json& json, const std::string& where);
/// Every key with its value, those that a file leaves out too.
nlohmann::json to_json(const TrainConfig& config);
/// Settings that an older program wrote, with the default of every key that it did not know.
nlohmann::json with_every_key(const nlohmann::json& settings);

/// A model and how to train it, from one file. The vocabulary size may be absent from the file (0 here): the tokenizer
/// decides it.
struct TrainingPlan {
  nlohmann::json json;  ///< the file as read; where a run starts from a model, with all that describes it
  TrainConfig training;
  std::optional<AdapterConfig> adapter;  ///< it alone learns, beside the weights of the model that the run starts from
  std::string where;
};
/// Where the run starts from a model, `from` is its spec: the file then holds "training" alone, or keys that agree with
/// the model, and none that ask for a vocabulary. Throws Error naming the key otherwise. Without training.sequence a
/// window is no longer than the context.
TrainingPlan load_plan(const std::filesystem::path& config, const ModelSpec* from = nullptr);

/// The "retrofit" of a config file, if it has one.
std::optional<Retrofit> load_retrofit(const std::filesystem::path& config);

/// The spec of a plan for a vocabulary of `vocab_size`. Throws Error when the file says another size.
ModelSpec spec_of(const TrainingPlan& plan, int vocab_size);

}  // namespace gyre
