#include "raman/augment.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <vector>

#include "base/random.hpp"
#include "format/json_object.hpp"

namespace gyre::raman {
namespace {

/// Half waves over the grid that make up a smooth random curve.
constexpr std::size_t kWaves = 4;

/// A smooth curve of about unit variance on 0 … 1: a few cosines with random amplitudes.
class SmoothCurve {
 public:
  explicit SmoothCurve(Random& random) {
    for (double& amplitude : amplitudes_) amplitude = random.normal() / std::sqrt(0.5 * kWaves);
  }
  [[nodiscard]] double at(double u) const {
    double sum = 0;
    for (std::size_t k = 0; k < kWaves; ++k) {
      sum += amplitudes_[k] * std::cos(std::numbers::pi * static_cast<double>(k + 1) * u);
    }
    return sum;
  }

 private:
  std::array<double, kWaves> amplitudes_{};
};

void move_axis(std::span<float> input, double shift, double stretch) {
  const std::vector<float> before(input.begin(), input.end());
  const double middle = 0.5 * static_cast<double>(input.size() - 1);
  for (std::size_t i = 0; i < input.size(); ++i) {
    const double x = middle + (static_cast<double>(i) - middle) * (1 + stretch) + shift;
    const double below = std::floor(x);
    if (below < 0 || below + 1 >= static_cast<double>(before.size())) {
      input[i] = x < 0 || x > static_cast<double>(before.size() - 1) ? 0.0F : before[static_cast<std::size_t>(below)];
      continue;
    }
    const auto k = static_cast<std::size_t>(below);
    const auto along = static_cast<float>(x - below);
    input[i] = before[k] + along * (before[k + 1] - before[k]);
  }
}

/// Gamma(shape, 1) by Marsaglia and Tsang (2000); below one by the power of a uniform number.
double draw_gamma(double shape, Random& random) {
  if (shape < 1) return draw_gamma(shape + 1, random) * std::pow(random.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(random.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

Augmentation parse_augmentation(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"shift", "stretch", "noise", "baseline", "intensity", "mixup", "share"});
  Augmentation config;
  const auto read = [&](const char* key, double most, double& value) {
    if (!object.has(key)) return;
    static_cast<void>(object.number(key, 0, most));  // checks the type and the bounds
    value = json.at(key).get<double>();
  };
  read("shift", 100, config.shift);
  read("stretch", 0.5, config.stretch);
  read("noise", 10, config.noise);
  read("baseline", 10, config.baseline);
  read("intensity", 10, config.intensity);
  read("mixup", 100, config.mixup);
  read("share", 1, config.share);
  return config;
}

nlohmann::json to_json(const Augmentation& config) {
  return {{"shift", config.shift},       {"stretch", config.stretch},     {"noise", config.noise},
          {"baseline", config.baseline}, {"intensity", config.intensity}, {"mixup", config.mixup},
          {"share", config.share}};
}

void augment(std::span<float> input, double step, const Augmentation& config, std::uint64_t seed) {
  Random random(seed);
  if (input.size() < 2 || random.uniform() >= config.share) return;
  double top = 0;
  double squares = 0;
  for (const float v : input) {
    top = std::max(top, std::abs(double{v}));
    squares += double{v} * v;
  }
  if (top <= 0) return;
  move_axis(input, config.shift * random.normal() / step, config.stretch * random.normal());
  const SmoothCurve factor(random);
  const SmoothCurve added(random);
  const double baseline = config.baseline * top * std::abs(random.normal());
  const double noise = config.noise * top * random.uniform();
  double after = 0;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const double u = static_cast<double>(i) / static_cast<double>(input.size() - 1);
    double v = input[i] * std::exp(config.intensity * factor.at(u)) + baseline * added.at(u);
    if (noise > 0) v += noise * random.normal();
    input[i] = static_cast<float>(v);
    after += v * v;
  }
  // The size of the input says nothing: it stays what the normalisation made it.
  const auto scale = static_cast<float>(after > 0 ? std::sqrt(squares / after) : 1.0);
  for (float& v : input) v *= scale;
}

double mixup_share(double alpha, std::uint64_t seed) {
  if (alpha <= 0) return 1;
  Random random(seed);
  const double a = draw_gamma(alpha, random);
  const double b = draw_gamma(alpha, random);
  const double share = a + b > 0 ? a / (a + b) : 1;
  return std::max(share, 1 - share);
}

}  // namespace gyre::raman
