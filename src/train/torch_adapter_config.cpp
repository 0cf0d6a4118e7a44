#include "train/torch_adapter_config.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {

AdapterConfig parse_adapter_config(const nlohmann::json& json, const std::string& where) {
  constexpr int kMostRank = 1 << 14;
  const JsonObject object(json, where);
  object.allow({"rank", "alpha", "dropout", "rank_stabilised", "dora", "per_loop", "targets"});
  AdapterConfig config;
  config.rank = object.integer("rank", 1, kMostRank, config.rank);
  config.alpha = static_cast<double>(object.number("alpha", 0, 1e6, 2.0F * static_cast<float>(config.rank)));
  if (config.alpha == 0) throw Error("{}: alpha is 0, by which A and B would change nothing; give more", where);
  config.dropout = object.number("dropout", 0, 0.99, config.dropout);
  config.rank_stabilised = object.boolean("rank_stabilised", config.rank_stabilised);
  config.magnitudes = object.boolean("dora", config.magnitudes);
  config.per_loop = object.boolean("per_loop", config.per_loop);
  if (!object.has("targets")) return config;
  config.targets.clear();
  for (const nlohmann::json& target : object.array("targets")) {
    if (!target.is_string()) throw Error("{}: targets holds {}; it is a list of names", where, target.dump());
    config.targets.push_back(target.get<std::string>());
  }
  if (config.targets.empty()) throw Error("{}: targets is empty; leave it out for all linear maps", where);
  return config;
}

nlohmann::json to_json(const AdapterConfig& config) {
  return {{"rank", config.rank},       {"alpha", config.alpha},
          {"dropout", config.dropout}, {"rank_stabilised", config.rank_stabilised},
          {"dora", config.magnitudes}, {"per_loop", config.per_loop},
          {"targets", config.targets}};
}

}  // namespace gyre
