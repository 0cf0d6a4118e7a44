#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace gyre {

/// What is learned beside frozen weights: the "adapter" object of a config.
struct AdapterConfig {
  int rank = 8;
  double alpha = 16;
  float dropout = 0;
  bool rank_stabilised = false;  ///< the scale is alpha / √rank
  bool magnitudes = false;       ///< DoRA
  bool per_loop = false;         ///< a set of its own for each loop that the model runs by default
  std::vector<std::string> targets = {"all-linear"};
};

/// `where` leads every message.
AdapterConfig parse_adapter_config(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const AdapterConfig& config);

}  // namespace gyre
