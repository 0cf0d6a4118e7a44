#include "study/json_numbers.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace gyre {

nlohmann::json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.5g}", value).c_str(), nullptr);
}

nlohmann::json rounded_all(const std::vector<double>& values) {
  nlohmann::json result = nlohmann::json::array();
  for (const double value : values) result.push_back(rounded(value));
  return result;
}

std::vector<double> defined(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  return values;
}

nlohmann::json spread_json(const std::vector<double>& values) {
  const std::vector<double> there = defined(values);
  if (there.empty()) return nullptr;
  const Spread spread = spread_of(there);
  return {{"mean", rounded(spread.mean)},
          {"p10", rounded(spread.p10)},
          {"p50", rounded(spread.p50)},
          {"p90", rounded(spread.p90)}};
}

nlohmann::json mean_json(const std::vector<double>& values) {
  const std::vector<double> there = defined(values);
  return there.empty() ? nlohmann::json(nullptr) : rounded(spread_of(there).mean);
}

nlohmann::json median_json(std::vector<std::vector<double>> by_unit) {
  std::vector<double> all;
  for (std::vector<double>& unit : by_unit) {
    unit = defined(std::move(unit));
    all.insert(all.end(), unit.begin(), unit.end());
  }
  std::erase_if(by_unit, [](const std::vector<double>& unit) { return unit.empty(); });
  if (all.empty()) return nullptr;
  const Estimate estimate = Bootstrap(by_unit.size()).median(by_unit);
  nlohmann::json json = {{"value", rounded(estimate.value)},
                         {"interval_95", {rounded(estimate.interval.low), rounded(estimate.interval.high)}},
                         {"units", estimate.units}};
  json["p10"] = rounded(quantile(all, 0.1));
  json["p90"] = rounded(quantile(all, 0.9));
  json["tokens"] = all.size();
  return json;
}

}  // namespace gyre
