#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "raman/calibration.hpp"
#include "raman/evidence.hpp"
#include "raman/reranker.hpp"

namespace gyre::raman {

/// The "retrieval" object of a config.
struct RetrievalConfig {
  int candidates = 16;        ///< nearest spectra that are asked "same specimen?"
  int inner_folds = 3;        ///< on which all that is mixed is fitted
  int ensemble = 1;           ///< networks from different seeds, averaged; each costs a training
  bool measurements = false;  ///< whether laser, range and number of points may be used
};
RetrievalConfig parse_retrieval(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const RetrievalConfig& config);

/// How opinions and candidates become probabilities, with or without the measurement's features.
struct Mixing {
  Reranker reranker;
  double temperature = 1;
  HeldOut held_out;
};

/// All that is fitted beside the networks.
struct Fitted {
  Protocol protocol = Protocol::specimen;  ///< what of a query's kin the library may hold
  int candidates = 0;
  VoteWidths widths;
  std::vector<double> voices;      ///< weights of the opinions on stones that are not in the library
  double network_temperature = 1;  ///< of the network alone, for comparison
  double familiar_from = kHidden;  ///< the likeness of the nearest spectrum from which a query is familiar
  double novel_below = kHidden;    ///< the likeness that almost all have to their nearest
  Mixing plain;                    ///< of the spectra alone
  Mixing measured;                 ///< with laser, range and number of points

  [[nodiscard]] const Mixing& mixing(bool measurements) const { return measurements ? measured : plain; }
};
nlohmann::json to_json(const HeldOut& held_out);
/// Throws nlohmann's exceptions for what is none.
HeldOut held_out_from(const nlohmann::json& json);
nlohmann::json to_json(const Fitted& fitted);
Fitted fitted_from(const nlohmann::json& json, const std::string& where);

/// The country probabilities of evidence: the shares of the candidates go to their countries, the share of "none of
/// them" to the mixed opinions.
Probabilities mix_evidence(const Evidence& evidence, std::span<const double> shares, std::span<const double> voices,
                           std::span<const int> countries);

/// What a model says, with all that it says it from.
struct Answer {
  Probabilities probabilities;
  std::vector<int> familiar;  ///< one a query
  Evidence evidence;
  std::vector<double> shares;  ///< [queries, candidates + 1]: that each is of the query's specimen, and none
};

/// A network, a library, and what mixes them.
class OriginModel {
 public:
  /// `embeddings` are the network's of the library.
  OriginModel(std::unique_ptr<Classifier> network, Examples library, std::vector<float> embeddings, Fitted fitted);

  /// Of the queries the inputs and measurements are looked at. `own`: Queries::own.
  [[nodiscard]] Answer answer(const Examples& queries, bool measurements,
                              std::vector<std::optional<std::size_t>> own = {}) const;

  [[nodiscard]] const Classifier& network() const { return *network_; }
  [[nodiscard]] const Library& library() const { return library_; }
  [[nodiscard]] const Fitted& fitted() const { return fitted_; }

 private:
  std::unique_ptr<Classifier> network_;
  Library library_;
  Fitted fitted_;
};

/// What fitting an OriginModel takes.
struct OriginRequest {
  const Backend& backend;
  const nlohmann::json& config;
  std::string where;
  const Examples& examples;  ///< nothing else is seen
  Protocol protocol = Protocol::specimen;
  std::filesystem::path folder;  ///< for checkpoints, a folder below it for each network
  std::string title;
  std::uint64_t seed = 1;
  int threads = 0;
  Stop stop = {};
  const Examples* more = nullptr;  ///< spectra of no country that networks may be pretrained on; null: none
};

/// Trains networks on inner folds of the examples, fits re-rankers, votes, weights and calibration to what they say of
/// the examples that they were not trained on, and trains the network that stays on all of them. None when a stop was
/// requested; the networks that are there are then gone on with.
std::unique_ptr<OriginModel> fit_origin(const OriginRequest& request);

/// The inner fold of each example: whole specimens (whole minerals for folds over minerals) are held out, also where
/// the protocol splits them, so that no network has seen a stone whose opinions on it are weighed.
std::vector<int> inner_folds(const Examples& examples, Protocol protocol, int folds, std::uint64_t seed);

}  // namespace gyre::raman
