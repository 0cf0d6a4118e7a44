#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "raman/backend.hpp"
#include "raman/cross_validation.hpp"
#include "raman/dataset.hpp"

namespace gyre::raman {

/// The flags of every command that reads labelled spectra.
struct DataFlags {
  std::vector<std::string> data;
  std::string geocoder;  ///< nominatim=URL or photon=URL; empty: the tables alone
  std::string geocoder_cache;
};
void add_data_flags(CLI::App& command, DataFlags& flags);

/// Spectra with their origins, read with a progress bar. Infrared ones have none and are read where asked for.
struct LabelledSpectra {
  Collection collection;
  std::vector<Label> labels;
};
LabelledSpectra read_labelled(const DataFlags& flags, const Gazetteer& gazetteer, bool infrared = false);

/// The flags of the commands that train.
struct TrainFlags {
  DataFlags data;
  std::string config;
  std::string out;
  bool resume = false;
  int folds = 5;
  std::uint64_t seed = 1;
  int threads = 0;
};
void add_train_flags(CLI::App& command, TrainFlags& flags);

/// Reads config and data, and checks both; the output folder is still to be claimed. Without a backend the parts of the
/// config that are for training are not looked at.
struct PreparedRun {
  RunSettings settings;
  Preprocessing preprocessing;
  Gazetteer gazetteer;
  Dataset data;
};
PreparedRun prepare_run(const TrainFlags& flags, const Backend* backend);

/// The module that holds LibTorch, loaded when it is first asked for.
const Backend& load_backend(const std::string& command);

/// The text of a failure to read single files, on stderr: counts by reason, with the first few files of each.
void report_rejected(const std::vector<RejectedFile>& rejected);

/// "37.4" for 0.3742.
std::string percent(double share);

// Each adds its subcommand.
void add_train(CLI::App& program);
void add_cv(CLI::App& program);
void add_predict(CLI::App& program);
void add_report(CLI::App& program);
void add_labels(CLI::App& program);

}  // namespace gyre::raman
