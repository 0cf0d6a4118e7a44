#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "raman/backend.hpp"
#include "raman/calibration.hpp"
#include "raman/cross_validation.hpp"
#include "raman/dataset.hpp"
#include "raman/preprocess.hpp"

namespace gyre::raman {

/// Preprocessed training spectra, each of unit length, with what they are: for the nearest one, and for how near it is.
class References {
 public:
  References() = default;
  /// `names` has one row a spectrum: [specimen, mineral, country code].
  References(int points, std::vector<float> spectra, nlohmann::json names);

  static References of(const Dataset& data);
  /// Reads reference.safetensors and reference.json. Throws Error when they do not fit each other or the grid.
  static References load(const std::filesystem::path& folder, int points);
  void save(const std::filesystem::path& folder) const;

  struct Match {
    std::size_t index;
    double similarity;  ///< cosine, -1 … 1: the hit quality index of spectral libraries
  };
  /// The most similar spectrum to each row of inputs [n, points].
  [[nodiscard]] std::vector<Match> nearest(std::span<const float> inputs) const;
  /// The similarity to the nearest spectrum of another specimen that a share of 1 - `share` of the references reaches.
  [[nodiscard]] double usual_similarity(double share) const;
  [[nodiscard]] const nlohmann::json& name(std::size_t index) const { return names_.at(index); }

 private:
  int points_ = 0;
  std::vector<float> spectra_;  ///< [n, points]
  nlohmann::json names_ = nlohmann::json::array();
};

/// What is said of one spectrum.
struct Prediction {
  std::string source;
  std::string failure;                                 ///< why there is no prediction; empty: there is one
  std::vector<std::pair<std::string, double>> ranked;  ///< country codes with probabilities, all of them
  std::size_t set = 0;                                 ///< so many of them are the cross-conformal set
  nlohmann::json nearest;                              ///< [specimen, mineral, country code] of the nearest reference
  double similarity = 0;
  bool far = false;  ///< less similar to anything seen than almost all spectra are
};

/// Throws Error when there are too few spectra for the thresholds that a model folder holds.
void require_enough_for_sets(const Dataset& data);

/// Writes a model folder: config.json, model.safetensors, reference.safetensors, reference.json. Calibration and
/// thresholds come from the out-of-fold predictions.
void write_model(const std::filesystem::path& folder, const Dataset& data, const RunSettings& settings,
                 const Classifier& model, std::span<const FoldResult> folds);

/// A trained model with its preprocessing, calibration and references.
class Predictor {
 public:
  /// Throws Error when the folder is not one that `write_model` wrote.
  Predictor(const std::filesystem::path& folder, const Backend& backend, int threads);

  /// `coverage` of the sets: 0.50 … 0.99 in steps of 0.01. Spectra that cannot be brought onto the grid say why.
  [[nodiscard]] std::vector<Prediction> predict(std::span<const Spectrum> spectra, double coverage) const;

  [[nodiscard]] double novelty_threshold() const { return novelty_; }
  [[nodiscard]] const nlohmann::json& config() const { return config_; }

 private:
  nlohmann::json config_;
  Preprocessing preprocessing_;
  std::vector<std::string> countries_;
  std::vector<double> thresholds_;  ///< for 50, 51, … 99 %
  Calibration calibration_;
  double novelty_ = 0;
  References references_;
  std::unique_ptr<Classifier> model_;
};

}  // namespace gyre::raman
