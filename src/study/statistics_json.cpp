#include "study/statistics_json.hpp"

#include <nlohmann/json.hpp>

namespace gyre {

nlohmann::json estimate_json(const Estimate& estimate) {
  return {{"value", estimate.value},
          {"interval_95", {estimate.interval.low, estimate.interval.high}},
          {"units", estimate.units}};
}

nlohmann::json difference_json(const Estimate& difference) {
  nlohmann::json json = estimate_json(difference);
  json["side_of_0"] = name_of(side_of(difference, 0));
  return json;
}

}  // namespace gyre
