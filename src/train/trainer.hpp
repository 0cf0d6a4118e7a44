#pragma once

#include <filesystem>
#include <string>

#include "base/stop.hpp"
#include "train/ranks.hpp"

namespace gyre {

/// What `gyre train` was asked for.
struct TrainRequest {
  std::filesystem::path config;
  std::filesystem::path data;  ///< a text file, a folder of *.txt, or JSON lines for the answers layout
  std::filesystem::path out;
  bool resume = false;
  int threads = 0;    ///< 0: all cores
  int steps = 0;      ///< in place of the config's count, schedule and all; 0: as the config says
  bool json = false;  ///< each line of metrics.jsonl, and a last one of the result, on standard output too
  std::filesystem::path from = {};  ///< a model that is trained on: a folder or GGUF file; empty: a new one
  std::string device = "cpu";       ///< where the model is trained; see training_device()
  Stop stop = {};                   ///< ends the run behind the step it is at; what was trained is saved
  Ranks ranks = {};                 ///< processes that train this model together
};

/// Trains and leaves OUT/model (the final model), OUT/checkpoints/step-N, OUT/metrics.jsonl and OUT/tokens.bin.
/// Throws Error for every mistake of the user, before it writes anything where the mistake is in what was asked for.
/// Returns false when it was stopped. Of several ranks the first alone reads checkpoints and writes.
bool train(const TrainRequest& request);

}  // namespace gyre

/// The module's entry for the program that loads it.
extern "C" bool gyre_train_entry(const gyre::TrainRequest& request);
