#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "model/checkpoint.hpp"

namespace gyre::cli {

/// Loops on a model that has none.
struct LoopFlags {
  std::string runs;  ///< "10-13x4", or empty
  float damping = 1.0F;
};

void add_loop_flags(CLI::App& command, LoopFlags& flags);
/// Says on standard error where a model gives another result than its authors' program.
void print_notes(const std::string& path, const std::vector<std::string>& notes);
/// A model with its loops, and with its tokenizer and what else it came with.
Model load_model(const std::string& path, const LoopFlags& flags, const std::string& weights = {},
                 const std::string& adapter = {});
Checkpoint open_checkpoint(const std::string& path, const LoopFlags& flags, const std::string& weights = {},
                           const std::string& adapter = {});

struct RunOptions;
/// Those of a command that runs a model, ready to run as the flags say.
Model load_model(const RunOptions& options);
Checkpoint open_checkpoint(const RunOptions& options);

/// The flags of the commands that write a model.
struct WriteOptions {
  std::string model;
  std::string adapter;  ///< folder that is merged into the weights; empty: none
  LoopFlags layer_loops;
  std::string out;
  std::string type;
  std::vector<std::string> parts;
  bool json = false;
};

/// `out` and `types` are what --help says of --out and --type.
void add_write_options(CLI::App& command, WriteOptions& options, const std::string& out, const std::string& types);

/// The flags of every command that runs a model.
struct RunOptions {
  std::string model;
  LoopFlags layer_loops;
  std::string loops;    ///< empty: the model's own depth
  std::string weights;  ///< what matrices are rounded to; empty: as they are stored
  std::string adapter;  ///< folder of an adapter; empty: none
  std::string kv_policy = "latest";
  std::string kv_type = "f32";
  std::string first_state = "noise";
  std::string test_noise;  ///< of the commands that take it
  std::string arithmetic = "fast";
  int threads = 0;  ///< 0: as many as the process may use processors
  std::uint64_t seed = 1;
  bool json = false;
};

void add_run_options(CLI::App& command, RunOptions& options);
void add_noise_option(CLI::App& command, RunOptions& options);

/// The flags of every command that reads a text to measure on.
struct TextOptions {
  std::string file;
  std::string split = "all";
  double validation_share = 0.1;
};

/// Tokens that share a context in measurements unless told: all logits of a window are held at once.
inline constexpr int kDefaultWindow = 1024;

void add_text_options(CLI::App& command, TextOptions& options);

int thread_count(const RunOptions& options);
/// Positions to make room for: `wanted`, or when that is 0 the model's, at most 4096. Throws Error naming --context
/// when the model has fewer.
int context_of(int wanted, const ModelSpec& spec);
/// --test-noise. Throws Error when the model takes none.
TestNoise test_noise_of(const RunOptions& options, const ModelSpec& spec);
/// --kv and --kv-type.
KvPolicy kv_policy_of(const RunOptions& options);
/// Loops per group: --loops, or the model's own.
std::vector<int> loops_of(const RunOptions& options, const ModelSpec& spec);

/// Those of its flags that name the model.
void add_flags(const RunOptions& options, nlohmann::json& json);
/// What a result depends on: model, hash, types of numbers, KV policy, loops, threads, seed, instruction set.
nlohmann::json provenance(const RunOptions& options, const Model& model);

}  // namespace gyre::cli
