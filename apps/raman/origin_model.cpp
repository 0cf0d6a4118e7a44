#include "raman/origin_model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre::raman {
namespace {

nlohmann::json to_json(const VoteWidth& width) { return {{"sharpness", width.sharpness}, {"prior", width.prior}}; }

VoteWidth width_from(const nlohmann::json& json) {
  return {json.at("sharpness").get<double>(), json.at("prior").get<double>()};
}

nlohmann::json to_json(const Mixing& mixing) {
  return {{"reranker", mixing.reranker.empty() ? nlohmann::json() : mixing.reranker.to_json()},
          {"temperature", mixing.temperature},
          {"held_out", raman::to_json(mixing.held_out)}};
}

Mixing mixing_from(const nlohmann::json& json, const std::string& where) {
  Mixing mixing;
  if (!json.at("reranker").is_null()) mixing.reranker = Reranker::from_json(json.at("reranker"), where);
  mixing.temperature = json.at("temperature").get<double>();
  mixing.held_out = held_out_from(json.at("held_out"));
  if (!(mixing.temperature > 0) || mixing.held_out.of_truth.size() != mixing.held_out.familiar.size()) {
    throw Error("{}: its calibration is broken; train the model again", where);
  }
  return mixing;
}

}  // namespace

nlohmann::json to_json(const HeldOut& held_out) {
  return {{"of_truth", held_out.of_truth}, {"familiar", held_out.familiar}, {"accuracy", held_out.accuracy}};
}

HeldOut held_out_from(const nlohmann::json& json) {
  return {json.at("of_truth").get<std::vector<double>>(), json.at("familiar").get<std::vector<int>>(),
          json.at("accuracy").get<double>()};
}

RetrievalConfig parse_retrieval(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"candidates", "inner_folds", "ensemble", "measurements"});
  RetrievalConfig config;
  config.candidates = object.integer("candidates", 1, 1000, config.candidates);
  config.inner_folds = object.integer("inner_folds", 2, 20, config.inner_folds);
  config.ensemble = object.integer("ensemble", 1, 20, config.ensemble);
  config.measurements = object.boolean("measurements", config.measurements);
  return config;
}

nlohmann::json to_json(const RetrievalConfig& config) {
  return {{"candidates", config.candidates},
          {"inner_folds", config.inner_folds},
          {"ensemble", config.ensemble},
          {"measurements", config.measurements}};
}

nlohmann::json to_json(const Fitted& fitted) {
  return {{"protocol", name_of(fitted.protocol)},
          {"candidates", fitted.candidates},
          {"neighbours", to_json(fitted.widths.neighbours)},
          {"mineral", to_json(fitted.widths.mineral)},
          {"voices", fitted.voices},
          {"network_temperature", fitted.network_temperature},
          {"familiar_from", fitted.familiar_from},
          {"novel_below", fitted.novel_below},
          {"plain", to_json(fitted.plain)},
          {"measured", to_json(fitted.measured)}};
}

Fitted fitted_from(const nlohmann::json& json, const std::string& where) {
  Fitted fitted;
  try {
    fitted.protocol = parse_protocol(json.at("protocol").get<std::string>(), where);
    fitted.candidates = json.at("candidates").get<int>();
    fitted.widths = {width_from(json.at("neighbours")), width_from(json.at("mineral"))};
    fitted.voices = json.at("voices").get<std::vector<double>>();
    fitted.network_temperature = json.at("network_temperature").get<double>();
    fitted.familiar_from = json.at("familiar_from").get<double>();
    fitted.novel_below = json.at("novel_below").get<double>();
    fitted.plain = mixing_from(json.at("plain"), where);
    fitted.measured = mixing_from(json.at("measured"), where);
  } catch (const nlohmann::json::exception& problem) {
    throw Error("{}: {}; train the model again", where, problem.what());
  }
  if (fitted.voices.size() != kVoices || fitted.candidates < 1) {
    throw Error("{}: it is of another program; train the model again", where);
  }
  return fitted;
}

Probabilities mix_evidence(const Evidence& evidence, std::span<const double> shares, std::span<const double> voices,
                           std::span<const int> countries) {
  const Candidates& candidates = evidence.candidates;
  Probabilities mixed = mix_log_linear(evidence.opinions, voices);
  for (std::size_t q = 0; q < candidates.queries(); ++q) {
    const auto row = std::span(mixed.values).subspan(q * mixed.classes, mixed.classes);
    const auto of_query = shares.subspan(q * (candidates.each + 1), candidates.each + 1);
    for (double& v : row) v *= of_query.back();
    for (std::size_t c = 0; c < candidates.each; ++c) {
      const std::size_t spectrum = candidates.spectra[q * candidates.each + c];
      row[static_cast<std::size_t>(countries[spectrum])] += of_query[c];
    }
  }
  return mixed;
}

OriginModel::OriginModel(std::unique_ptr<Classifier> network, Examples library, std::vector<float> embeddings,
                         Fitted fitted)
    : network_(std::move(network)), library_(std::move(library), std::move(embeddings)), fitted_(std::move(fitted)) {}

Answer OriginModel::answer(const Examples& queries, bool measurements,
                           std::vector<std::optional<std::size_t>> own) const {
  const Mixing& mixing = fitted_.mixing(measurements);
  Queries asked = queries_of(queries, network_->embeddings(queries.inputs));
  asked.own = std::move(own);
  Answer answer;
  answer.evidence = gather_evidence(library_, asked, fitted_.protocol, network_->logits(queries.inputs),
                                    static_cast<std::size_t>(fitted_.candidates), fitted_.widths);
  answer.shares = mixing.reranker.shares(answer.evidence.candidates);
  answer.probabilities = at_temperature(
      mix_evidence(answer.evidence, answer.shares, fitted_.voices, library_.examples().labels), mixing.temperature);
  for (const double best : answer.evidence.familiarity)
    answer.familiar.push_back(best >= fitted_.familiar_from ? 1 : 0);
  return answer;
}

}  // namespace gyre::raman
