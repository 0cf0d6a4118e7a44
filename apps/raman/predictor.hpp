#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "raman/backend.hpp"
#include "raman/calibration.hpp"
#include "raman/cross_validation.hpp"
#include "raman/dataset.hpp"
#include "raman/origin_model.hpp"
#include "raman/preprocess.hpp"

namespace gyre::raman {

/// A spectrum of the library that a query was compared with.
struct Compared {
  std::size_t spectrum = 0;  ///< place in the library
  std::string specimen;
  std::string mineral;
  std::string country;    ///< code
  double similarity = 0;  ///< mean cosine of input, slope and embedding
  double same = 0;        ///< the chance that it is of the query's specimen
};

/// What is said of one spectrum.
struct Prediction {
  std::string source;
  std::string failure;                                 ///< why there is no prediction; empty: there is one
  std::vector<std::pair<std::string, double>> ranked;  ///< country codes with probabilities, all of them
  std::size_t set = 0;                                 ///< so many of them are the cross-conformal set
  std::vector<Compared> compared;                      ///< the most alike first
  double none_same = 1;                                ///< the chance that no spectrum is of the query's specimen
  /// What the voices say, in the order of `ranked`: [countries, kVoices] probabilities.
  std::vector<std::array<double, kVoices>> voices;
  std::vector<float> input;  ///< on the grid
  bool familiar = false;     ///< whether its nearest spectrum is near
  /// Whether the library has this very spectrum. It is not compared with itself then, nor with what the model's folds
  /// kept together with it: that is how all figures and thresholds of the model came about.
  bool learned_from = false;
  bool far = false;  ///< less similar to anything seen than almost all spectra are
};

/// The names of the voices, in their order.
const std::array<const char*, kVoices>& voice_names();

/// Throws Error when there are too few spectra for the thresholds that a model folder holds.
void require_enough_for_sets(const Dataset& data);

/// Writes a model folder: config.json, mixing.json, model.safetensors (model-1.safetensors, … of an ensemble),
/// reference.safetensors, reference.json: all that a prediction depends on.
void write_model(const std::filesystem::path& folder, const Dataset& data, const RunSettings& settings,
                 const OriginModel& model);

/// A trained model with its preprocessing.
class Predictor {
 public:
  /// Throws Error when the folder is not one that `write_model` wrote.
  Predictor(const std::filesystem::path& folder, const Backend& backend, int threads);

  /// `coverage` of the sets: 0.50 … 0.99 in steps of 0.01. Spectra that cannot be brought onto the grid say why.
  [[nodiscard]] std::vector<Prediction> predict(std::span<const Spectrum> spectra, double coverage) const;

  [[nodiscard]] double novelty_threshold() const { return model_->fitted().novel_below; }
  [[nodiscard]] const nlohmann::json& config() const { return config_; }
  [[nodiscard]] const Preprocessing& preprocessing() const { return preprocessing_; }
  /// A spectrum of the library, on the grid.
  [[nodiscard]] std::span<const float> library_input(std::size_t spectrum) const {
    return model_->library().examples().input(spectrum);
  }

 private:
  void describe(const Answer& answer, std::size_t row, const SetThresholds& thresholds, Prediction& one) const;

  nlohmann::json config_;
  Preprocessing preprocessing_;
  bool measurements_ = false;
  std::vector<std::string> countries_;
  nlohmann::json names_;  ///< [specimen, mineral, country code] of each spectrum of the library
  std::unique_ptr<OriginModel> model_;
};

}  // namespace gyre::raman
