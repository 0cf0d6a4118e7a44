#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/random.hpp"
#include "study/measures/steps.hpp"
#include "study/probed_window.hpp"

namespace gyre {
namespace {

constexpr std::uint64_t kNudges = 0x6e756467;  ///< keeps the draws apart from others of the same seed

void nudge(const TracePoint& point) {
  const std::uint64_t seed = combine_seeds(
      kNudges, static_cast<std::uint64_t>(point.group) * kMostLoops + static_cast<std::uint64_t>(point.loop));
  for (std::size_t i = 0; i < point.states.size(); ++i) {
    const bool up = (combine_seeds(seed, i) >> 63) != 0;
    const float end = up ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    point.states[i] = std::nextafter(point.states[i], end);
  }
}

}  // namespace

void measure_floor(const ProbedWindow& probed, std::span<GroupProbes> groups) {
  std::map<int, GroupProbes*> of;
  for (GroupProbes& probes : groups) of[probes.group] = &probes;
  Sequence sequence = probed.start(probed.run().loops, probed.run().seed);
  probed.engine().prefill(sequence, probed.window().inputs(), Engine::Logits::none, [&](const TracePoint& point) {
    const auto found = of.find(point.group);
    if (found == of.end()) return;
    const GroupStates& own = probed.own().groups[static_cast<std::size_t>(point.group)];
    const auto loop = static_cast<std::size_t>(point.loop);
    if (loop > 0) {
      std::vector<double>& floor = found->second->floor[loop - 1][probed.place()];
      probed.each_scored([&](std::size_t t) {
        floor.push_back(fixed_point_residual(probed.row(own[loop], t), probed.row(point.states, t)));
      });
    }
    std::copy(own[loop].begin(), own[loop].end(), point.states.begin());
    if (loop + 1 < own.size()) nudge(point);
  });
}

}  // namespace gyre
