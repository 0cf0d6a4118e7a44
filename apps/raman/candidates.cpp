#include "raman/candidates.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace gyre::raman {
namespace {

/// Points that one spectrum may be moved by against the other.
constexpr int kReach = 2;
/// Weights of neighbours fall by e for a likeness less by one over this.
constexpr float kSharpnessOfVotes = 20;
/// Spectra with the axis most like the query's that stand for its session.
constexpr std::size_t kSession = 6;
constexpr double kOtherLaser = 1000;
constexpr double kFarAxes = 50;

/// One group of numbers of all candidates of a query, written beside each other: [candidates, kPairFeatures].
class FeatureWriter {
 public:
  FeatureWriter(std::span<float> features, std::size_t first) : features_(features), next_(first) {}

  template <typename Value>
  void add(std::size_t candidates, const Value& value_of) {
    for (std::size_t c = 0; c < candidates; ++c) {
      features_[c * kPairFeatures + next_] = static_cast<float>(value_of(c));
    }
    ++next_;
  }

 private:
  std::span<float> features_;
  std::size_t next_;
};

}  // namespace

double axis_distance(const Measurement& a, const Measurement& b) {
  constexpr double kPointsWeight = 0.05;
  return std::abs(double{a.from} - b.from) + std::abs(double{a.to} - b.to) +
         kPointsWeight * std::abs(double{a.points} - b.points) + (a.laser == b.laser ? 0 : kOtherLaser);
}

CandidateSearch::CandidateSearch(const Library& library, const Queries& queries, std::size_t each)
    : library_(library), queries_(queries) {
  found_.each = std::min(each, library.size());
}

std::vector<std::size_t> CandidateSearch::nearest(const Comparison& comparison) const {
  std::vector<std::size_t> order(library_.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(found_.each);
  std::partial_sort(order.begin(), middle, order.end(), [&](std::size_t a, std::size_t b) {
    const float likeness_a = comparison.likeness[a];
    const float likeness_b = comparison.likeness[b];
    return likeness_a != likeness_b ? likeness_a > likeness_b : a < b;
  });
  order.resize(found_.each);
  return order;
}

std::vector<std::size_t> CandidateSearch::add(const Comparison& comparison) {
  const std::vector<std::size_t> chosen = nearest(comparison);
  const std::size_t begin = found_.features.size();
  found_.features.resize(begin + chosen.size() * kPairFeatures, 0.0F);
  const auto features = std::span(found_.features).subspan(begin);
  add_cosines(comparison, chosen, features);
  add_standing(comparison, chosen, features);
  add_measurement(comparison, chosen, features);
  const Examples& examples = library_.examples();
  for (const std::size_t spectrum : chosen) {
    const bool same = comparison.own && comparison.likeness[spectrum] > kHidden && examples.specimen[spectrum] >= 0 &&
                      examples.specimen[spectrum] == examples.specimen[*comparison.own];
    found_.same.push_back(same ? 1 : 0);
    found_.spectra.push_back(spectrum);
  }
  return chosen;
}

void CandidateSearch::add_cosines(const Comparison& comparison, std::span<const std::size_t> chosen,
                                  std::span<float> features) const {
  FeatureWriter writer(features, 0);
  const std::size_t n = chosen.size();
  // Every cosine, and how far it stays behind the best of the candidates.
  const auto add = [&](const std::vector<float>& cosines) {
    const float best = *std::max_element(cosines.begin(), cosines.end());
    writer.add(n, [&](std::size_t c) { return cosines[c]; });
    writer.add(n, [&](std::size_t c) { return cosines[c] - best; });
  };
  std::vector<float> values(n);
  for (std::size_t view = 0; view < kViews; ++view) {
    const bool there = library_.views()[view].size() > 0;
    for (std::size_t c = 0; c < n; ++c) {
      values[c] = there ? cosine(queries_.views[view].row(comparison.query), library_.views()[view].row(chosen[c])) : 0;
    }
    add(values);
  }
  for (std::size_t c = 0; c < n; ++c) {
    values[c] =
        shifted_cosine(queries_.views[kRoot].row(comparison.query), library_.views()[kRoot].row(chosen[c]), kReach);
  }
  add(values);
}

void CandidateSearch::add_standing(const Comparison& comparison, std::span<const std::size_t> chosen,
                                   std::span<float> features) const {
  FeatureWriter writer(features, kCosineFeatures);
  const std::size_t n = chosen.size();
  const Examples& examples = library_.examples();
  const auto likeness = [&](std::size_t c) { return comparison.likeness[chosen[c]]; };
  const auto one_specimen = [&](std::size_t a, std::size_t b) {
    return a == b ||
           (examples.specimen[chosen[a]] >= 0 && examples.specimen[chosen[a]] == examples.specimen[chosen[b]]);
  };
  const auto one_mineral = [&](std::size_t a, std::size_t b) {
    return a == b || (examples.mineral[chosen[a]] >= 0 && examples.mineral[chosen[a]] == examples.mineral[chosen[b]]);
  };
  // How far a candidate is ahead of the best of those that are `rivals`; capped, also where there is none.
  const auto lead = [&](std::size_t c, const auto& rivals) {
    float best = -1;
    for (std::size_t k = 0; k < n; ++k) {
      if (k != c && rivals(k)) best = std::max(best, likeness(k));
    }
    return std::clamp(likeness(c) - best, -1.0F, 1.0F);
  };
  const auto share = [&](const auto& partners) {
    float sum = 0;
    float of_partners = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const float weight = std::exp(kSharpnessOfVotes * (likeness(k) - likeness(0)));
      sum += weight;
      if (partners(k)) of_partners += weight;
    }
    return of_partners / sum;
  };
  const auto count = [&](const auto& partners) {
    float sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += partners(k) ? 1 : 0;
    return sum;
  };
  writer.add(n, [&](std::size_t c) { return lead(c, [&](std::size_t k) { return !one_specimen(c, k); }); });
  writer.add(n, [&](std::size_t c) { return lead(c, [&](std::size_t k) { return !one_mineral(c, k); }); });
  writer.add(n, [&](std::size_t c) {
    return lead(c, [&](std::size_t k) { return one_mineral(c, k) && !one_specimen(c, k); });
  });
  writer.add(n, [&](std::size_t c) { return share([&](std::size_t k) { return one_mineral(c, k); }); });
  writer.add(n, [&](std::size_t c) { return count([&](std::size_t k) { return one_mineral(c, k); }); });
  writer.add(n, [&](std::size_t c) { return count([&](std::size_t k) { return one_specimen(c, k); }); });
  // The best likeness of another spectrum of the candidate's specimen, and how many spectra it has in the library.
  const auto siblings = [&](std::size_t c, const auto& visit) {
    for (const std::size_t other : library_.pieces()[library_.piece_of(chosen[c])].spectra) {
      if (other != chosen[c] && comparison.likeness[other] > kHidden) visit(other);
    }
  };
  writer.add(n, [&](std::size_t c) {
    float best = 0;
    siblings(c, [&](std::size_t other) { best = std::max(best, comparison.likeness[other]); });
    return best;
  });
  writer.add(n, [&](std::size_t c) {
    float others = 0;
    siblings(c, [&](std::size_t) { others += 1; });
    return others;
  });
}

void CandidateSearch::add_measurement(const Comparison& comparison, std::span<const std::size_t> chosen,
                                      std::span<float> features) const {
  FeatureWriter writer(features, kShapeFeatures);
  const std::size_t n = chosen.size();
  const std::vector<Measurement>& of_library = library_.examples().measurements;
  const Measurement& query = queries_.measurements[comparison.query];
  const auto of = [&](std::size_t c) -> const Measurement& { return of_library[chosen[c]]; };
  const auto step = [](const Measurement& m) { return m.points > 1 ? (m.to - m.from) / (m.points - 1) : 0.0F; };
  writer.add(n, [&](std::size_t) { return query.laser; });
  writer.add(n, [&](std::size_t c) { return of(c).laser; });
  writer.add(n, [&](std::size_t c) { return query.laser == of(c).laser ? 1 : 0; });
  writer.add(n, [&](std::size_t c) {
    // A specimen is seldom measured twice with one laser.
    int with_laser = 0;
    for (const std::size_t other : library_.pieces()[library_.piece_of(chosen[c])].spectra) {
      if (comparison.likeness[other] > kHidden && of_library[other].laser == query.laser) ++with_laser;
    }
    return with_laser;
  });
  writer.add(n, [&](std::size_t c) { return query.from - of(c).from; });
  writer.add(n, [&](std::size_t c) { return query.to - of(c).to; });
  writer.add(n, [&](std::size_t c) { return query.points - of(c).points; });
  writer.add(n, [&](std::size_t c) { return std::abs(query.from - of(c).from) + std::abs(query.to - of(c).to); });
  writer.add(n, [&](std::size_t c) { return 1000 * (step(query) - step(of(c))); });

  // Spectra with the query's laser and nearly its axis are of its session; so may those be whose axis is like that of
  // another spectrum of the same stones.
  std::vector<std::pair<double, std::size_t>> session;
  for (std::size_t r = 0; r < library_.size(); ++r) {
    if (comparison.likeness[r] > kHidden) session.emplace_back(axis_distance(query, of_library[r]), r);
  }
  const std::size_t size = std::min(kSession, session.size());
  std::partial_sort(session.begin(), session.begin() + static_cast<std::ptrdiff_t>(size), session.end());
  std::vector<double> axis(n, kFarAxes);
  std::vector<double> both(n, kFarAxes);
  for (std::size_t s = 0; s < size; ++s) {
    const std::size_t piece = library_.piece_of(session[s].second);
    for (const std::size_t other : library_.pieces()[piece].spectra) {
      if (comparison.likeness[other] <= kHidden) continue;
      for (std::size_t c = 0; c < n; ++c) {
        // A stone does not vouch for itself.
        if (library_.piece_of(chosen[c]) == piece) continue;
        const double distance = axis_distance(of(c), of_library[other]);
        axis[c] = std::min(axis[c], distance);
        both[c] = std::min(both[c], distance + session[s].first);
      }
    }
  }
  constexpr double kSameAxis = 0.02;
  writer.add(n, [&](std::size_t c) { return std::log(kSameAxis + axis[c]); });
  writer.add(n, [&](std::size_t c) { return std::log(kSameAxis + both[c]); });
}

}  // namespace gyre::raman
