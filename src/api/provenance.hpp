#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "engine/flight.hpp"
#include "model/model.hpp"

namespace gyre {

/// How a model runs, as far as results depend on it.
struct RunSettings {
  std::vector<int> loops = {};  ///< per group
  KvPolicy kv = {};
  NoiseStart first_state = NoiseStart::noise;
  TestNoise test_noise = {};
  std::uint64_t seed = 1;
  int threads = 1;
};

/// What results depend on: model, digest, types of numbers, these settings, instruction set, arithmetic.
nlohmann::json provenance(const Model& model, const RunSettings& settings);
/// The same with a digest that is known: to make one takes as long as to read all weights.
nlohmann::json provenance(const Model& model, const RunSettings& settings, const std::string& digest);

}  // namespace gyre
