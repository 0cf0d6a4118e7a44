#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "model/model.hpp"

namespace gyre::cli {

/// The flags of every command that runs a model.
struct RunOptions {
  std::string model;
  std::string loops;  ///< empty: the model's own depth
  std::string kv_policy = "per_loop";
  int threads = 0;  ///< 0: all cores
  std::uint64_t seed = 1;
  bool json = false;
};

void add_run_options(CLI::App& command, RunOptions& options);

int thread_count(const RunOptions& options);
/// Loops per group: --loops, or the model's own.
std::vector<int> loops_of(const RunOptions& options, const ModelSpec& spec);

/// What a result depends on: model, hash, dtype, KV policy, loops, threads, seed, instruction set.
nlohmann::json provenance(const RunOptions& options, const Model& model);

}  // namespace gyre::cli
