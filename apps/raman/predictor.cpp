#include "raman/predictor.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"
#include "raman/calibration.hpp"
#include "raman/summary.hpp"

namespace gyre::raman {
namespace {

namespace fs = std::filesystem;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int kFirstPercent = 50;
constexpr int kLastPercent = 99;
/// So many spectra of known minerals are farther from those of all other specimens than the threshold.
constexpr double kUnusualShare = 0.01;
constexpr Eigen::Index kBlock = 256;

Eigen::Map<const Matrix> as_rows(std::span<const float> values, int points) {
  return {values.data(), static_cast<Eigen::Index>(values.size() / static_cast<std::size_t>(points)), points};
}

void make_unit(std::span<float> row) {
  double squares = 0;
  for (const float v : row) squares += double{v} * v;
  const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
  for (float& v : row) v *= scale;
}

void make_unit_rows(std::vector<float>& values, int points) {
  const auto width = static_cast<std::size_t>(points);
  for (std::size_t begin = 0; begin < values.size(); begin += width) make_unit(std::span(values).subspan(begin, width));
}

/// Calls visit(row, similarities) for each row of inputs.
template <typename Visit>
void compare(std::span<const float> inputs, std::span<const float> spectra, int points, const Visit& visit) {
  std::vector<float> unit(inputs.begin(), inputs.end());
  make_unit_rows(unit, points);
  const auto rows = as_rows(unit, points);
  const auto references = as_rows(spectra, points);
  for (Eigen::Index begin = 0; begin < rows.rows(); begin += kBlock) {
    const Eigen::Index count = std::min(kBlock, rows.rows() - begin);
    const Matrix similarity = rows.middleRows(begin, count) * references.transpose();
    for (Eigen::Index i = 0; i < count; ++i) visit(static_cast<std::size_t>(begin + i), similarity.row(i));
  }
}

}  // namespace

References::References(int points, std::vector<float> spectra, nlohmann::json names)
    : points_(points), spectra_(std::move(spectra)), names_(std::move(names)) {
  make_unit_rows(spectra_, points_);
}

References References::of(const Dataset& data) {
  nlohmann::json names = nlohmann::json::array();
  for (std::size_t i = 0; i < data.examples.size(); ++i) {
    const int mineral = data.examples.mineral[i];
    names.push_back({data.specimens[i], mineral < 0 ? "" : data.minerals[static_cast<std::size_t>(mineral)],
                     data.countries[static_cast<std::size_t>(data.examples.labels[i])]});
  }
  return {data.examples.points, data.examples.inputs, std::move(names)};
}

void References::save(const fs::path& folder) const {
  // Half the file: similarity needs no more than three digits.
  const std::vector<std::byte> narrow = encode(spectra_, DType::bf16);
  const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(names_.size()), points_};
  const NamedTensor tensor{"spectra", {DType::bf16, shape, narrow}};
  write_safetensors(folder / "reference.safetensors", {&tensor, 1});
  write_text_atomically(folder / "reference.json", names_.dump() + "\n");
}

References References::load(const fs::path& folder, int points) {
  const fs::path file = folder / "reference.safetensors";
  const Safetensors stored(file);
  const TensorView& view = stored.at("spectra");
  nlohmann::json names = load_json(folder / "reference.json");
  bool fits = view.shape.size() == 2 && view.shape[1] == points && names.is_array() && view.shape[0] > 0 &&
              static_cast<std::int64_t>(names.size()) == view.shape[0];
  for (const nlohmann::json& name : names) {
    fits = fits && name.is_array() && name.size() == 3 && name[0].is_string() && name[1].is_string() &&
           name[2].is_string();
  }
  if (!fits) throw Error("{}: it does not fit config.json and reference.json beside it; train again", file.string());
  std::vector<float> spectra(view.element_count());
  widen(view, spectra);
  return {points, std::move(spectra), std::move(names)};
}

std::vector<References::Match> References::nearest(std::span<const float> inputs) const {
  std::vector<Match> matches;
  compare(inputs, spectra_, points_, [&](std::size_t, const auto& similarity) {
    Eigen::Index best = 0;
    const float value = similarity.maxCoeff(&best);
    matches.push_back({static_cast<std::size_t>(best), value});
  });
  return matches;
}

double References::usual_similarity(double share) const {
  std::vector<double> best;
  compare(spectra_, spectra_, points_, [&](std::size_t row, const auto& similarity) {
    double most = -1;
    for (Eigen::Index k = 0; k < similarity.cols(); ++k) {
      const auto other = static_cast<std::size_t>(k);
      if (other == row || (names_[other][0] == names_[row][0] && !names_[row][0].empty())) continue;
      most = std::max(most, double{similarity(k)});
    }
    best.push_back(most);
  });
  if (best.empty()) return -1;
  const auto rank = static_cast<std::ptrdiff_t>(share * static_cast<double>(best.size()));
  std::nth_element(best.begin(), best.begin() + rank, best.end());
  return best[static_cast<std::size_t>(rank)];
}

void require_enough_for_sets(const Dataset& data) {
  const std::size_t fewest = 100 / (100 - kLastPercent) - 1;
  if (data.examples.size() >= fewest) return;
  throw Error("{} spectra are too few to calibrate sets up to {} %; give {} or more", data.examples.size(),
              kLastPercent, fewest);
}

void write_model(const fs::path& folder, const Dataset& data, const RunSettings& settings, const Classifier& model,
                 std::span<const FoldResult> folds) {
  const OutOfFold pool = pool_folds(data, folds);
  const Calibration calibration = calibrate(pool.logits, pool.truth, shares_of(data, pool.truth));
  const Probabilities probabilities = calibration.apply(pool.logits);
  std::vector<double> thresholds;
  for (int percent = kFirstPercent; percent <= kLastPercent; ++percent) {
    thresholds.push_back(conformal_threshold(probabilities, pool.truth, percent / 100.0));
  }
  const References references = References::of(data);
  nlohmann::json config = settings.config;
  config["countries"] = data.countries;
  config["minerals"] = data.examples.minerals;
  config["calibration"] = {{"temperature", calibration.temperature},
                           {"prior_weight", calibration.prior_weight},
                           {"log_prior", calibration.log_prior},
                           {"sets", kSetMethod},
                           {"thresholds_50_to_99_percent", thresholds},
                           {"novelty_similarity", references.usual_similarity(kUnusualShare)},
                           {"spectra", pool.truth.size()}};
  config["data_sha256"] = fingerprint(data, settings);
  write_folder_atomically(folder, [&](const fs::path& temporary) {
    write_text_atomically(temporary / "config.json", config.dump(2) + "\n");
    model.save(temporary / "model.safetensors");
    references.save(temporary);
  });
}

Predictor::Predictor(const fs::path& folder, const Backend& backend, int threads) {
  const fs::path file = folder / "config.json";
  config_ = load_json(file);
  const JsonObject object(config_, file.string());
  if (!object.has("calibration") || !object.has("countries") || !object.has("preprocessing")) {
    throw Error("{}: it is no model of gyre-raman; give the folder \"model\" that gyre-raman train wrote",
                file.string());
  }
  preprocessing_ = parse_preprocessing(config_["preprocessing"], file.string() + ": preprocessing");
  try {
    countries_ = config_["countries"].get<std::vector<std::string>>();
    const nlohmann::json& calibration = config_["calibration"];
    calibration_.temperature = calibration.at("temperature").get<double>();
    calibration_.prior_weight = calibration.at("prior_weight").get<double>();
    calibration_.log_prior = calibration.at("log_prior").get<std::vector<double>>();
    thresholds_ = calibration.at("thresholds_50_to_99_percent").get<std::vector<double>>();
    novelty_ = calibration.at("novelty_similarity").get<double>();
  } catch (const nlohmann::json::exception& problem) {
    throw Error("{}: {}; train the model again", file.string(), problem.what());
  }
  if (countries_.size() < 2 || countries_.size() > 1000 || !(calibration_.temperature > 0) ||
      calibration_.log_prior.size() != countries_.size() || thresholds_.size() != kLastPercent - kFirstPercent + 1) {
    throw Error("{}: countries or calibration are not what a model has; train the model again", file.string());
  }
  references_ = References::load(folder, preprocessing_.points);
  model_ = backend.load(folder / "model.safetensors", config_, file.string(), preprocessing_.points,
                        static_cast<int>(countries_.size()), threads);
}

std::vector<Prediction> Predictor::predict(std::span<const Spectrum> spectra, double coverage) const {
  const int percent = static_cast<int>(std::lround(100 * coverage));
  if (percent < kFirstPercent || percent > kLastPercent || std::abs(100 * coverage - percent) > 1e-6) {
    throw Error("--coverage: {} is not among 0.50, 0.51, … 0.99", coverage);
  }
  const double threshold = thresholds_[static_cast<std::size_t>(percent - kFirstPercent)];
  std::vector<Prediction> predictions(spectra.size());
  std::vector<std::size_t> fit;
  std::vector<float> inputs;
  for (std::size_t i = 0; i < spectra.size(); ++i) {
    predictions[i].source = spectra[i].source;
    try {
      const std::vector<float> input = preprocess(spectra[i], preprocessing_);
      inputs.insert(inputs.end(), input.begin(), input.end());
      fit.push_back(i);
    } catch (const RejectedSpectrum& rejection) {
      predictions[i].failure = rejection.detail;
    }
  }
  if (fit.empty()) return predictions;
  const Probabilities all = calibration_.apply(model_->logits(inputs));
  const std::vector<References::Match> nearest = references_.nearest(inputs);
  for (std::size_t k = 0; k < fit.size(); ++k) {
    Prediction& one = predictions[fit[k]];
    const auto row = all.row(k);
    // A threshold below every probability ranks all classes.
    for (const int c : prediction_set(row, -1)) {
      one.ranked.emplace_back(countries_[static_cast<std::size_t>(c)], row[static_cast<std::size_t>(c)]);
    }
    one.set = prediction_set(row, threshold).size();
    one.nearest = references_.name(nearest[k].index);
    one.similarity = nearest[k].similarity;
    one.far = one.similarity < novelty_;
  }
  return predictions;
}

}  // namespace gyre::raman
