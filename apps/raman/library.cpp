#include "raman/library.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace gyre::raman {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Queries that are compared at once: their likenesses stay in the cache.
constexpr Eigen::Index kBlock = 128;

Eigen::Map<const Matrix> matrix_of(const UnitRows& rows) {
  return {rows.values.data(), static_cast<Eigen::Index>(rows.size()), rows.width};
}

}  // namespace

Library::Library(Examples examples, std::vector<float> embeddings)
    : examples_(std::move(examples)), views_(views_of(examples_.inputs, examples_.points, std::move(embeddings))) {
  std::map<std::pair<int, int>, std::size_t> known;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    const int specimen = examples_.specimen[i];
    std::size_t piece = pieces_.size();
    if (specimen >= 0) piece = known.try_emplace({examples_.mineral[i], specimen}, piece).first->second;
    if (piece == pieces_.size()) pieces_.push_back({examples_.mineral[i], examples_.labels[i], {}});
    pieces_[piece].spectra.push_back(i);
    piece_of_.push_back(piece);
  }
}

Queries queries_of(const Examples& examples, std::vector<float> embeddings, const std::vector<std::size_t>& own) {
  return {views_of(examples.inputs, examples.points, std::move(embeddings)),
          examples.measurements,
          {own.begin(), own.end()}};
}

std::optional<std::size_t> find_spectrum(const Examples& examples, std::span<const float> input) {
  constexpr float kRounding = 1e-6F;
  const auto alike = [](float a, float b) { return std::abs(a - b) <= kRounding; };
  const auto peak = static_cast<std::size_t>(std::max_element(input.begin(), input.end()) - input.begin());
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto other = examples.input(i);
    if (!alike(input[peak], other[peak])) continue;  // where spectra differ soonest; many begin with nothing
    if (std::equal(input.begin(), input.end(), other.begin(), other.end(), alike)) return i;
  }
  return std::nullopt;
}

bool Visibility::sees(std::size_t spectrum) const {
  if (!own_) return true;
  if (spectrum == *own_) return false;
  const auto same = [&](const std::vector<int>& numbers) {
    return numbers[*own_] >= 0 && numbers[*own_] == numbers[spectrum];
  };
  if (protocol_ == Protocol::specimen) return !same(examples_.specimen);
  if (protocol_ == Protocol::mineral) return !same(examples_.mineral);
  return true;
}

void compare(const Library& library, const Queries& queries, Protocol protocol,
             const std::function<void(const Comparison&)>& visit) {
  std::vector<int> used = {kRoot, kSlope};
  if (library.views()[kEmbedding].size() > 0) used.push_back(kEmbedding);
  const auto count = static_cast<Eigen::Index>(queries.size());
  std::vector<float> likeness(library.size());
  for (Eigen::Index begin = 0; begin < count; begin += kBlock) {
    const Eigen::Index rows = std::min(kBlock, count - begin);
    Matrix sum = Matrix::Zero(rows, static_cast<Eigen::Index>(library.size()));
    for (const int view : used) {
      const auto v = static_cast<std::size_t>(view);
      sum.noalias() += matrix_of(queries.views[v]).middleRows(begin, rows) * matrix_of(library.views()[v]).transpose();
    }
    sum /= static_cast<float>(used.size());
    for (Eigen::Index i = 0; i < rows; ++i) {
      const auto query = static_cast<std::size_t>(begin + i);
      std::optional<std::size_t> own;
      if (!queries.own.empty()) own = queries.own[query];
      const Visibility visibility(library, protocol, own);
      for (std::size_t r = 0; r < library.size(); ++r) {
        likeness[r] = visibility.sees(r) ? sum(i, static_cast<Eigen::Index>(r)) : kHidden;
      }
      visit({query, own, likeness});
    }
  }
}

}  // namespace gyre::raman
