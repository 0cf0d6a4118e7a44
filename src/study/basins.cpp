#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "study/measures/steps.hpp"
#include "study/probed_window.hpp"
#include "study/scores.hpp"

namespace gyre {
namespace {

/// Mean distance of pairs of different tokens of the window, as many as it scores.
double distance_of_tokens(const ProbedWindow& probed, std::span<const float> states) {
  const std::size_t scored = probed.window().scored();
  double sum = 0;
  std::size_t pairs = 0;
  for (std::size_t i = 0; i < scored; ++i) {
    const std::size_t other = (i + scored / 2) % scored;
    if (other == i) continue;
    sum += distance(probed.row(states, probed.window().first + i), probed.row(states, probed.window().first + other));
    ++pairs;
  }
  return pairs > 0 ? sum / static_cast<double>(pairs) : 0;
}

/// Root mean square distance to their mean.
double spread(std::span<const std::span<const float>> ends) {
  double squares = 0;
  for (std::size_t c = 0; c < ends.front().size(); ++c) {
    double sum = 0;
    for (const std::span<const float> end : ends) sum += static_cast<double>(end[c]);
    const double mean = sum / static_cast<double>(ends.size());
    for (const std::span<const float> end : ends) squares += std::pow(static_cast<double>(end[c]) - mean, 2);
  }
  return std::sqrt(squares / static_cast<double>(ends.size()));
}

/// The share of the passes that agree on the commonest argmax at position `t`.
double vote(std::span<const WindowPass* const> passes, std::size_t t, std::size_t positions) {
  std::map<std::size_t, int> votes;
  int most = 0;
  for (const WindowPass* const pass : passes) {
    const std::size_t vocabulary = pass->logits.size() / positions;
    most = std::max(most, ++votes[likeliest(std::span(pass->logits).subspan(t * vocabulary, vocabulary))]);
  }
  return most / static_cast<double>(passes.size());
}

}  // namespace

void measure_basins(const ProbedWindow& probed, std::size_t first_states, std::span<GroupProbes> groups) {
  const ModelSpec& spec = probed.engine().model().spec();
  const std::size_t positions = probed.window().inputs().size();
  std::vector<WindowPass> others;
  std::vector<const WindowPass*> passes = {&probed.own()};
  for (std::size_t i = 1; i < first_states; ++i) {
    Sequence sequence = probed.start(probed.run().loops, probed.run().seed + i);
    others.push_back(run_window(probed.engine(), sequence, probed.window().inputs(), false));
    for (GroupStates& states : others.back().groups) states.erase(states.begin(), states.end() - 1);
  }
  for (const WindowPass& other : others) passes.push_back(&other);
  for (GroupProbes& probes : groups) {
    const auto g = static_cast<std::size_t>(probes.group);
    if (spec.groups[g].first_state != FirstState::noise) continue;
    const double apart = distance_of_tokens(probed, probed.own().groups[g].back());
    probed.each_scored([&](std::size_t t) {
      std::vector<std::span<const float>> ends;
      for (const WindowPass* const pass : passes) ends.push_back(probed.row(pass->groups[g].back(), t));
      probes.basin_spread[probed.place()].push_back(apart > 0 ? spread(ends) / apart
                                                              : std::numeric_limits<double>::quiet_NaN());
      probes.basin_vote[probed.place()].push_back(vote(passes, t, positions));
    });
  }
}

}  // namespace gyre
