#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/stop.hpp"

namespace gyre::raman {

/// How a spectrum was measured: no property of the stone, but spectra of one session share it.
struct Measurement {
  float laser = 0;  ///< nm; 0: not known
  float from = 0;   ///< 1/cm, the first point
  float to = 0;     ///< 1/cm, the last point
  float points = 0;

  bool operator==(const Measurement&) const = default;
};

/// Preprocessed spectra with their classes.
struct Examples {
  int points = 0;             ///< of one input
  double grid_step = 0;       ///< 1/cm between two points
  int classes = 0;            ///< countries
  int minerals = 0;           ///< minerals that occur
  std::vector<float> inputs;  ///< [examples, points]
  std::vector<int> labels;    ///< the country of each; -1: none
  std::vector<int> mineral;   ///< the mineral of each; -1: not known
  std::vector<int> specimen;  ///< the specimen of each, by number; -1: not known
  std::vector<Measurement> measurements;
  std::vector<std::uint8_t> infrared = {};  ///< of each: 1 for an infrared spectrum; empty: all are Raman spectra

  [[nodiscard]] std::size_t size() const { return labels.size(); }
  [[nodiscard]] std::span<const float> input(std::size_t i) const {
    const auto width = static_cast<std::size_t>(points);
    return std::span(inputs).subspan(i * width, width);
  }
  /// The examples of these indices, in their order.
  [[nodiscard]] Examples subset(std::span<const std::size_t> indices) const;
};

/// A trained model.
class Classifier {
 public:
  Classifier() = default;
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;
  virtual ~Classifier() = default;

  /// inputs [n, points] to logits [n, classes].
  [[nodiscard]] virtual std::vector<float> logits(std::span<const float> inputs) const = 0;
  /// inputs [n, points] to rows of unit length that are alike for spectra of one specimen; empty: the model has none.
  [[nodiscard]] virtual std::vector<float> embeddings(std::span<const float> inputs) const = 0;
  /// Integrated gradients (Sundararajan et al. 2017) from the empty spectrum to each input, of the logit of its target
  /// class, in `steps` steps: [n, points]. A row sums to about the difference of the logits.
  [[nodiscard]] virtual std::vector<float> attributions(std::span<const float> inputs, std::span<const int> targets,
                                                        int steps) const = 0;
  /// Writes the weights as a safetensors file.
  virtual void save(const std::filesystem::path& file) const = 0;
};

struct FitRequest {
  const nlohmann::json& config;  ///< with "model", "training" and "augmentation"
  std::string where;             ///< names the config in messages
  const Examples& examples;
  std::filesystem::path folder;  ///< for checkpoints and metrics.jsonl; a run that is there already is gone on with
  std::string title;             ///< of the progress
  std::uint64_t seed = 1;
  int threads = 0;  ///< 0: all cores
  Stop stop = {};
  const Examples* more = nullptr;  ///< spectra of no country, to pretrain on where the config asks for it; null: none
};

/// What makes models: LibTorch's module, or a stand-in of a test.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// Throws Error when the config is not one that `fit` takes.
  virtual void check(const nlohmann::json& config, const std::string& where, int points) const = 0;
  /// The trained model; none when a stop was requested, and then a checkpoint is there to go on from.
  [[nodiscard]] virtual std::unique_ptr<Classifier> fit(const FitRequest& request) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Classifier> load(const std::filesystem::path& weights,
                                                         const nlohmann::json& config, const std::string& where,
                                                         int points, int classes, int threads) const = 0;
};

}  // namespace gyre::raman

/// The entry of the module that holds LibTorch, for the program that loads it.
extern "C" const gyre::raman::Backend* gyre_raman_backend();
