#include "raman/summary.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "raman/baselines.hpp"
#include "raman/calibration.hpp"

namespace gyre::raman {
namespace {

constexpr std::size_t kReliabilityBins = 10;

std::vector<int> truth_of(const Dataset& data, const FoldResult& fold) {
  std::vector<int> truth;
  for (const std::size_t i : fold.test) truth.push_back(data.examples.labels[i]);
  return truth;
}

/// A fold's calibrated predictions.
struct Predictions {
  std::vector<int> truth;
  Probabilities probabilities;
  Metrics metrics;
  SetQuality sets;
  Calibration calibration;
  double threshold = 0;
};

Predictions predict_fold(const Dataset& data, std::span<const FoldResult> folds, int fold, double coverage) {
  const FoldResult& result = folds[static_cast<std::size_t>(fold)];
  const OutOfFold others = pool_folds(data, folds, fold);
  Predictions predictions;
  predictions.truth = truth_of(data, result);
  predictions.calibration = calibrate(others.logits, others.truth, shares_of(data, others.truth));
  predictions.threshold = conformal_threshold(predictions.calibration.apply(others.logits), others.truth, coverage);
  predictions.probabilities = predictions.calibration.apply(result.logits);
  predictions.metrics = measure(predictions.probabilities, predictions.truth);
  predictions.sets = measure_sets(predictions.probabilities, predictions.truth, predictions.threshold);
  return predictions;
}

nlohmann::json over_folds(const std::vector<double>& values) {
  nlohmann::json json = to_json(interval_of(values));
  json["folds"] = values;
  return json;
}

template <typename Value>
nlohmann::json measures_json(std::size_t folds, const Value& value_of) {
  nlohmann::json json;
  for (const auto& [name, member] : measure_names()) {
    std::vector<double> values;
    for (std::size_t f = 0; f < folds; ++f) values.push_back(value_of(f, member));
    json[name] = over_folds(values);
  }
  return json;
}

nlohmann::json baselines_json(std::span<const FoldResult> folds, const std::vector<Predictions>& predictions) {
  nlohmann::json rows = nlohmann::json::array();
  for (const BaselineKind& kind : baseline_kinds()) {
    const auto of_baseline = [&](std::size_t f, double Metrics::*member) {
      return folds[f].baselines.at(kind.name).*member;
    };
    rows.push_back({{"name", kind.name},
                    {"title", kind.title},
                    {"measures", measures_json(folds.size(), of_baseline)},
                    {"model_minus_baseline", measures_json(folds.size(), [&](std::size_t f, double Metrics::*member) {
                       return predictions[f].metrics.*member - of_baseline(f, member);
                     })}});
  }
  return rows;
}

nlohmann::json sets_json(const std::vector<Predictions>& predictions, double coverage) {
  std::vector<double> covered;
  std::vector<double> sizes;
  std::vector<double> thresholds;
  std::vector<double> temperatures;
  std::vector<double> prior_weights;
  for (const Predictions& one : predictions) {
    covered.push_back(one.sets.coverage);
    sizes.push_back(one.sets.size);
    thresholds.push_back(one.threshold);
    temperatures.push_back(one.calibration.temperature);
    prior_weights.push_back(one.calibration.prior_weight);
  }
  return {{"method", kSetMethod},          {"nominal", coverage},      {"coverage", over_folds(covered)},
          {"size", over_folds(sizes)},     {"thresholds", thresholds}, {"temperatures", temperatures},
          {"prior_weights", prior_weights}};
}

/// Share of test spectra that have a spectrum of the same group among the training spectra.
double shared_share(const std::vector<std::string>& groups, std::span<const FoldResult> folds) {
  double shared = 0;
  double total = 0;
  for (const FoldResult& fold : folds) {
    std::vector<bool> tested(groups.size(), false);
    for (const std::size_t i : fold.test) tested[i] = true;
    std::set<std::string> trained;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (!tested[i] && !groups[i].empty()) trained.insert(groups[i]);
    }
    for (const std::size_t i : fold.test) shared += trained.contains(groups[i]) ? 1 : 0;
    total += static_cast<double>(fold.test.size());
  }
  return total > 0 ? shared / total : 0;
}

nlohmann::json reliability_json(const std::vector<Predictions>& predictions) {
  std::array<double, kReliabilityBins> confidence{};
  std::array<double, kReliabilityBins> right{};
  std::array<int, kReliabilityBins> count{};
  for (const Predictions& fold : predictions) {
    for (std::size_t i = 0; i < fold.truth.size(); ++i) {
      const int best = fold.probabilities.best(i);
      const double p = fold.probabilities.row(i)[static_cast<std::size_t>(best)];
      const std::size_t bin = std::min(kReliabilityBins - 1, static_cast<std::size_t>(p * kReliabilityBins));
      confidence[bin] += p;
      right[bin] += best == fold.truth[i] ? 1 : 0;
      ++count[bin];
    }
  }
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t b = 0; b < kReliabilityBins; ++b) {
    if (count[b] == 0) continue;
    rows.push_back(
        {{"confidence", confidence[b] / count[b]}, {"accuracy", right[b] / count[b]}, {"spectra", count[b]}});
  }
  return rows;
}

nlohmann::json countries_json(const Dataset& data, const std::vector<int>& counts) {
  const auto classes = static_cast<std::size_t>(data.examples.classes);
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t c = 0; c < classes; ++c) {
    int of_truth = 0;
    int predicted = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      of_truth += counts[c * classes + k];
      predicted += counts[k * classes + c];
    }
    const int right = counts[c * classes + c];
    rows.push_back({{"code", data.countries[c]},
                    {"spectra", of_truth},
                    {"predicted", predicted},
                    {"recall", of_truth > 0 ? nlohmann::json(static_cast<double>(right) / of_truth) : nullptr},
                    {"precision", predicted > 0 ? nlohmann::json(static_cast<double>(right) / predicted) : nullptr}});
  }
  return rows;
}

/// Mean |attribution| a grid point and class over the folds, each class scaled to a sum of one.
nlohmann::json wavenumbers_json(const Dataset& data, std::span<const FoldResult> folds) {
  const auto classes = static_cast<std::size_t>(data.examples.classes);
  const auto points = static_cast<std::size_t>(data.examples.points);
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t c = 0; c < classes; ++c) {
    std::vector<double> mean(points, 0.0);
    double total = 0;
    for (const FoldResult& fold : folds) {
      for (std::size_t k = 0; k < points; ++k) {
        const double share = double{fold.attributions[c * points + k]} * fold.attributed[c];
        mean[k] += share;
        total += share;
      }
    }
    for (double& v : mean) v = total > 0 ? v / total : 0;
    rows.push_back(mean);
  }
  return rows;
}

}  // namespace

std::vector<double> shares_of(const Dataset& data, std::span<const int> truth) {
  std::vector<double> shares(static_cast<std::size_t>(data.examples.classes), 0.0);
  for (const int t : truth) shares[static_cast<std::size_t>(t)] += 1 / static_cast<double>(truth.size());
  return shares;
}

OutOfFold pool_folds(const Dataset& data, std::span<const FoldResult> folds, int left_out) {
  OutOfFold pool;
  for (std::size_t f = 0; f < folds.size(); ++f) {
    if (static_cast<int>(f) == left_out) continue;
    pool.logits.insert(pool.logits.end(), folds[f].logits.begin(), folds[f].logits.end());
    const std::vector<int> truth = truth_of(data, folds[f]);
    pool.truth.insert(pool.truth.end(), truth.begin(), truth.end());
    pool.examples.insert(pool.examples.end(), folds[f].test.begin(), folds[f].test.end());
  }
  return pool;
}

nlohmann::json summarise_protocol(const Dataset& data, Protocol protocol, std::span<const FoldResult> folds,
                                  double coverage) {
  const auto classes = static_cast<std::size_t>(data.examples.classes);
  std::vector<Predictions> predictions;
  std::vector<int> counts(classes * classes, 0);
  double seconds = 0;
  for (std::size_t f = 0; f < folds.size(); ++f) {
    predictions.push_back(predict_fold(data, folds, static_cast<int>(f), coverage));
    const std::vector<int> of_fold = confusion(predictions.back().probabilities, predictions.back().truth);
    std::transform(counts.begin(), counts.end(), of_fold.begin(), counts.begin(), std::plus<>());
    seconds += folds[f].seconds;
  }
  nlohmann::json matrix = nlohmann::json::array();
  for (std::size_t c = 0; c < classes; ++c) {
    matrix.push_back(std::vector<int>(counts.begin() + static_cast<std::ptrdiff_t>(c * classes),
                                      counts.begin() + static_cast<std::ptrdiff_t>((c + 1) * classes)));
  }
  return {
      {"name", name_of(protocol)},
      {"specimen_in_training", shared_share(data.groups_of("specimen"), folds)},
      {"mineral_in_training", shared_share(data.groups_of("mineral"), folds)},
      {"model", measures_json(folds.size(),
                              [&](std::size_t f, double Metrics::*member) { return predictions[f].metrics.*member; })},
      {"baselines", baselines_json(folds, predictions)},
      {"sets", sets_json(predictions, coverage)},
      {"reliability", reliability_json(predictions)},
      {"countries", countries_json(data, counts)},
      {"confusion", matrix},
      {"wavenumbers", wavenumbers_json(data, folds)},
      {"training_seconds", seconds}};
}

nlohmann::json describe_data(const Dataset& data, const Gazetteer& gazetteer, const Preprocessing& config) {
  std::map<std::string, std::set<std::string>> specimens;
  std::map<std::string, int> spectra;
  std::set<std::string> all;
  for (std::size_t i = 0; i < data.examples.size(); ++i) {
    const std::string& code = data.countries[static_cast<std::size_t>(data.examples.labels[i])];
    ++spectra[code];
    specimens[code].insert(data.specimens[i]);
    all.insert(data.specimens[i]);
  }
  nlohmann::json countries = nlohmann::json::array();
  for (const std::string& code : data.countries) {
    const Country& country = gazetteer.country(code);
    countries.push_back(
        {{"code", code}, {"name", country.name}, {"spectra", spectra[code]}, {"specimens", specimens[code].size()}});
  }
  nlohmann::json world = nlohmann::json::array();
  for (const Country& country : gazetteer.countries()) {
    world.push_back({{"code", country.code},
                     {"name", country.name},
                     {"latitude", country.latitude},
                     {"longitude", country.longitude}});
  }
  return {{"spectra", data.examples.size()},
          {"specimens", all.size()},
          {"minerals", data.minerals.size()},
          {"selection", to_json(data.selection)},
          {"countries", countries},
          {"world", world},
          {"grid", {{"from", config.from}, {"to", config.to}, {"points", config.points}}}};
}

}  // namespace gyre::raman
