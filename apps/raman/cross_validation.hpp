#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "raman/backend.hpp"
#include "raman/calibration.hpp"
#include "raman/dataset.hpp"
#include "raman/folds.hpp"
#include "raman/metrics.hpp"

namespace gyre::raman {

/// What a cross-validation or a training run is asked for.
struct RunSettings {
  nlohmann::json config;  ///< the config file
  std::string where;      ///< its name
  std::filesystem::path out;
  bool resume = false;
  int folds = 5;
  std::uint64_t seed = 1;
  int threads = 0;
  Stop stop = {};
};

/// A way to make a model of the parts that were fitted.
struct Method {
  std::string name;
  std::string title;
};
/// "plain" (the spectra alone), "measured" (with laser, range and number of points), "network" (no retrieval).
const std::vector<Method>& methods();
/// The method that a config's model is.
std::string method_of(const nlohmann::json& config, const std::string& where);

/// What a method says of a fold's test spectra.
struct MethodResult {
  std::vector<float> log_probabilities;  ///< [test, classes], calibrated on inner folds
  HeldOut held_out;                      ///< of inner folds; empty for the network
};

/// One fold: what the model and the baselines say of spectra that they were not trained on.
struct FoldResult {
  std::vector<std::size_t> test;  ///< examples of the data set
  std::map<std::string, MethodResult> methods;
  std::vector<int> familiar;  ///< of each test example: 1 when its nearest training spectrum is near
  std::map<std::string, Metrics> baselines;
  /// Mean of |integrated gradients| over some test spectra of a class: [classes, points]; zero for absent classes.
  std::vector<float> attributions;
  std::vector<int> attributed;  ///< how many spectra a class's row is the mean of
  double seconds = 0;           ///< of training
};

/// The fold of each example. Throws Error when there are more folds than groups that stay together.
std::vector<int> folds_of(const Dataset& data, Protocol protocol, const RunSettings& settings);

/// The training and the test examples of a fold.
struct FoldSplit {
  std::vector<std::size_t> training;
  std::vector<std::size_t> test;
};
FoldSplit split_fold(const std::vector<int>& folds, int fold);

/// Runs the folds of a protocol, one after the other. Every finished fold is a file in OUT/folds, so that a killed run
/// goes on where it was; an unfinished one goes on from its checkpoint. None when a stop was requested.
std::optional<std::vector<FoldResult>> run_folds(const Dataset& data, Protocol protocol, const RunSettings& settings,
                                                 const Backend& backend);

/// One fold of them; none when a stop was requested.
std::optional<FoldResult> run_fold(const Dataset& data, Protocol protocol, int fold, const RunSettings& settings,
                                   const Backend& backend);

/// What the baselines alone say of the folds of a protocol: `test`, `baselines` and `seconds` are filled. Finished
/// folds are files in OUT/baselines, as above. None when a stop was requested.
std::optional<std::vector<FoldResult>> run_baselines(const Dataset& data, Protocol protocol,
                                                     const RunSettings& settings);

/// Makes OUT and writes what the run depends on into OUT/run.json, or compares it with what is there. Throws Error when
/// OUT holds a run that was not asked to be resumed, or one of other data or settings.
void claim_folder(const Dataset& data, const RunSettings& settings);

/// A hash of all that the result of a run depends on, but for the number of threads.
std::string fingerprint(const Dataset& data, const RunSettings& settings);

}  // namespace gyre::raman
