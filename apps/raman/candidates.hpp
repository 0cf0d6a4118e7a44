#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "raman/library.hpp"

namespace gyre::raman {

/// The nearest spectra of the library to each of some queries, with what is known of each pair: the questions that a
/// re-ranker answers by "same specimen" or not.
struct Candidates {
  std::size_t each = 0;              ///< candidates a query
  std::vector<std::size_t> spectra;  ///< [queries, each], of the library; the most alike first
  std::vector<float> features;       ///< [queries, each, kPairFeatures]
  std::vector<std::uint8_t> same;    ///< [queries, each]: 1 for spectra of the query's specimen, where that is known

  [[nodiscard]] std::size_t queries() const { return each == 0 ? 0 : spectra.size() / each; }
};

/// Features of a pair that the two spectra's shapes give, and behind them those of how both were measured. The latter
/// are fingerprints of the measurement: no stone has them.
inline constexpr std::size_t kCosineFeatures = std::size_t{2} * (std::size_t{kViews} + 1);
inline constexpr std::size_t kShapeFeatures = kCosineFeatures + 8;
inline constexpr std::size_t kMeasurementFeatures = 11;
inline constexpr std::size_t kPairFeatures = kShapeFeatures + kMeasurementFeatures;

/// Gathers the candidates of one comparison after the other.
class CandidateSearch {
 public:
  /// Both stay with the caller.
  CandidateSearch(const Library& library, const Queries& queries, std::size_t each);

  /// The candidates of this query.
  std::vector<std::size_t> add(const Comparison& comparison);
  [[nodiscard]] Candidates take() { return std::move(found_); }

 private:
  [[nodiscard]] std::vector<std::size_t> nearest(const Comparison& comparison) const;
  void add_cosines(const Comparison& comparison, std::span<const std::size_t> chosen, std::span<float> features) const;
  void add_standing(const Comparison& comparison, std::span<const std::size_t> chosen, std::span<float> features) const;
  void add_measurement(const Comparison& comparison, std::span<const std::size_t> chosen,
                       std::span<float> features) const;

  const Library& library_;
  const Queries& queries_;
  Candidates found_;
};

/// How far apart the axes of two measurements lie: small for those of one session with one laser.
double axis_distance(const Measurement& a, const Measurement& b);

}  // namespace gyre::raman
