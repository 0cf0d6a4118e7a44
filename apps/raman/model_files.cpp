#include "raman/model_files.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"
#include "raman/ensemble.hpp"
#include "raman/origin_model.hpp"

namespace gyre::raman {
namespace {

namespace fs = std::filesystem;

/// Numbers in a Measurement.
constexpr std::int64_t kMeasured = 4;

NamedTensor named(const std::string& name, const std::vector<float>& values, std::int64_t rows) {
  const std::int64_t width = rows == 0 ? 0 : static_cast<std::int64_t>(values.size()) / rows;
  return {name, {DType::f32, {rows, width}, std::as_bytes(std::span(values))}};
}

std::vector<float> values_of(const Safetensors& stored, const std::string& name) {
  const TensorView& view = stored.at(name);
  std::vector<float> values(view.element_count());
  widen(view, values);
  return values;
}

/// Numbers names in the order they come; -1 for empty ones.
class Numbers {
 public:
  int of(const std::string& name) {
    if (name.empty()) return -1;
    const auto next = static_cast<int>(known_.size());
    return known_.try_emplace(name, next).first->second;
  }
  [[nodiscard]] int count() const { return static_cast<int>(known_.size()); }

 private:
  std::map<std::string, int> known_;
};

}  // namespace

nlohmann::json library_names(const Dataset& data) {
  nlohmann::json names = nlohmann::json::array();
  for (std::size_t i = 0; i < data.examples.size(); ++i) {
    const int mineral = data.examples.mineral[i];
    names.push_back({data.specimens[i], mineral < 0 ? "" : data.minerals[static_cast<std::size_t>(mineral)],
                     data.countries[static_cast<std::size_t>(data.examples.labels[i])]});
  }
  return names;
}

void write_library(const fs::path& folder, const Library& library, const nlohmann::json& names) {
  const Examples& examples = library.examples();
  const auto rows = static_cast<std::int64_t>(examples.size());
  std::vector<float> measured;
  for (const Measurement& m : examples.measurements) measured.insert(measured.end(), {m.laser, m.from, m.to, m.points});
  std::vector<NamedTensor> tensors = {named("spectra", examples.inputs, rows), named("measurements", measured, rows)};
  const std::vector<float>& embeddings = library.views()[kEmbedding].values;
  if (!embeddings.empty()) tensors.push_back(named("embeddings", embeddings, rows));
  write_safetensors(folder / "reference.safetensors", tensors);
  write_text_atomically(folder / "reference.json", names.dump() + "\n");
}

StoredLibrary read_library(const fs::path& folder, const Preprocessing& grid,
                           const std::vector<std::string>& countries) {
  const fs::path file = folder / "reference.safetensors";
  const Safetensors stored(file);
  StoredLibrary library;
  library.names = load_json(folder / "reference.json");
  Examples& examples = library.examples;
  examples.points = grid.points;
  examples.grid_step = (grid.to - grid.from) / (grid.points - 1);
  examples.classes = static_cast<int>(countries.size());
  const std::size_t rows = library.names.is_array() ? library.names.size() : 0;
  const auto has_rows = [&](const std::string& name) {
    const std::vector<std::int64_t>& shape = stored.at(name).shape;
    return shape.size() == 2 && shape[0] == static_cast<std::int64_t>(rows);
  };
  bool fits = rows > 0 && has_rows("spectra") && stored.at("spectra").shape[1] == grid.points &&
              has_rows("measurements") && stored.at("measurements").shape[1] == kMeasured;
  const bool embeds = stored.tensors().contains("embeddings");
  if (embeds) fits = fits && has_rows("embeddings");
  Numbers specimens;
  Numbers minerals;
  for (std::size_t i = 0; fits && i < rows; ++i) {
    const nlohmann::json& name = library.names[i];
    fits = name.is_array() && name.size() == 3 && name[0].is_string() && name[1].is_string() && name[2].is_string();
    if (!fits) break;
    const auto country = std::find(countries.begin(), countries.end(), name[2].get<std::string>());
    fits = country != countries.end();
    examples.labels.push_back(static_cast<int>(country - countries.begin()));
    examples.specimen.push_back(specimens.of(name[0]));
    examples.mineral.push_back(minerals.of(name[1]));
  }
  if (!fits) throw Error("{}: it does not fit config.json and reference.json beside it; train again", file.string());
  examples.minerals = minerals.count();
  examples.inputs = values_of(stored, "spectra");
  const std::vector<float> measured = values_of(stored, "measurements");
  for (std::size_t i = 0; i < measured.size(); i += kMeasured) {
    examples.measurements.push_back({measured[i], measured[i + 1], measured[i + 2], measured[i + 3]});
  }
  if (embeds) library.embeddings = values_of(stored, "embeddings");
  return library;
}

std::unique_ptr<Classifier> load_networks(const fs::path& folder, const nlohmann::json& config,
                                          const std::string& where, const Examples& library, const Backend& backend,
                                          int threads) {
  const nlohmann::json empty = nlohmann::json::object();
  const int count =
      parse_retrieval(config.contains("retrieval") ? config.at("retrieval") : empty, where + ": retrieval").ensemble;
  std::vector<std::unique_ptr<Classifier>> members;
  for (int m = 0; m < count; ++m) {
    members.push_back(backend.load(member_file(folder / "model.safetensors", m), config, where, library.points,
                                   library.classes, threads));
  }
  if (members.size() == 1) return std::move(members.front());
  return std::make_unique<Ensemble>(std::move(members), library.points);
}

}  // namespace gyre::raman
