#include <algorithm>
#include <limits>
#include <numeric>

#include "base/random.hpp"
#include "study/measures/lyapunov.hpp"
#include "study/measures/steps.hpp"
#include "study/probed_window.hpp"
#include "study/token_map.hpp"

namespace gyre {
namespace {

constexpr std::uint64_t kDirections = 0x64697265;  ///< keeps the draws apart from others of the same seed

/// One token of a window and its path through one group.
struct Followed {
  const Sequence& before;
  std::int32_t token = 0;
  std::span<const PathPoint> path;
  std::size_t own = 0;  ///< loops of the group itself; those behind are further ones
};

void add_growth(const ProbedWindow& probed, const ProbeOptions& options, const Followed& followed,
                GroupProbes& probes) {
  const auto growth = direction_growth(
      probed.engine(), followed.before, followed.token, static_cast<std::size_t>(probes.group), followed.path,
      {options.directions, options.rounds, combine_seeds(kDirections, probed.run().seed)});
  const auto mean = [&](std::size_t j, std::size_t first, std::size_t last) {
    if (first >= last) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0;
    for (std::size_t k = first; k < last; ++k) sum += growth[k][j];
    return sum / static_cast<double>(last - first);
  };
  const std::size_t directions = growth.front().size();
  probes.exponents.resize(directions, ByWindow(probes.residual.size()));
  probes.further_exponents.resize(directions, ByWindow(probes.residual.size()));
  for (std::size_t j = 0; j < directions; ++j) {
    probes.exponents[j][probed.place()].push_back(mean(j, 0, followed.own));
    probes.further_exponents[j][probed.place()].push_back(mean(j, followed.own, growth.size()));
  }
  for (std::size_t k = 0; k < followed.own; ++k) probes.growth[k][probed.place()].push_back(growth[k].front());
}

void add_jacobians(const ProbedWindow& probed, const Followed& followed, GroupProbes& probes) {
  const auto jacobians = path_jacobians(probed.engine(), followed.before, followed.token,
                                        static_cast<std::size_t>(probes.group), followed.path.first(followed.own));
  for (std::size_t k = 0; k < jacobians.size(); ++k) {
    probes.largest[k][probed.place()].push_back(largest_singular_value(jacobians[k], probed.hidden()));
  }
  probes.spectral_radius[probed.place()].push_back(spectral_radius(jacobians.back(), probed.hidden()));
}

}  // namespace

void measure_path(const ProbedWindow& probed, const ProbeOptions& options, std::size_t paths, std::size_t jacobians,
                  GroupProbes& probes) {
  const auto g = static_cast<std::size_t>(probes.group);
  const auto own = static_cast<std::size_t>(probed.run().loops[g]);
  std::vector<int> loops = probed.run().loops;
  loops[g] += probes.further + 1;  // a state's last loop may hand on something else
  Sequence sequence = probed.start(loops, probed.run().seed);
  const GroupStates states = run_window(probed.engine(), sequence, probed.window().inputs(), false).groups[g];
  probed.each_scored([&](std::size_t t) {
    probes.residual[probed.place()].push_back(
        fixed_point_residual(probed.row(states[own], t), probed.row(states[own + 1], t)));
    std::vector<std::span<const float>> path;
    for (std::size_t k = 0; k + 1 < states.size(); ++k) path.push_back(probed.row(states[k], t));
    probes.endings[probed.place()].push_back(ending_of(path, options.ending));
  });
  if (!probes.no_differences.empty()) return;
  const std::size_t scored = probed.window().scored();
  for (std::size_t i = 0; i < std::min(paths, scored); ++i) {
    const std::size_t t = probed.window().first + (2 * i + 1) * scored / (2 * std::min(paths, scored));
    Sequence before = sequence.fork();
    before.truncate(static_cast<int>(t));
    std::vector<PathPoint> path;
    for (std::size_t k = 0; k + 2 < states.size(); ++k) {
      const std::span<const float> state = probed.row(states[k], t);
      const double size = std::max(length(state), length(probed.row(states[k + 1], t)));
      path.push_back({state, size * probes.width[std::min(k, probes.width.size() - 1)]});
    }
    const Followed followed{before, probed.window().inputs()[t], path, own};
    add_growth(probed, options, followed, probes);
    if (i < jacobians && probes.no_jacobians.empty()) add_jacobians(probed, followed, probes);
  }
}

}  // namespace gyre
