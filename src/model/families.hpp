#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "format/tensor_store.hpp"
#include "model/config_keys.hpp"
#include "model/mapping.hpp"

namespace gyre {

/// A kind of published checkpoint. Its file in families/ maps config.json and tensor names onto a ModelSpec.
struct Family {
  std::string_view name;
  std::string_view models;  ///< for people: which models are of this family
  /// Whether a config.json is of this family.
  bool (*matches)(const nlohmann::json& config);
  ConfigKeys keys;  ///< of its config.json
  /// Throws Error naming the key or tensor that asks for something gyre does not do.
  Mapping (*map)(const nlohmann::json& config, const TensorStore& tensors, const std::string& where);
};

const std::vector<Family>& families();

/// The family of a config.json. Throws Error listing the families when there is none.
const Family& family_of(const nlohmann::json& config, const std::string& where);

/// What `family` makes of a checkpoint. Throws Error as map(), and on a key of config.json that the family does not
/// know.
Mapping map_checkpoint(const Family& family, const nlohmann::json& config, const TensorStore& tensors,
                       const std::string& where);

}  // namespace gyre
