#include "cli/studied_models.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "study/study_files.hpp"

namespace gyre::cli {

namespace fs = std::filesystem;

std::vector<fs::path> models_of(const std::vector<std::string>& given) {
  std::vector<fs::path> models;
  for (const std::string& one : given) {
    if (fs::exists(fs::path(one) / "config.json") || !fs::is_directory(one)) {
      models.emplace_back(one);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(one)) {
      const bool hidden = entry.path().filename().string().starts_with('.');
      if (!hidden && fs::exists(entry.path() / "config.json")) inside.push_back(entry.path());
    }
    if (inside.empty()) throw Error("--model: {} holds neither a model nor folders of models", one);
    std::sort(inside.begin(), inside.end());
    models.insert(models.end(), inside.begin(), inside.end());
  }
  if (std::all_of(models.begin(), models.end(), [](const fs::path& model) { return step_of(model).has_value(); })) {
    std::stable_sort(models.begin(), models.end(),
                     [](const fs::path& a, const fs::path& b) { return step_of(a) < step_of(b); });
  }
  return models;
}

}  // namespace gyre::cli
