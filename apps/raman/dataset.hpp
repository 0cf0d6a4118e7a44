#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "raman/backend.hpp"
#include "raman/gazetteer.hpp"
#include "raman/preprocess.hpp"
#include "raman/reading.hpp"

namespace gyre::raman {

/// What became of the spectra on their way to a data set.
struct Selection {
  int read = 0;
  std::map<std::string, int> rejected;  ///< files by reason
  std::map<std::string, int> origins;   ///< spectra by origin: country, synthetic, meteorite, unknown
  int stated = 0;                       ///< spectra whose locality says anything but "unknown"
  int located = 0;                      ///< of these, spectra with a country or set apart by kind
  std::map<std::string, int> rare;      ///< spectra of countries that have too few, by code
  int infrared = 0;                     ///< infrared spectra, which serve pretraining alone
};
nlohmann::json to_json(const Selection& selection);

/// Spectra of known country, preprocessed.
struct Dataset {
  Examples examples;
  std::vector<std::string> countries;  ///< codes, by class; in the order of the alphabet
  std::vector<std::string> minerals;   ///< names, by number
  std::vector<std::string> specimens;  ///< of each example; empty: not known
  std::vector<std::string> sources;    ///< of each example
  Selection selection;
  /// Spectra that pretraining may see besides: of rare countries and of none, synthetic and meteoritic ones, and
  /// infrared ones. Specimens and minerals are numbered as those of the examples, others behind them.
  Examples more;

  /// Names of the groups that a cross-validation keeps together, one an example.
  [[nodiscard]] std::vector<std::string> groups_of(const std::string& protocol) const;
};

/// Laser, range and number of points of a spectrum as its file gives it.
Measurement measurement_of(const Spectrum& spectrum);

/// Finds the origin of every spectrum that the gazetteer (or, for those, `more`: country codes by locality) tells.
std::vector<Label> label_spectra(const std::vector<Spectrum>& spectra, const Gazetteer& gazetteer,
                                 const std::map<std::string, std::string>& more = {});

/// Keeps the spectra of countries with at least `least` spectra. Throws Error when fewer than two countries are left.
Dataset build_dataset(const Collection& collection, const std::vector<Label>& labels, const Preprocessing& config,
                      int least);

}  // namespace gyre::raman
