#include "study/geometry.hpp"

#include <algorithm>

#include "study/measures/dimension.hpp"
#include "study/measures/similarity.hpp"
#include "study/measures/spectrum.hpp"

namespace gyre {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 29;
constexpr std::size_t kNeighbours = 10;
constexpr std::size_t kCkaPoints = 512;

LoopGeometry loop_geometry(std::span<const float> states, std::size_t hidden) {
  const std::vector<double> values = singular_values(states, hidden);
  const std::vector<double> distances = nearest_distances(states, hidden, kNeighbours);
  return {effective_rank(values), spectrum_decay(values), two_nn_dimension(distances, kNeighbours),
          likelihood_dimension(distances, kNeighbours)};
}

/// Products of at most kCkaPoints points, evenly spread.
PointProducts products_of(std::span<const float> states, std::size_t hidden) {
  const std::size_t points = states.size() / hidden;
  const std::size_t taken = std::min(points, kCkaPoints);
  std::vector<float> some;
  for (std::size_t i = 0; i < taken; ++i) {
    const auto row = states.subspan(i * points / taken * hidden, hidden);
    some.insert(some.end(), row.begin(), row.end());
  }
  return point_products(some, hidden);
}

std::vector<std::vector<double>> cka_of_all(std::span<const PointProducts> all) {
  std::vector<std::vector<double>> cka(all.size(), std::vector<double>(all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) cka[i][j] = cka[j][i] = linear_cka(all[i], all[j]);
  }
  return cka;
}

}  // namespace

StateSample::StateSample(const ModelSpec& spec, const std::vector<int>& loops, std::size_t tokens, std::size_t most)
    : hidden_(static_cast<std::size_t>(spec.hidden_size)), tokens_(tokens) {
  std::size_t states = 0;
  for (std::size_t g = 0; g < loops.size(); ++g) {
    kept_.emplace_back(spec.groups[g].looped() ? static_cast<std::size_t>(loops[g]) + 1 : 1);
    states += kept_.back().size();
  }
  const std::size_t each = std::max<std::size_t>(1, states * hidden_ * sizeof(float));
  taken_ = std::min({tokens, most, std::max<std::size_t>(1, kMostBytes / each)});
}

void StateSample::add(std::span<const GroupStates> groups, const Window& window) {
  for (std::size_t t = window.first; t < window.inputs().size(); ++t, ++seen_) {
    if ((seen_ + 1) * taken_ / tokens_ == seen_ * taken_ / tokens_) continue;
    for (std::size_t g = 0; g < kept_.size(); ++g) {
      const std::size_t first = groups[g].size() - kept_[g].size();
      for (std::size_t k = 0; k < kept_[g].size(); ++k) {
        const std::span<const float> row = state_row(groups[g][first + k], t, hidden_);
        kept_[g][k].insert(kept_[g][k].end(), row.begin(), row.end());
      }
    }
  }
}

Geometry geometry_of(const StateSample& sample) {
  Geometry geometry;
  geometry.points = sample.points();
  geometry.cka_points = std::min(sample.points(), kCkaPoints);
  std::vector<PointProducts> ends;
  for (std::size_t g = 0; g < sample.groups(); ++g) {
    const GroupStates& states = sample.states(g);
    std::vector<PointProducts> products;
    for (const std::vector<float>& loop : states) products.push_back(products_of(loop, sample.hidden()));
    if (sample.looped(g)) {
      GroupGeometry group{static_cast<int>(g), {}, cka_of_all(products)};
      for (const std::vector<float>& loop : states) group.loops.push_back(loop_geometry(loop, sample.hidden()));
      geometry.groups.push_back(std::move(group));
    }
    ends.push_back(std::move(products.back()));
  }
  geometry.groups_cka = cka_of_all(ends);
  return geometry;
}

}  // namespace gyre
