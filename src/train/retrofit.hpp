#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/model.hpp"
#include "model/spec.hpp"

namespace gyre {

/// Layers of a plain model that become looped groups: the "retrofit" object of a config, {"loop": "10-13x4"}.
struct Retrofit {
  std::string loop;  ///< as --loop
  float damping = 1;
  /// none, or linear: W [x ; e] enters every loop but the first, which is the model's own. W begins as [I 0], which
  /// changes nothing either.
  Injection injection = Injection::linear;
};

/// `where` leads every message.
Retrofit parse_retrofit(const nlohmann::json& json, const std::string& where);

/// Loops the layers of `model`. Returns the spec of what it becomes: with the injections, which `model` itself has no
/// tensors for. Throws Error naming `where` when the layers cannot loop.
ModelSpec retrofitted(Model& model, const Retrofit& retrofit, const std::string& where);

}  // namespace gyre
