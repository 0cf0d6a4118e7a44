#include <cmath>
#include <map>

#include "study/measures/attention.hpp"
#include "study/measures/undefined.hpp"
#include "study/probed_window.hpp"

namespace gyre {
namespace {

/// Entropies of all heads of one group in one window, [loops][positions][layers · heads], as its threads tell of them.
class HeadEntropies {
 public:
  HeadEntropies(std::size_t loops, std::size_t positions, std::size_t layers, std::size_t heads)
      : positions_(positions),
        heads_(heads),
        width_(layers * heads),
        entropies_(loops * positions * width_),
        normalised_(entropies_.size()) {}

  void hear(const AttentionPoint& point) {
    const auto layer = static_cast<std::size_t>(point.layer);
    const std::size_t at = place(static_cast<std::size_t>(point.loop), static_cast<std::size_t>(point.position)) +
                           layer * heads_ + point.head;
    const double entropy = entropy_of_scores(point.scores);
    entropies_[at] = entropy;
    normalised_[at] =
        point.scores.size() > 1 ? entropy / std::log(static_cast<double>(point.scores.size())) : kUndefined;
  }

  [[nodiscard]] std::span<const double> entropies(std::size_t loop, std::size_t position) const {
    return std::span(entropies_).subspan(place(loop, position), width_);
  }
  [[nodiscard]] std::span<const double> normalised(std::size_t loop, std::size_t position) const {
    return std::span(normalised_).subspan(place(loop, position), width_);
  }

 private:
  [[nodiscard]] std::size_t place(std::size_t loop, std::size_t position) const {
    return (loop * positions_ + position) * width_;
  }

  std::size_t positions_;
  std::size_t heads_;
  std::size_t width_;
  std::vector<double> entropies_;
  std::vector<double> normalised_;
};

/// Of those that are defined: heads that see one position have no normalised entropy.
double mean_defined(std::span<const double> values) {
  double sum = 0;
  std::size_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : kUndefined;
}

double mean_difference(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

}  // namespace

void measure_attention(const ProbedWindow& probed, std::span<GroupProbes> groups) {
  const ModelSpec& spec = probed.engine().model().spec();
  std::map<std::size_t, HeadEntropies> heard;
  for (const GroupProbes& probes : groups) {
    const auto g = static_cast<std::size_t>(probes.group);
    heard.try_emplace(g, static_cast<std::size_t>(probed.run().loops[g]), probed.window().inputs().size(),
                      static_cast<std::size_t>(spec.groups[g].passes()), static_cast<std::size_t>(spec.heads));
  }
  Sequence sequence = probed.start(probed.run().loops, probed.run().seed);
  probed.engine().prefill(sequence, probed.window().inputs(), Engine::Logits::none, {},
                          [&heard](const AttentionPoint& point) {
                            const auto found = heard.find(point.group);
                            if (found != heard.end()) found->second.hear(point);
                          });
  for (GroupProbes& probes : groups) {
    const HeadEntropies& heads = heard.at(static_cast<std::size_t>(probes.group));
    AttentionEntropy& attention = probes.attention;
    for (std::size_t k = 0; k < attention.entropy.size(); ++k) {
      probed.each_scored([&](std::size_t t) {
        const std::span<const double> now = heads.entropies(k, t);
        const double mean = mean_defined(now);
        attention.entropy[k][probed.place()].push_back(mean);
        attention.normalised[k][probed.place()].push_back(mean_defined(heads.normalised(k, t)));
        if (k == 0) return;
        const std::span<const double> before = heads.entropies(k - 1, t);
        attention.change[k][probed.place()].push_back(mean - mean_defined(before));
        attention.head_change[k][probed.place()].push_back(mean_difference(now, before));
      });
    }
  }
}

}  // namespace gyre
