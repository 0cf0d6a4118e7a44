#include "raman/dataset.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "raman/folds.hpp"

namespace gyre::raman {
namespace {

/// Localities that say nothing.
bool says_nothing(const std::string& locality) {
  const std::string plain = plain_name(locality);
  return plain.empty() || plain == "unknown" || plain == "not known" || plain == "n a" || plain == "none";
}

void count_origin(const Spectrum& spectrum, const Label& label, Selection& selection) {
  ++selection.origins[std::string(name_of(label.origin))];
  if (says_nothing(spectrum.locality)) return;
  ++selection.stated;
  if (label.origin != Origin::unknown) ++selection.located;
}

/// Numbers names in the order of the alphabet.
std::map<std::string, int> number_names(const std::vector<std::string>& names) {
  std::map<std::string, int> numbers;
  for (const std::string& name : names) numbers.try_emplace(name, 0);
  int next = 0;
  for (auto& row : numbers) row.second = next++;
  return numbers;
}

std::vector<std::string> keys_of(const std::map<std::string, int>& numbers) {
  std::vector<std::string> keys;
  for (const auto& row : numbers) keys.push_back(row.first);
  return keys;
}

struct Kept {
  const Spectrum* spectrum;
  std::string country;
  std::vector<float> input;
};

/// The spectra that are no examples, with the numbers of specimens and minerals that these have, and others behind
/// them.
Examples more_examples(const std::vector<Kept>& spectra, const Examples& examples, std::map<std::string, int> minerals,
                       std::map<std::string, int> specimens) {
  const auto number_in = [](std::map<std::string, int>& numbers, const std::string& name) {
    return name.empty() ? -1 : numbers.try_emplace(name, static_cast<int>(numbers.size())).first->second;
  };
  const bool any_infrared = std::any_of(spectra.begin(), spectra.end(),
                                        [](const Kept& one) { return one.spectrum->technique == Technique::infrared; });
  Examples more{examples.points, examples.grid_step, examples.classes, 0, {}, {}, {}, {}, {}};
  for (const Kept& one : spectra) {
    more.inputs.insert(more.inputs.end(), one.input.begin(), one.input.end());
    more.labels.push_back(-1);
    more.mineral.push_back(number_in(minerals, one.spectrum->mineral));
    more.specimen.push_back(number_in(specimens, specimen_of(one.spectrum->specimen)));
    if (any_infrared) more.infrared.push_back(one.spectrum->technique == Technique::infrared ? 1 : 0);
  }
  more.minerals = static_cast<int>(minerals.size());
  return more;
}

}  // namespace

Measurement measurement_of(const Spectrum& spectrum) {
  return {static_cast<float>(spectrum.laser), static_cast<float>(spectrum.shifts.front()),
          static_cast<float>(spectrum.shifts.back()), static_cast<float>(spectrum.shifts.size())};
}

nlohmann::json to_json(const Selection& selection) {
  return {{"spectra_read", selection.read},
          {"files_rejected", selection.rejected},
          {"origins", selection.origins},
          {"localities_stated", selection.stated},
          {"localities_resolved", selection.located},
          {"spectra_of_rare_countries", selection.rare},
          {"infrared_spectra", selection.infrared}};
}

std::vector<std::string> Dataset::groups_of(const std::string& protocol) const {
  const Protocol kind = parse_protocol(protocol, "protocol");
  std::vector<std::string> groups(examples.size());
  if (kind == Protocol::specimen) groups = specimens;
  if (kind == Protocol::mineral) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const int mineral = examples.mineral[i];
      if (mineral >= 0) groups[i] = minerals[static_cast<std::size_t>(mineral)];
    }
  }
  return groups;
}

std::vector<Label> label_spectra(const std::vector<Spectrum>& spectra, const Gazetteer& gazetteer,
                                 const std::map<std::string, std::string>& more) {
  std::vector<Label> labels;
  for (const Spectrum& spectrum : spectra) {
    Label label = gazetteer.locate(spectrum.locality, spectrum.mineral);
    if (label.origin == Origin::unknown) {
      if (const auto found = more.find(spectrum.locality); found != more.end() && !found->second.empty()) {
        label = {Origin::country, found->second, "geocoder"};
      }
    }
    labels.push_back(std::move(label));
  }
  return labels;
}

Dataset build_dataset(const Collection& collection, const std::vector<Label>& labels, const Preprocessing& config,
                      int least) {
  Dataset data;
  data.selection.read = static_cast<int>(collection.spectra.size());
  for (const auto& [reason, count] : collection.rejected_by_reason()) {
    data.selection.rejected[std::string(name_of(reason))] = count;
  }
  std::vector<Kept> kept;
  std::vector<Kept> more;
  std::vector<Kept> infrared;
  std::map<std::string, int> of_country;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Spectrum& spectrum = collection.spectra[i];
    count_origin(spectrum, labels[i], data.selection);
    const bool located = labels[i].origin == Origin::country;
    try {
      Kept one{&spectrum, labels[i].country, preprocess(spectrum, config)};
      if (located) ++of_country[one.country];
      (located ? kept : more).push_back(std::move(one));
    } catch (const RejectedSpectrum& rejection) {
      if (located) ++data.selection.rejected["off_grid_" + std::string(name_of(rejection.reason))];
    }
  }
  data.selection.infrared = static_cast<int>(collection.infrared.size());
  for (const Spectrum& spectrum : collection.infrared) {
    try {
      infrared.push_back({&spectrum, "", preprocess(spectrum, config)});
    } catch (const RejectedSpectrum& rejection) {
      ++data.selection.rejected["off_grid_" + std::string(name_of(rejection.reason))];
    }
  }
  std::vector<std::string> names;
  std::vector<std::string> minerals;
  for (const auto& [country, count] : of_country) {
    if (count >= least)
      names.push_back(country);
    else
      data.selection.rare[country] = count;
  }
  const auto rare = std::stable_partition(kept.begin(), kept.end(),
                                          [&](const Kept& one) { return of_country.at(one.country) >= least; });
  std::move(rare, kept.end(), std::back_inserter(more));
  kept.erase(rare, kept.end());
  std::move(infrared.begin(), infrared.end(), std::back_inserter(more));
  if (names.size() < 2) {
    throw Error(
        "{} countries have {} spectra or more; a model needs two at least: give more data, or lower "
        "min_spectra in the config",
        names.size(), least);
  }
  for (const Kept& one : kept) {
    if (!one.spectrum->mineral.empty()) minerals.push_back(one.spectrum->mineral);
  }
  const auto classes = number_names(names);
  const auto mineral_numbers = number_names(minerals);
  data.countries = keys_of(classes);
  data.minerals = keys_of(mineral_numbers);
  Examples& examples = data.examples;
  examples.points = config.points;
  examples.grid_step = (config.to - config.from) / (config.points - 1);
  examples.classes = static_cast<int>(classes.size());
  examples.minerals = static_cast<int>(mineral_numbers.size());
  std::map<std::string, int> specimen_numbers;
  for (const Kept& one : kept) {
    examples.inputs.insert(examples.inputs.end(), one.input.begin(), one.input.end());
    examples.labels.push_back(classes.at(one.country));
    const auto mineral = mineral_numbers.find(one.spectrum->mineral);
    examples.mineral.push_back(mineral == mineral_numbers.end() ? -1 : mineral->second);
    data.specimens.push_back(specimen_of(one.spectrum->specimen));
    const auto next = static_cast<int>(specimen_numbers.size());
    examples.specimen.push_back(
        data.specimens.back().empty() ? -1 : specimen_numbers.try_emplace(data.specimens.back(), next).first->second);
    examples.measurements.push_back(measurement_of(*one.spectrum));
    data.sources.push_back(one.spectrum->source);
  }
  data.more = more_examples(more, examples, mineral_numbers, specimen_numbers);
  return data;
}

}  // namespace gyre::raman
