#include "raman/preprocess.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "format/json_object.hpp"

namespace gyre::raman {
namespace {

constexpr EnumName<Baseline> kBaselines[] = {
    {Baseline::none, "none"}, {Baseline::als, "als"}, {Baseline::snip, "snip"}};
constexpr EnumName<Normalisation> kNormalisations[] = {{Normalisation::none, "none"},
                                                       {Normalisation::maximum, "maximum"},
                                                       {Normalisation::area, "area"},
                                                       {Normalisation::l2, "l2"},
                                                       {Normalisation::snv, "snv"}};

/// A spectrum that covers less of the grid tells too little.
constexpr double kLeastCoverage = 0.1;

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Area below the straight lines between the points, from the first point to `x`.
class Cumulative {
 public:
  explicit Cumulative(const Spectrum& spectrum) : shifts_(spectrum.shifts), values_(spectrum.intensities) {
    area_.push_back(0);
    for (std::size_t i = 1; i < shifts_.size(); ++i) {
      area_.push_back(area_.back() + 0.5 * (values_[i] + values_[i - 1]) * (shifts_[i] - shifts_[i - 1]));
    }
  }

  [[nodiscard]] double until(double x) const {
    const auto above = std::upper_bound(shifts_.begin(), shifts_.end(), x);
    if (above == shifts_.begin()) return 0;
    if (above == shifts_.end()) return area_.back();
    const auto i = static_cast<std::size_t>(above - shifts_.begin()) - 1;
    const double along = (x - shifts_[i]) / (shifts_[i + 1] - shifts_[i]);
    const double value = values_[i] + along * (values_[i + 1] - values_[i]);
    return area_[i] + 0.5 * (values_[i] + value) * (x - shifts_[i]);
  }

 private:
  const std::vector<double>& shifts_;
  const std::vector<double>& values_;
  std::vector<double> area_;
};

/// Solves (diag(weights) + λ D'D) z = weights·values, D the second difference: a symmetric matrix of five diagonals,
/// by its LDL' factors.
std::vector<double> solve_whittaker(std::span<const double> values, std::span<const double> weights, double lambda) {
  const std::size_t n = values.size();
  std::vector<double> d(n);
  std::vector<double> l1(n, 0.0);  // first and second diagonal below
  std::vector<double> l2(n, 0.0);
  std::vector<double> z(n);
  for (std::size_t i = 0; i < n; ++i) {
    // D'D has 1 5 6 … 6 5 1 on its diagonal, -2 -4 … -4 -2 beside it, and ones beyond.
    const std::size_t edge = std::min(i, n - 1 - i);
    const double diagonal = edge == 0 ? 1 : (edge == 1 ? 5 : 6);
    double first = i == 0 ? 0 : (i == 1 || i == n - 1 ? -2 : -4) * lambda;  // element (i, i - 1)
    const double second = i < 2 ? 0 : lambda;                               // element (i, i - 2)
    double pivot = weights[i] + lambda * diagonal;
    z[i] = weights[i] * values[i];
    if (i >= 2) {
      l2[i] = second / d[i - 2];
      first -= l2[i] * l1[i - 1] * d[i - 2];
      pivot -= l2[i] * second;
      z[i] -= l2[i] * z[i - 2];
    }
    if (i >= 1) {
      l1[i] = first / d[i - 1];
      pivot -= l1[i] * first;
      z[i] -= l1[i] * z[i - 1];
    }
    d[i] = pivot;
  }
  for (std::size_t i = n; i-- > 0;) {
    z[i] /= d[i];
    if (i + 1 < n) z[i] -= l1[i + 1] * z[i + 1];
    if (i + 2 < n) z[i] -= l2[i + 2] * z[i + 2];
  }
  return z;
}

void subtract(std::span<double> values, const std::vector<double>& baseline) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] -= baseline[i];
}

void remove_baseline(std::span<double> values, const Preprocessing& config, double step) {
  if (values.size() < 5) return;
  if (config.baseline == Baseline::als) {
    subtract(values, als_baseline(values, config.als_smoothness, config.als_asymmetry, config.als_iterations));
  } else if (config.baseline == Baseline::snip) {
    subtract(values, snip_baseline(values, std::max(1, static_cast<int>(std::lround(config.snip_width / step)))));
  }
}

}  // namespace

Preprocessing parse_preprocessing(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"from", "to", "points", "despike", "baseline", "als_smoothness", "als_asymmetry", "als_iterations",
                "snip_width", "smoothing", "smoothing_order", "power", "normalisation"});
  Preprocessing config;
  const auto number = [&](const char* key, double least, double most, double otherwise) {
    if (!object.has(key)) return otherwise;
    static_cast<void>(object.number(key, least, most));  // checks the type and the bounds
    return json.at(key).get<double>();
  };
  config.from = number("from", 0, 10000, config.from);
  config.to = number("to", 0, 10000, config.to);
  if (config.to <= config.from) throw Error("{}: to ({}) must be above from ({})", where, config.to, config.from);
  config.points = object.integer("points", 32, 1 << 16, config.points);
  config.despike = number("despike", 0, 1e6, config.despike);
  config.baseline = object.choice<Baseline>("baseline", kBaselines, config.baseline);
  config.als_smoothness = number("als_smoothness", 1e-3, 1e12, config.als_smoothness);
  config.als_asymmetry = number("als_asymmetry", 1e-6, 0.5, config.als_asymmetry);
  config.als_iterations = object.integer("als_iterations", 1, 100, config.als_iterations);
  config.snip_width = number("snip_width", 1, 10000, config.snip_width);
  config.smoothing = object.integer("smoothing", 0, 101, config.smoothing);
  config.smoothing_order = object.integer("smoothing_order", 0, 5, config.smoothing_order);
  if (config.smoothing > 0 && (config.smoothing % 2 == 0 || config.smoothing <= config.smoothing_order)) {
    throw Error("{}: smoothing is {}; give an odd window above smoothing_order ({}), or 0", where, config.smoothing,
                config.smoothing_order);
  }
  config.power = number("power", 0.05, 4, config.power);
  config.normalisation = object.choice<Normalisation>("normalisation", kNormalisations, config.normalisation);
  return config;
}

nlohmann::json to_json(const Preprocessing& config) {
  return {{"from", config.from},
          {"to", config.to},
          {"points", config.points},
          {"despike", config.despike},
          {"baseline", gyre::name_of<Baseline>(kBaselines, config.baseline)},
          {"als_smoothness", config.als_smoothness},
          {"als_asymmetry", config.als_asymmetry},
          {"als_iterations", config.als_iterations},
          {"snip_width", config.snip_width},
          {"smoothing", config.smoothing},
          {"smoothing_order", config.smoothing_order},
          {"power", config.power},
          {"normalisation", gyre::name_of<Normalisation>(kNormalisations, config.normalisation)}};
}

void remove_cosmic_rays(std::span<double> values, double threshold) {
  constexpr double kSharp = 0.4;
  constexpr double kFlat = 0.1;
  constexpr double kMadToDeviation = 1.4826;
  const std::size_t n = values.size();
  if (n < 8 || threshold <= 0) return;
  std::vector<double> curvature(n, 0.0);
  for (std::size_t i = 1; i + 1 < n; ++i) curvature[i] = values[i - 1] - 2 * values[i] + values[i + 1];
  std::vector<double> spread(n);
  std::transform(curvature.begin(), curvature.end(), spread.begin(), [](double c) { return std::abs(c); });
  const double deviation = kMadToDeviation * median_of(spread);
  if (deviation <= 0) return;
  // A ray is sharper than the instrument can resolve: most of its height is gone one point away on both sides, and
  // nearly all of it two points away.
  const std::vector<double> before(values.begin(), values.end());
  for (std::size_t i = 2; i + 2 < n; ++i) {
    if (-curvature[i] <= threshold * deviation) continue;
    const double level = std::max(before[i - 2], before[i + 2]);
    const double height = before[i] - level;
    if (std::max(before[i - 1], before[i + 1]) - level > kSharp * height) continue;
    if (level - std::min(before[i - 2], before[i + 2]) > kFlat * height) continue;
    for (std::size_t k = i - 1; k <= i + 1; ++k) {
      const double along = static_cast<double>(k + 2 - i) / 4;
      values[k] = before[i - 2] + along * (before[i + 2] - before[i - 2]);
    }
  }
}

std::vector<double> resample(const Spectrum& spectrum, double from, double to, int points, std::size_t& first,
                             std::size_t& count) {
  const double step = (to - from) / (points - 1);
  const Cumulative area(spectrum);
  std::vector<double> grid(static_cast<std::size_t>(points), 0.0);
  first = grid.size();
  count = 0;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    const double x = from + step * static_cast<double>(i);
    if (x < spectrum.shifts.front() || x > spectrum.shifts.back()) continue;
    first = std::min(first, i);
    ++count;
    const double left = std::max(x - 0.5 * step, spectrum.shifts.front());
    const double right = std::min(x + 0.5 * step, spectrum.shifts.back());
    grid[i] = (area.until(right) - area.until(left)) / (right - left);
  }
  return grid;
}

std::vector<double> als_baseline(std::span<const double> values, double smoothness, double asymmetry, int iterations) {
  std::vector<double> weights(values.size(), 1.0);
  std::vector<double> baseline;
  for (int i = 0; i < iterations; ++i) {
    baseline = solve_whittaker(values, weights, smoothness);
    for (std::size_t k = 0; k < values.size(); ++k) {
      weights[k] = values[k] > baseline[k] ? asymmetry : 1 - asymmetry;
    }
  }
  return baseline;
}

std::vector<double> snip_baseline(std::span<const double> values, int width) {
  // The double logarithm tames tall peaks, as Ryan et al. propose; it needs values from zero up.
  const double low = *std::min_element(values.begin(), values.end());
  std::vector<double> v(values.size());
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::log(std::log(std::sqrt(values[i] - low + 1) + 1) + 1);
  std::vector<double> next = v;
  for (int w = std::min(width, static_cast<int>(v.size() - 1) / 2); w > 0; --w) {
    const auto reach = static_cast<std::size_t>(w);
    for (std::size_t i = reach; i + reach < v.size(); ++i) {
      next[i] = std::min(v[i], 0.5 * (v[i - reach] + v[i + reach]));
    }
    v = next;
  }
  for (double& x : v) {
    const double root = std::exp(std::exp(x) - 1) - 1;
    x = root * root - 1 + low;
  }
  return v;
}

std::vector<double> smooth(std::span<const double> values, int window, int order) {
  const auto size = static_cast<std::size_t>(window);
  if (values.size() < size) return {values.begin(), values.end()};
  // Fitted values of a window are H·window with H the hat matrix of a polynomial on -m … m.
  const int half = window / 2;
  Eigen::MatrixXd powers(window, order + 1);
  for (int i = 0; i < window; ++i) {
    for (int k = 0; k <= order; ++k) powers(i, k) = std::pow(static_cast<double>(i - half) / std::max(half, 1), k);
  }
  const Eigen::MatrixXd hat = powers * (powers.transpose() * powers).ldlt().solve(powers.transpose());
  std::vector<double> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t middle = std::clamp(i, size / 2, values.size() - 1 - size / 2);
    const auto row = static_cast<Eigen::Index>(i - middle + size / 2);
    const Eigen::Map<const Eigen::VectorXd> part(values.data() + (middle - size / 2), window);
    out[i] = hat.row(row).dot(part);
  }
  return out;
}

void normalise(std::span<double> values, Normalisation kind) {
  const auto count = static_cast<double>(values.size());
  double scale = 0;
  double offset = 0;
  switch (kind) {
    case Normalisation::none:
      return;
    case Normalisation::maximum:
      for (const double v : values) scale = std::max(scale, std::abs(v));
      break;
    case Normalisation::area:
      for (const double v : values) scale += std::abs(v) / count;
      break;
    case Normalisation::l2:
      for (const double v : values) scale += v * v;
      scale = std::sqrt(scale);
      break;
    case Normalisation::snv:
      offset = std::accumulate(values.begin(), values.end(), 0.0) / count;
      for (const double v : values) scale += (v - offset) * (v - offset) / count;
      scale = std::sqrt(scale);
      break;
  }
  if (scale <= 0 || !std::isfinite(scale))
    throw RejectedSpectrum{Rejection::flat, "nothing is left above the baseline"};
  for (double& v : values) v = (v - offset) / scale;
}

std::vector<float> preprocess(const Spectrum& spectrum, const Preprocessing& config) {
  Spectrum clean;
  clean.shifts = spectrum.shifts;
  clean.intensities = spectrum.intensities;
  // Scaled first, so that no later step depends on the unit.
  normalise(clean.intensities, Normalisation::maximum);
  for (double& v : clean.intensities) v *= 1000;
  remove_cosmic_rays(clean.intensities, config.despike);
  std::size_t first = 0;
  std::size_t count = 0;
  std::vector<double> grid = resample(clean, config.from, config.to, config.points, first, count);
  if (static_cast<double>(count) < kLeastCoverage * config.points) {
    throw RejectedSpectrum{Rejection::too_few_points, fmt::format("it covers {} of {} grid points from {} to {} 1/cm",
                                                                  count, config.points, config.from, config.to)};
  }
  const std::span<double> covered = std::span(grid).subspan(first, count);
  remove_baseline(covered, config, (config.to - config.from) / (config.points - 1));
  if (config.smoothing > 0) {
    const std::vector<double> smoothed = smooth(covered, config.smoothing, config.smoothing_order);
    std::copy(smoothed.begin(), smoothed.end(), covered.begin());
  }
  if (config.power != 1) {
    for (double& v : covered) v = std::copysign(std::pow(std::abs(v), config.power), v);
  }
  normalise(covered, config.normalisation);
  return {grid.begin(), grid.end()};
}

}  // namespace gyre::raman
