#include "raman/views.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace gyre::raman {
namespace {

constexpr std::size_t kQuarters = 4;
constexpr double kUnit = 1e-6;

/// Differences of neighbouring points of each row.
std::vector<float> slopes(std::span<const float> rows, std::size_t points) {
  std::vector<float> out;
  out.reserve(rows.size());
  for (std::size_t begin = 0; begin < rows.size(); begin += points) {
    for (std::size_t k = 1; k < points; ++k) out.push_back(rows[begin + k] - rows[begin + k - 1]);
  }
  return out;
}

/// The points from `first` of each row.
std::vector<float> window(std::span<const float> rows, std::size_t points, std::size_t first, std::size_t count) {
  std::vector<float> out;
  out.reserve(rows.size() / kQuarters);
  for (std::size_t begin = 0; begin < rows.size(); begin += points) {
    const auto part = rows.subspan(begin + first, count);
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

}  // namespace

UnitRows unit_rows(std::vector<float> values, int width) {
  UnitRows rows{width, std::move(values)};
  const auto length = static_cast<std::size_t>(width);
  for (std::size_t begin = 0; begin < rows.values.size(); begin += length) {
    const auto row = std::span(rows.values).subspan(begin, length);
    double squares = 0;
    for (const float v : row) squares += double{v} * v;
    // A row of unit length stays as it is, to the last bit: embeddings are stored so.
    if (std::abs(squares - 1) < kUnit) continue;
    const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
    for (float& v : row) v *= scale;
  }
  return rows;
}

Views views_of(std::span<const float> inputs, int points, std::vector<float> embeddings) {
  const auto width = static_cast<std::size_t>(points);
  std::vector<float> squares(inputs.begin(), inputs.end());
  for (float& v : squares) v *= std::abs(v);
  Views views;
  views[kSlope] = unit_rows(slopes(inputs, width), points - 1);
  views[kPowerSlope] = unit_rows(slopes(squares, width), points - 1);
  views[kRoot] = unit_rows({inputs.begin(), inputs.end()}, points);
  views[kPower] = unit_rows(std::move(squares), points);
  for (std::size_t q = 0; q < kQuarters; ++q) {
    const std::size_t first = q * width / kQuarters;
    const std::size_t count = (q + 1) * width / kQuarters - first;
    views[kFirstQuarter + q] = unit_rows(window(inputs, width, first, count), static_cast<int>(count));
  }
  if (!embeddings.empty()) {
    const std::size_t rows = inputs.size() / width;
    const auto length = static_cast<int>(embeddings.size() / rows);
    views[kEmbedding] = unit_rows(std::move(embeddings), length);
  }
  return views;
}

float cosine(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0F);
}

float shifted_cosine(std::span<const float> a, std::span<const float> b, int reach) {
  float best = cosine(a, b);
  for (int s = 1; s <= reach; ++s) {
    const auto step = static_cast<std::size_t>(s);
    if (step >= a.size()) break;
    const std::size_t count = a.size() - step;
    best = std::max({best, cosine(a.subspan(step), b.first(count)), cosine(a.first(count), b.subspan(step))});
  }
  return best;
}

}  // namespace gyre::raman
