#include "study/held_out.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "base/random.hpp"

namespace gyre {
namespace {

/// The places of documents among those there are.
std::vector<std::size_t> document_places(std::span<const HeldOutRow> rows, std::size_t& count) {
  std::map<std::size_t, std::size_t> places;
  for (const HeldOutRow& row : rows) places.emplace(row.document, 0);
  count = 0;
  for (auto& [document, place] : places) place = count++;
  std::vector<std::size_t> result;
  for (const HeldOutRow& row : rows) result.push_back(places.at(row.document));
  return result;
}

/// p log(p / q), which is 0 of p = 0.
double relative(double p, double q) { return p > 0 ? p * std::log(p / std::max(q, 1e-300)) : 0; }

double error_of(HeadKind kind, double target, double said) {
  if (kind == HeadKind::drop) return (target - said) * (target - said);
  return relative(target, said) + relative(1 - target, 1 - said);
}

/// Held-out rows by document.
class Documents {
 public:
  explicit Documents(std::span<const HeldOutRow> rows) : rows_(rows), places_(document_places(rows, count_)) {}

  /// Sum of `above` over that of `below`.
  [[nodiscard]] HeldOutNumber ratio(const std::function<double(const HeldOutRow&)>& above,
                                    const std::function<double(const HeldOutRow&)>& below) const {
    std::vector<double> numerators(count_);
    std::vector<double> denominators(count_);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      numerators[places_[i]] += above(rows_[i]);
      denominators[places_[i]] += below(rows_[i]);
    }
    const double value = std::accumulate(numerators.begin(), numerators.end(), 0.0) /
                         std::accumulate(denominators.begin(), denominators.end(), 0.0);
    return {value, bootstrap_ratio(numerators, denominators)};
  }

  [[nodiscard]] HeldOutNumber area(const std::function<double(const HeldOutRow&)>& score) const {
    std::vector<std::size_t> order(rows_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return score(rows_[a]) < score(rows_[b]); });
    std::vector<double> scores;
    std::vector<char> labels;
    for (const std::size_t i : order) {
      scores.push_back(score(rows_[i]));
      labels.push_back(rows_[i].gains ? 1 : 0);
    }
    std::vector<double> weights(rows_.size(), 1.0);
    const double value = area_under_curve(scores, labels, weights);
    std::vector<double> values;
    Random random(kResamplingSeed);
    for (int sample = 0; sample < kResamples; ++sample) {
      std::vector<double> times(count_);
      for (std::size_t d = 0; d < count_; ++d) times[random.below(count_)] += 1;
      for (std::size_t i = 0; i < order.size(); ++i) weights[i] = times[places_[order[i]]];
      const double one = area_under_curve(scores, labels, weights);
      if (!std::isnan(one)) values.push_back(one);
    }
    if (values.empty()) return {value, {value, value}};
    return {value, {quantile(values, 0.025), quantile(values, 0.975)}};
  }

 private:
  std::span<const HeldOutRow> rows_;
  std::size_t count_ = 0;
  std::vector<std::size_t> places_;
};

std::vector<HeldOutBin> bins_of(std::span<const HeldOutRow> rows) {
  constexpr std::size_t kBins = 5;
  std::vector<HeldOutRow> sorted(rows.begin(), rows.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const HeldOutRow& a, const HeldOutRow& b) { return a.predicted < b.predicted; });
  std::vector<HeldOutBin> bins;
  for (std::size_t b = 0; b < kBins; ++b) {
    const std::size_t begin = sorted.size() * b / kBins;
    const std::span<const HeldOutRow> here = std::span(sorted).subspan(begin, sorted.size() * (b + 1) / kBins - begin);
    if (here.empty()) continue;
    HeldOutBin bin;
    bin.rows = static_cast<std::int64_t>(here.size());
    for (const HeldOutRow& row : here) bin.predicted += row.predicted / static_cast<double>(here.size());
    bin.realised =
        Documents(here).ratio([](const HeldOutRow& row) { return row.target; }, [](const HeldOutRow&) { return 1.0; });
    bins.push_back(bin);
  }
  return bins;
}

}  // namespace

double area_under_curve(std::span<const double> scores, std::span<const char> labels, std::span<const double> weights) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  if (!std::is_sorted(scores.begin(), scores.end())) {
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  }
  double negatives = 0;  // so far, of lower scores
  double positives = 0;
  double above = 0;
  for (std::size_t begin = 0; begin < order.size();) {
    double here[2] = {0, 0};  // of each label, of rows with this score
    std::size_t end = begin;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) {
      here[labels[order[end]] != 0 ? 1 : 0] += weights[order[end]];
    }
    above += here[1] * (negatives + here[0] / 2);
    negatives += here[0];
    positives += here[1];
    begin = end;
  }
  return positives > 0 && negatives > 0 ? above / (positives * negatives) : std::numeric_limits<double>::quiet_NaN();
}

double error_of(std::span<const HeldOutRow> rows, HeadKind kind) {
  double sum = 0;
  for (const HeldOutRow& row : rows) sum += error_of(kind, row.target, row.predicted);
  return sum;
}

HeldOutGroup held_out_group(std::span<const HeldOutRow> rows, HeadKind kind, int group) {
  const Documents documents(rows);
  const auto head = [&](const HeldOutRow& row) { return error_of(kind, row.target, row.predicted); };
  const auto loop = [&](const HeldOutRow& row) { return error_of(kind, row.target, row.by_loop); };
  const auto constant = [&](const HeldOutRow& row) { return error_of(kind, row.target, row.constant); };
  const double sign = kind == HeadKind::gate ? -1 : 1;  // a gate says the more, the less going on gains
  HeldOutGroup result;
  result.group = group;
  result.rows = static_cast<std::int64_t>(rows.size());
  result.explained = documents.ratio([&](const HeldOutRow& row) { return constant(row) - head(row); }, constant);
  result.explained_by_loop =
      documents.ratio([&](const HeldOutRow& row) { return constant(row) - loop(row); }, constant);
  result.explained_more = documents.ratio([&](const HeldOutRow& row) { return loop(row) - head(row); }, constant);
  for (const HeldOutRow& row : rows) result.gaining += (row.gains ? 1.0 : 0.0) / static_cast<double>(rows.size());
  result.area = documents.area([&](const HeldOutRow& row) { return sign * row.predicted; });
  result.area_by_loop = documents.area([&](const HeldOutRow& row) { return sign * row.by_loop; });
  result.bins = bins_of(rows);
  return result;
}

}  // namespace gyre
