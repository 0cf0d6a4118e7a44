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

/// Whether a spectrum of the mineral of each test example is among those that were trained on.
std::vector<bool> minerals_in_training(const Dataset& data, const FoldResult& fold) {
  std::vector<bool> tested(data.examples.size(), false);
  for (const std::size_t i : fold.test) tested[i] = true;
  std::set<int> trained;
  for (std::size_t i = 0; i < tested.size(); ++i) {
    if (!tested[i] && data.examples.mineral[i] >= 0) trained.insert(data.examples.mineral[i]);
  }
  std::vector<bool> seen;
  for (const std::size_t i : fold.test) seen.push_back(trained.contains(data.examples.mineral[i]));
  return seen;
}

/// A fold's predictions by one method.
struct Predictions {
  std::vector<int> truth;
  Probabilities probabilities;
  Metrics metrics;
};

Predictions predictions_of(const Dataset& data, const FoldResult& fold, const std::string& method) {
  Predictions predictions;
  predictions.truth = truth_of(data, fold);
  predictions.probabilities =
      softmax(fold.methods.at(method).log_probabilities, static_cast<std::size_t>(data.examples.classes));
  predictions.metrics = measure(predictions.probabilities, predictions.truth);
  return predictions;
}

/// Values over folds, with their interval.
class OverFolds {
 public:
  /// `folds`: of a partition.
  explicit OverFolds(int folds) : test_share_(1 / static_cast<double>(folds - 1)) {}

  [[nodiscard]] nlohmann::json values(const std::vector<double>& of_folds) const {
    nlohmann::json json = to_json(interval_of(of_folds, test_share_));
    json["folds"] = of_folds;
    return json;
  }

  /// All measures; `value_of` gives one of a fold.
  template <typename Value>
  [[nodiscard]] nlohmann::json measures(std::size_t folds, const Value& value_of) const {
    nlohmann::json json;
    for (const auto& [name, member] : measure_names()) {
      std::vector<double> of_folds;
      for (std::size_t f = 0; f < folds; ++f) of_folds.push_back(value_of(f, member));
      json[name] = values(of_folds);
    }
    return json;
  }

 private:
  double test_share_;
};

nlohmann::json baselines_json(const OverFolds& over, std::span<const FoldResult> folds,
                              const std::vector<Predictions>& predictions) {
  nlohmann::json rows = nlohmann::json::array();
  for (const BaselineKind& kind : baseline_kinds()) {
    const auto of_baseline = [&, name = kind.name](std::size_t f, double Metrics::*member) {
      return folds[f].baselines.at(name).*member;
    };
    rows.push_back({{"name", kind.name},
                    {"title", kind.title},
                    {"measures", over.measures(folds.size(), of_baseline)},
                    {"model_minus_baseline", over.measures(folds.size(), [&](std::size_t f, double Metrics::*member) {
                       return predictions[f].metrics.*member - of_baseline(f, member);
                     })}});
  }
  return rows;
}

/// Every method, with its differences to the baselines.
nlohmann::json methods_json(const OverFolds& over, const Dataset& data, std::span<const FoldResult> folds) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Method& method : methods()) {
    std::vector<Predictions> predictions;
    for (const FoldResult& fold : folds) predictions.push_back(predictions_of(data, fold, method.name));
    nlohmann::json minus;
    for (const nlohmann::json& row : baselines_json(over, folds, predictions)) {
      minus[row["name"].get<std::string>()] = row["model_minus_baseline"];
    }
    const auto value = [&](std::size_t f, double Metrics::*member) { return predictions[f].metrics.*member; };
    rows.push_back({{"name", method.name},
                    {"title", method.title},
                    {"measures", over.measures(folds.size(), value)},
                    {"minus_baselines", minus}});
  }
  return rows;
}

/// What the sets of some spectra come to.
struct SetCounts {
  double held = 0;
  double size = 0;
  double spectra = 0;
};

nlohmann::json sets_json(const OverFolds& over, const Dataset& data, std::span<const FoldResult> folds,
                         const std::string& model, double coverage) {
  constexpr std::array<std::pair<const char*, const char*>, 3> kGroups = {
      {{"all", "all"}, {"seen", "mineral in training"}, {"unseen", "mineral not in training"}}};
  std::array<std::vector<double>, 3> covered;
  std::array<std::vector<double>, 3> sizes;
  std::array<double, 3> spectra{};
  nlohmann::json thresholds = nlohmann::json::array();
  for (const FoldResult& fold : folds) {
    const Predictions predictions = predictions_of(data, fold, model);
    const SetThresholds threshold = set_thresholds(fold.methods.at(model).held_out, coverage);
    thresholds.push_back({{"familiar", threshold.familiar}, {"strange", threshold.strange}});
    const std::vector<bool> seen = minerals_in_training(data, fold);
    std::array<SetCounts, 3> counts;
    for (std::size_t i = 0; i < fold.test.size(); ++i) {
      const std::vector<int> set = prediction_set(predictions.probabilities.row(i), threshold.of(fold.familiar[i]));
      const bool holds = std::find(set.begin(), set.end(), predictions.truth[i]) != set.end();
      for (const std::size_t group : {std::size_t{0}, seen[i] ? std::size_t{1} : std::size_t{2}}) {
        counts.at(group).held += holds ? 1 : 0;
        counts.at(group).size += static_cast<double>(set.size());
        counts.at(group).spectra += 1;
      }
    }
    for (std::size_t g = 0; g < counts.size(); ++g) {
      spectra.at(g) += counts.at(g).spectra;
      if (counts.at(g).spectra == 0) continue;
      covered.at(g).push_back(counts.at(g).held / counts.at(g).spectra);
      sizes.at(g).push_back(counts.at(g).size / counts.at(g).spectra);
    }
  }
  nlohmann::json groups = nlohmann::json::array();
  for (std::size_t g = 1; g < kGroups.size(); ++g) {
    if (covered.at(g).empty()) continue;
    groups.push_back({{"name", kGroups.at(g).first},
                      {"title", kGroups.at(g).second},
                      {"spectra", spectra.at(g)},
                      {"coverage", over.values(covered.at(g))},
                      {"size", over.values(sizes.at(g))}});
  }
  return {{"method", kSetMethod},          {"nominal", coverage}, {"coverage", over.values(covered[0])},
          {"size", over.values(sizes[0])}, {"groups", groups},    {"thresholds", thresholds}};
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

nlohmann::json summarise_protocol(const Dataset& data, Protocol protocol, std::span<const FoldResult> folds,
                                  int folds_count, const std::string& model, double coverage) {
  const auto classes = static_cast<std::size_t>(data.examples.classes);
  const OverFolds over(folds_count);
  std::vector<Predictions> predictions;
  std::vector<int> counts(classes * classes, 0);
  double seconds = 0;
  for (const FoldResult& fold : folds) {
    predictions.push_back(predictions_of(data, fold, model));
    const std::vector<int> of_fold = confusion(predictions.back().probabilities, predictions.back().truth);
    std::transform(counts.begin(), counts.end(), of_fold.begin(), counts.begin(), std::plus<>());
    seconds += fold.seconds;
  }
  nlohmann::json matrix = nlohmann::json::array();
  for (std::size_t c = 0; c < classes; ++c) {
    matrix.push_back(std::vector<int>(counts.begin() + static_cast<std::ptrdiff_t>(c * classes),
                                      counts.begin() + static_cast<std::ptrdiff_t>((c + 1) * classes)));
  }
  const auto value = [&](std::size_t f, double Metrics::*member) { return predictions[f].metrics.*member; };
  return {{"name", name_of(protocol)},
          {"specimen_in_training", shared_share(data.groups_of("specimen"), folds)},
          {"mineral_in_training", shared_share(data.groups_of("mineral"), folds)},
          {"method", model},
          {"model", over.measures(folds.size(), value)},
          {"methods", methods_json(over, data, folds)},
          {"baselines", baselines_json(over, folds, predictions)},
          {"sets", sets_json(over, data, folds, model, coverage)},
          {"reliability", reliability_json(predictions)},
          {"countries", countries_json(data, counts)},
          {"confusion", matrix},
          {"wavenumbers", wavenumbers_json(data, folds)},
          {"training_seconds", seconds}};
}

nlohmann::json summarise_baselines(const Dataset& data, Protocol protocol, std::span<const FoldResult> folds,
                                   int folds_count) {
  const OverFolds over(folds_count);
  nlohmann::json rows = nlohmann::json::array();
  double seconds = 0;
  for (const FoldResult& fold : folds) seconds += fold.seconds;
  for (const BaselineKind& kind : baseline_kinds()) {
    const auto value = [&](std::size_t f, double Metrics::*member) { return folds[f].baselines.at(kind.name).*member; };
    const auto above = [&](std::size_t f, double Metrics::*member) {
      return value(f, member) - folds[f].baselines.at("majority").*member;
    };
    rows.push_back({{"name", kind.name},
                    {"title", kind.title},
                    {"measures", over.measures(folds.size(), value)},
                    {"minus_majority", over.measures(folds.size(), above)}});
  }
  return {{"name", name_of(protocol)},
          {"specimen_in_training", shared_share(data.groups_of("specimen"), folds)},
          {"mineral_in_training", shared_share(data.groups_of("mineral"), folds)},
          {"baselines", rows},
          {"seconds", seconds}};
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
