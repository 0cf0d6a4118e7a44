#pragma once

#include <string>
#include <vector>

#include "train/parameters.hpp"

namespace gyre {

/// Those parameters of a model whose names hold one of `patterns`; all others no longer take a gradient.
class ChosenParameters : public Parameters {
 public:
  /// Throws Error with `where`, naming a pattern that no name holds.
  ChosenParameters(const Parameters& model, const std::vector<std::string>& patterns, const std::string& where);
};

}  // namespace gyre
