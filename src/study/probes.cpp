#include "study/probes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/probed_window.hpp"
#include "study/statistics.hpp"

namespace gyre {
namespace {

/// Where both errors of a central difference, of rounding and of curvature, are about as large.
double width_of(const ByWindow& floor) {
  constexpr double kLeast = 1e-3;
  constexpr double kMost = 0.1;
  std::vector<double> all;
  for (const std::vector<double>& window : floor) {
    std::copy_if(window.begin(), window.end(), std::back_inserter(all), [](double x) { return std::isfinite(x); });
  }
  return all.empty() ? kLeast : std::clamp(std::cbrt(median(std::move(all))), kLeast, kMost);
}

GroupProbes begin_group(int group, const ModelSpec& spec, const ProbeRun& run, const ProbeOptions& options,
                        std::size_t windows) {
  const auto loops = static_cast<std::size_t>(run.loops[static_cast<std::size_t>(group)]);
  GroupProbes probes;
  probes.group = group;
  probes.further = 2 * options.ending.most;
  probes.floor.resize(loops, ByWindow(windows));
  const std::vector<ByWindow> by_loop(loops, ByWindow(windows));
  probes.attention = {by_loop, by_loop, by_loop, by_loop};
  probes.residual.resize(windows);
  probes.endings.resize(windows);
  if (spec.groups[static_cast<std::size_t>(group)].fast.there()) {
    probes.no_differences = "its loops carry a second state, which the differences do not follow";
    probes.no_jacobians = probes.no_differences;
  }
  if (static_cast<std::size_t>(spec.hidden_size) > options.widest) {
    probes.no_jacobians = fmt::format("states of {} channels are wider than {}", spec.hidden_size, options.widest);
  }
  probes.growth.resize(loops, ByWindow(windows));
  probes.largest.resize(loops, ByWindow(windows));
  probes.spectral_radius.resize(windows);
  probes.basin_spread.resize(windows);
  probes.basin_vote.resize(windows);
  return probes;
}

/// The first positions of some windows.
std::vector<Window> sampled(std::span<const Window> windows, const ProbeOptions& options) {
  std::vector<Window> result;
  for (const std::size_t w : spread_windows(windows.size(), options.windows)) {
    Window window = windows[w];
    const std::size_t most = std::max(options.positions, window.first + 1) + 1;
    if (window.tokens.size() > most) window.tokens.resize(most);
    if (window.scored() > 0) result.push_back(std::move(window));
  }
  return result;
}

/// Of `all` things dealt out to `places`, how many fall to one.
std::size_t share_of(std::size_t all, std::size_t place, std::size_t places) {
  return all * (place + 1) / places - all * place / places;
}

bool starts_from_noise(const ModelSpec& spec) {
  return std::any_of(spec.groups.begin(), spec.groups.end(),
                     [](const Group& group) { return group.first_state == FirstState::noise; });
}

}  // namespace

std::vector<std::size_t> spread_windows(std::size_t count, std::size_t most) {
  std::vector<std::size_t> places;
  const std::size_t taken = std::min(count, most);
  for (std::size_t i = 0; i < taken; ++i) places.push_back((2 * i + 1) * count / (2 * taken));
  return places;
}

Probes probe(Engine& engine, std::span<const Window> windows, const ProbeRun& run, const ProbeOptions& options) {
  const ModelSpec& spec = engine.model().spec();
  const std::vector<Window> chosen = sampled(windows, options);
  Probes probes;
  probes.windows = chosen.size();
  for (const int group : spec.looped_groups()) {
    probes.groups.push_back(begin_group(group, spec, run, options, chosen.size()));
  }
  for (std::size_t w = 0; w < chosen.size(); ++w) {
    probes.tokens += chosen[w].scored();
    measure_floor(ProbedWindow(engine, chosen[w], run, w), probes.groups);
  }
  for (GroupProbes& group : probes.groups) {
    for (const ByWindow& floor : group.floor) group.width.push_back(width_of(floor));
  }
  const bool noise = run.start == NoiseStart::noise && starts_from_noise(spec);
  for (std::size_t w = 0; w < chosen.size(); ++w) {
    const ProbedWindow probed(engine, chosen[w], run, w);
    measure_attention(probed, probes.groups);
    for (GroupProbes& group : probes.groups) {
      measure_path(probed, options, share_of(options.paths, w, chosen.size()),
                   share_of(options.jacobians, w, chosen.size()), group);
    }
    if (noise) measure_basins(probed, options.first_states, probes.groups);
  }
  return probes;
}

}  // namespace gyre
