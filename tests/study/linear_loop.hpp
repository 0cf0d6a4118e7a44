#pragma once

#include <span>
#include <string>

#include "model_folder.hpp"

namespace gyre {

/// The small model with loop a made a linear map, x ← a ⊙ x + W e: its layers add nothing.
inline ModelSpec linear_loop_spec() {
  ModelSpec spec = small_spec();
  spec.groups[1].injection = Injection::decay;
  return spec;
}

/// Channel c of a is decays[c modulo their number].
inline void make_linear(ModelFolder& folder, std::span<const float> decays) {
  folder.rewrite([&](Weights& weights) {
    for (auto& [name, values] : weights) {
      const bool of_loop = name.find("groups.1.") != std::string::npos;
      if (of_loop && (name.ends_with(".out.weight") || name.ends_with(".down.weight"))) values.assign(values.size(), 0);
      for (std::size_t c = 0; name.ends_with(".inject.decay") && c < values.size(); ++c) {
        values[c] = decays[c % decays.size()];
      }
    }
  });
}

}  // namespace gyre
