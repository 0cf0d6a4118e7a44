#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "raman/dataset.hpp"
#include "raman/library.hpp"

namespace gyre::raman {

/// One row an example: [specimen, mineral, country code].
nlohmann::json library_names(const Dataset& data);

/// Writes reference.safetensors (inputs, embeddings, measurements, as they are: a prediction must not depend on whether
/// its model was written and read in between) and reference.json.
void write_library(const std::filesystem::path& folder, const Library& library, const nlohmann::json& names);

/// What `write_library` wrote. Specimens and minerals are numbered anew.
struct StoredLibrary {
  Examples examples;
  std::vector<float> embeddings;
  nlohmann::json names;
};
/// Throws Error when the files do not fit each other, the grid or the countries.
StoredLibrary read_library(const std::filesystem::path& folder, const Preprocessing& grid,
                           const std::vector<std::string>& countries);

/// The network of a model folder, or the ensemble. `library` says of which shape it is.
std::unique_ptr<Classifier> load_networks(const std::filesystem::path& folder, const nlohmann::json& config,
                                          const std::string& where, const Examples& library, const Backend& backend,
                                          int threads);

}  // namespace gyre::raman
