#include "train/chosen_parameters.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"

namespace gyre {

ChosenParameters::ChosenParameters(const Parameters& model, const std::vector<std::string>& patterns,
                                   const std::string& where) {
  model.freeze();
  for (const std::string& pattern : patterns) {
    const auto holds = [&](const std::string& name) { return name.find(pattern) != std::string::npos; };
    if (std::any_of(model.names().begin(), model.names().end(), holds)) continue;
    throw Error("{}: no parameter of this model has \"{}\" in its name, as {} has", where, pattern,
                model.names().back());
  }
  for (const std::string& name : model.names()) {
    const bool chosen = std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      return name.find(pattern) != std::string::npos;
    });
    if (chosen) add(name, model.parameter(name));
  }
}

}  // namespace gyre
