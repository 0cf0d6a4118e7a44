#include "raman/predictor.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "raman/model_files.hpp"

namespace gyre::raman {
namespace {

namespace fs = std::filesystem;

constexpr int kFirstPercent = 50;
constexpr int kLastPercent = 99;

}  // namespace

const std::array<const char*, kVoices>& voice_names() {
  static const std::array<const char*, kVoices> names = {"network", "neighbours", "mineral", "prior"};
  return names;
}

void require_enough_for_sets(const Dataset& data) {
  const std::size_t fewest = 100 / (100 - kLastPercent) - 1;
  if (data.examples.size() >= fewest) return;
  throw Error("{} spectra are too few to calibrate sets up to {} %; give {} or more", data.examples.size(),
              kLastPercent, fewest);
}

void write_model(const fs::path& folder, const Dataset& data, const RunSettings& settings, const OriginModel& model) {
  nlohmann::json config = settings.config;
  config["countries"] = data.countries;
  config["minerals"] = data.examples.minerals;
  config["sets"] = kSetMethod;
  config["data_sha256"] = fingerprint(data, settings);
  write_folder_atomically(folder, [&](const fs::path& temporary) {
    write_text_atomically(temporary / "config.json", config.dump(2) + "\n");
    write_text_atomically(temporary / "mixing.json", to_json(model.fitted()).dump() + "\n");
    model.network().save(temporary / "model.safetensors");
    write_library(temporary, model.library(), library_names(data));
  });
}

Predictor::Predictor(const fs::path& folder, const Backend& backend, int threads) {
  const fs::path file = folder / "config.json";
  config_ = load_json(file);
  const JsonObject object(config_, file.string());
  if (!object.has("countries") || !object.has("preprocessing")) {
    throw Error("{}: it is no model of gyre-raman; give the folder \"model\" that gyre-raman train wrote",
                file.string());
  }
  if (!fs::exists(folder / "mixing.json")) {
    throw Error("{}: it has no mixing.json, as models of this program have; train the model again", folder.string());
  }
  preprocessing_ = parse_preprocessing(config_["preprocessing"], file.string() + ": preprocessing");
  measurements_ = method_of(config_, file.string()) == "measured";
  try {
    countries_ = config_["countries"].get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& problem) {
    throw Error("{}: {}; train the model again", file.string(), problem.what());
  }
  if (countries_.size() < 2 || countries_.size() > 1000) {
    throw Error("{}: countries are not what a model has; train the model again", file.string());
  }
  Fitted fitted = fitted_from(load_json(folder / "mixing.json"), (folder / "mixing.json").string());
  StoredLibrary library = read_library(folder, preprocessing_, countries_);
  names_ = std::move(library.names);
  auto network = load_networks(folder, config_, file.string(), library.examples, backend, threads);
  model_ = std::make_unique<OriginModel>(std::move(network), std::move(library.examples), std::move(library.embeddings),
                                         std::move(fitted));
}

void Predictor::describe(const Answer& answer, std::size_t row, const SetThresholds& thresholds,
                         Prediction& one) const {
  const auto probabilities = answer.probabilities.row(row);
  const std::size_t classes = countries_.size();
  // A threshold below every probability ranks all classes.
  for (const int country : prediction_set(probabilities, -1)) {
    const auto c = static_cast<std::size_t>(country);
    one.ranked.emplace_back(countries_[c], probabilities[c]);
    std::array<double, kVoices> said{};
    for (std::size_t v = 0; v < kVoices; ++v) {
      said.at(v) = std::exp(double{answer.evidence.opinions.values[(row * classes + c) * kVoices + v]});
    }
    one.voices.push_back(said);
  }
  one.familiar = answer.familiar[row] != 0;
  one.set = prediction_set(probabilities, thresholds.of(answer.familiar[row])).size();
  const Candidates& candidates = answer.evidence.candidates;
  for (std::size_t c = 0; c < candidates.each; ++c) {
    const std::size_t spectrum = candidates.spectra[row * candidates.each + c];
    const nlohmann::json& name = names_[spectrum];
    one.compared.push_back({spectrum, name[0], name[1], name[2], answer.evidence.likeness[row * candidates.each + c],
                            answer.shares[row * (candidates.each + 1) + c]});
  }
  one.none_same = answer.shares[row * (candidates.each + 1) + candidates.each];
  one.far = answer.evidence.familiarity[row] < model_->fitted().novel_below;
}

std::vector<Prediction> Predictor::predict(std::span<const Spectrum> spectra, double coverage) const {
  const int percent = static_cast<int>(std::lround(100 * coverage));
  if (percent < kFirstPercent || percent > kLastPercent || std::abs(100 * coverage - percent) > 1e-6) {
    throw Error("--coverage: {} is not among 0.50, 0.51, … 0.99", coverage);
  }
  const SetThresholds thresholds = set_thresholds(model_->fitted().mixing(measurements_).held_out, percent / 100.0);
  std::vector<Prediction> predictions(spectra.size());
  std::vector<std::size_t> fit;
  Examples queries;
  queries.points = preprocessing_.points;
  std::vector<std::optional<std::size_t>> own;
  for (std::size_t i = 0; i < spectra.size(); ++i) {
    predictions[i].source = spectra[i].source;
    try {
      predictions[i].input = preprocess(spectra[i], preprocessing_);
      queries.inputs.insert(queries.inputs.end(), predictions[i].input.begin(), predictions[i].input.end());
      queries.measurements.push_back(measurement_of(spectra[i]));
      own.push_back(find_spectrum(model_->library().examples(), predictions[i].input));
      predictions[i].learned_from = own.back().has_value();
      fit.push_back(i);
    } catch (const RejectedSpectrum& rejection) {
      predictions[i].failure = rejection.detail;
    }
  }
  if (fit.empty()) return predictions;
  const Answer answer = model_->answer(queries, measurements_, std::move(own));
  for (std::size_t k = 0; k < fit.size(); ++k) describe(answer, k, thresholds, predictions[fit[k]]);
  return predictions;
}

}  // namespace gyre::raman
