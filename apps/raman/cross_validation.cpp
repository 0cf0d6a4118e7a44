#include "raman/cross_validation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/random.hpp"
#include "format/json_object.hpp"
#include "raman/baselines.hpp"
#include "raman/origin_model.hpp"
#include "raman/pretraining.hpp"

namespace gyre::raman {
namespace {

namespace fs = std::filesystem;

/// Spectra a class whose wavenumbers are explained in one fold, and the steps of the integral: enough for means that no
/// longer move at the width of a line.
constexpr int kExplained = 8;
constexpr int kIntegralSteps = 12;

std::string fold_name(Protocol protocol, int fold) { return fmt::format("{}-{}", name_of(protocol), fold); }

Metrics metrics_from(const nlohmann::json& json) {
  Metrics metrics;
  for (const auto& [name, member] : measure_names()) metrics.*member = json.at(name).get<double>();
  return metrics;
}

nlohmann::json to_json(const std::map<std::string, Metrics>& baselines) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, metrics] : baselines) json[name] = raman::to_json(metrics);
  return json;
}

nlohmann::json to_json(const FoldResult& result) {
  nlohmann::json of_methods;
  for (const auto& [name, method] : result.methods) {
    of_methods[name] = {{"log_probabilities", method.log_probabilities}, {"held_out", raman::to_json(method.held_out)}};
  }
  return {{"test", result.test},
          {"methods", of_methods},
          {"familiar", result.familiar},
          {"baselines", to_json(result.baselines)},
          {"attributions", result.attributions},
          {"attributed", result.attributed},
          {"seconds", result.seconds}};
}

FoldResult fold_from(const fs::path& file, const Dataset& data) {
  const nlohmann::json json = load_json(file);
  FoldResult result;
  const auto classes = static_cast<std::size_t>(data.examples.classes);
  const auto points = static_cast<std::size_t>(data.examples.points);
  bool fits = true;
  try {
    result.test = json.at("test").get<std::vector<std::size_t>>();
    for (const Method& method : methods()) {
      const nlohmann::json& of_method = json.at("methods").at(method.name);
      MethodResult& one = result.methods[method.name];
      one = {of_method.at("log_probabilities").get<std::vector<float>>(), held_out_from(of_method.at("held_out"))};
      fits = fits && one.log_probabilities.size() == result.test.size() * classes &&
             one.held_out.of_truth.size() == one.held_out.familiar.size();
    }
    result.familiar = json.at("familiar").get<std::vector<int>>();
    for (const auto& [name, metrics] : json.at("baselines").items()) result.baselines[name] = metrics_from(metrics);
    result.attributions = json.at("attributions").get<std::vector<float>>();
    result.attributed = json.at("attributed").get<std::vector<int>>();
    result.seconds = json.at("seconds").get<double>();
  } catch (const nlohmann::json::exception& problem) {
    throw Error("{}: it is not the result of a fold ({}); remove it and --resume", file.string(), problem.what());
  }
  fits = fits && result.familiar.size() == result.test.size() && result.attributed.size() == classes &&
         result.attributions.size() == classes * points;
  for (const std::size_t i : result.test) fits = fits && i < data.examples.size();
  if (!fits) throw Error("{}: it is the result of a fold of other data; remove it and --resume", file.string());
  return result;
}

/// Explains a few test spectra of each class.
void attribute(const Classifier& model, const Examples& test, FoldResult& result) {
  const auto classes = static_cast<std::size_t>(test.classes);
  const auto points = static_cast<std::size_t>(test.points);
  std::vector<std::size_t> chosen;
  result.attributed.assign(classes, 0);
  result.attributions.assign(classes * points, 0.0F);
  for (std::size_t i = 0; i < test.size(); ++i) {
    int& count = result.attributed[static_cast<std::size_t>(test.labels[i])];
    if (count == kExplained) continue;
    ++count;
    chosen.push_back(i);
  }
  const Examples part = test.subset(chosen);
  const std::vector<float> all = model.attributions(part.inputs, part.labels, kIntegralSteps);
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto c = static_cast<std::size_t>(part.labels[i]);
    const auto weight = 1.0F / static_cast<float>(result.attributed[c]);
    for (std::size_t k = 0; k < points; ++k) {
      result.attributions[c * points + k] += weight * std::abs(all[i * points + k]);
    }
  }
}

std::map<std::string, Metrics> ask_baselines(const Examples& training, const Examples& test, Protocol protocol) {
  std::map<std::string, Metrics> said;
  for (const BaselineKind& kind : baseline_kinds()) {
    said[kind.name] = measure(kind.predict({training, test, protocol}), test.labels);
  }
  return said;
}

/// The baselines of a fold that `run_baselines` wrote.
FoldResult baselines_from(const fs::path& file, const FoldSplit& split) {
  const nlohmann::json json = load_json(file);
  FoldResult result;
  try {
    result.test = json.at("test").get<std::vector<std::size_t>>();
    for (const BaselineKind& kind : baseline_kinds()) {
      result.baselines[kind.name] = metrics_from(json.at("baselines").at(kind.name));
    }
    result.seconds = json.at("seconds").get<double>();
  } catch (const nlohmann::json::exception& problem) {
    throw Error("{}: it is not the result of a fold ({}); remove it and --resume", file.string(), problem.what());
  }
  if (result.test != split.test) {
    throw Error("{}: it is the result of another split; remove it and --resume", file.string());
  }
  return result;
}

std::vector<float> logarithms(const Probabilities& probabilities) {
  constexpr double kLeast = 1e-12;
  std::vector<float> out;
  out.reserve(probabilities.values.size());
  for (const double p : probabilities.values) out.push_back(static_cast<float>(std::log(std::max(p, kLeast))));
  return out;
}

/// Everything a fold's models say of its test spectra.
void ask(const OriginModel& model, const Examples& test, FoldResult& result) {
  for (const bool measurements : {false, true}) {
    const Answer answer = model.answer(test, measurements);
    result.methods[measurements ? "measured" : "plain"] = {logarithms(answer.probabilities),
                                                           model.fitted().mixing(measurements).held_out};
    result.familiar = answer.familiar;
  }
  const auto classes = static_cast<std::size_t>(test.classes);
  const Probabilities alone = softmax(model.network().logits(test.inputs), classes, model.fitted().network_temperature);
  result.methods["network"] = {logarithms(alone), {}};
  attribute(model.network(), test, result);
}

std::optional<FoldResult> fit_fold(const Dataset& data, const FoldSplit& split, Protocol protocol, int fold,
                                   const RunSettings& settings, const Backend& backend) {
  const Examples training = data.examples.subset(split.training);
  const Examples test = data.examples.subset(split.test);
  const Examples more = data.more.subset(may_pretrain(data.more, test, protocol));
  FoldResult result;
  result.test = split.test;
  const auto start = std::chrono::steady_clock::now();
  const auto model = fit_origin(
      {backend, settings.config, settings.where, training, protocol, settings.out / "folds" / fold_name(protocol, fold),
       fmt::format("{} fold {} of {}", name_of(protocol), fold + 1, settings.folds),
       combine_seeds(settings.seed, static_cast<std::uint64_t>(fold)), settings.threads, settings.stop, &more});
  if (!model) return {};
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ask(*model, test, result);
  result.baselines = ask_baselines(training, test, protocol);
  return result;
}

}  // namespace

const std::vector<Method>& methods() {
  static const std::vector<Method> all = {{"plain", "retrieval and network"},
                                          {"measured", "with laser, range and points"},
                                          {"network", "ConvNeXt1D alone"}};
  return all;
}

std::string method_of(const nlohmann::json& config, const std::string& where) {
  if (!config.contains("retrieval")) return "plain";
  return parse_retrieval(config.at("retrieval"), where + ": retrieval").measurements ? "measured" : "plain";
}

std::vector<int> folds_of(const Dataset& data, Protocol protocol, const RunSettings& settings) {
  return assign_folds(data.groups_of(std::string(name_of(protocol))), settings.folds, settings.seed);
}

FoldSplit split_fold(const std::vector<int>& folds, int fold) {
  FoldSplit split;
  for (std::size_t i = 0; i < folds.size(); ++i) (folds[i] == fold ? split.test : split.training).push_back(i);
  return split;
}

std::optional<FoldResult> run_fold(const Dataset& data, Protocol protocol, int fold, const RunSettings& settings,
                                   const Backend& backend) {
  const std::vector<int> folds = folds_of(data, protocol, settings);
  const fs::path file = settings.out / "folds" / (fold_name(protocol, fold) + ".json");
  const FoldSplit split = split_fold(folds, fold);
  if (fs::exists(file)) {
    FoldResult result = fold_from(file, data);
    if (result.test != split.test) {
      throw Error("{}: it is the result of another split; remove it and --resume", file.string());
    }
    return result;
  }
  std::optional<FoldResult> result = fit_fold(data, split, protocol, fold, settings, backend);
  if (!result) return {};
  write_text_atomically(file, to_json(*result).dump());
  // What stands in the file needs no checkpoints.
  fs::remove_all(settings.out / "folds" / fold_name(protocol, fold));
  return result;
}

std::optional<std::vector<FoldResult>> run_folds(const Dataset& data, Protocol protocol, const RunSettings& settings,
                                                 const Backend& backend) {
  std::vector<FoldResult> results;
  for (int fold = 0; fold < settings.folds; ++fold) {
    std::optional<FoldResult> result = run_fold(data, protocol, fold, settings, backend);
    if (!result) return {};
    results.push_back(std::move(*result));
    if (settings.stop.requested() && fold + 1 < settings.folds) return {};
  }
  return results;
}

std::optional<std::vector<FoldResult>> run_baselines(const Dataset& data, Protocol protocol,
                                                     const RunSettings& settings) {
  const std::vector<int> folds = folds_of(data, protocol, settings);
  fs::create_directories(settings.out / "baselines");
  std::vector<FoldResult> results;
  for (int fold = 0; fold < settings.folds; ++fold) {
    const fs::path file = settings.out / "baselines" / (fold_name(protocol, fold) + ".json");
    const FoldSplit split = split_fold(folds, fold);
    if (fs::exists(file)) {
      results.push_back(baselines_from(file, split));
      continue;
    }
    if (settings.stop.requested()) return {};
    FoldResult result;
    result.test = split.test;
    const auto start = std::chrono::steady_clock::now();
    result.baselines = ask_baselines(data.examples.subset(split.training), data.examples.subset(split.test), protocol);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const nlohmann::json json = {
        {"test", result.test}, {"baselines", to_json(result.baselines)}, {"seconds", result.seconds}};
    write_text_atomically(file, json.dump());
    results.push_back(std::move(result));
  }
  return results;
}

std::string fingerprint(const Dataset& data, const RunSettings& settings) {
  const Examples& examples = data.examples;
  std::string all = fmt::format("{}\n{}\n{}\n{} {} {}\n", settings.config.dump(), settings.folds, settings.seed,
                                examples.size(), examples.points, examples.grid_step);
  all += nlohmann::json({data.countries, data.minerals, data.specimens})
             .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  const auto add = [&all](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  add(examples.inputs);
  add(examples.labels);
  add(examples.mineral);
  for (const Measurement& m : examples.measurements)
    all += fmt::format("{} {} {} {}\n", m.laser, m.from, m.to, m.points);
  // Without pretraining nothing depends on them.
  if (settings.config.contains("pretraining")) {
    add(data.more.inputs);
    add(data.more.mineral);
    add(data.more.specimen);
    add(data.more.infrared);
  }
  return sha256(std::as_bytes(std::span(all)));
}

void claim_folder(const Dataset& data, const RunSettings& settings) {
  std::error_code failure;
  fs::create_directories(settings.out / "folds", failure);
  if (failure) throw Error("--out: cannot make {}: {}", settings.out.string(), failure.message());
  const fs::path file = settings.out / "run.json";
  const std::string print = fingerprint(data, settings);
  if (fs::exists(file)) {
    if (!settings.resume) {
      throw Error("--out: {} already holds a run; give --resume to go on with it, or another folder",
                  settings.out.string());
    }
    const nlohmann::json run = load_json(file);
    if (JsonObject(run, file.string()).text("fingerprint", "") != print) {
      throw Error("--out: {} holds a run of other data, another config or another seed; give another folder",
                  settings.out.string());
    }
    return;
  }
  for (const char* folder : {"folds", "fit", "baselines"}) {
    if (!fs::is_directory(settings.out / folder) || fs::is_empty(settings.out / folder)) continue;
    throw Error("--out: {} holds {} of a run, but no run.json that says which; give another folder",
                settings.out.string(), folder);
  }
  const nlohmann::json run = {
      {"fingerprint", print}, {"config", settings.config}, {"folds", settings.folds}, {"seed", settings.seed}};
  write_text_atomically(file, run.dump(2) + "\n");
}

}  // namespace gyre::raman
