#include "study/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "study/statistics.hpp"

namespace gyre {
namespace {

constexpr double kPercent = 0.01;

/// Values of a measure where they are defined, window by window: tokens of one window depend on one another, so that
/// windows are what is resampled.
using Units = std::vector<std::vector<double>>;

Units by_window(std::span<const double> values, std::span<const std::size_t> windows) {
  Units units(windows.empty() ? 0 : windows.back() + 1);
  for (std::size_t i = 0; i < std::min(values.size(), windows.size()); ++i) {
    if (std::isfinite(values[i])) units[windows[i]].push_back(values[i]);
  }
  return units;
}

std::int64_t tokens_of(const Units& units) {
  std::int64_t tokens = 0;
  for (const std::vector<double>& unit : units) tokens += static_cast<std::int64_t>(unit.size());
  return tokens;
}

/// Those with tokens.
std::size_t windows_of(const Units& units) {
  return static_cast<std::size_t>(
      std::count_if(units.begin(), units.end(), [](const auto& unit) { return !unit.empty(); }));
}

/// The mean over all values.
Estimate mean_of(const Bootstrap& bootstrap, const Units& units) {
  std::vector<double> sums;
  std::vector<double> sizes;
  for (const std::vector<double>& unit : units) {
    sums.push_back(std::accumulate(unit.begin(), unit.end(), 0.0));
    sizes.push_back(static_cast<double>(unit.size()));
  }
  return bootstrap.ratio(sums, sizes);
}

/// What a claim is held against: the measures of one checkpoint, and resamples of its windows.
struct Measured {
  const ModelSpec& spec;
  const StudiedCheckpoint& checkpoint;
  Bootstrap bootstrap;

  [[nodiscard]] const std::vector<GroupMeasures>& groups() const { return checkpoint.dynamics.groups; }
  [[nodiscard]] const std::string& name_of(const GroupMeasures& group) const {
    return spec.groups[static_cast<std::size_t>(group.group)].name;
  }
  [[nodiscard]] Units units(const std::vector<double>& values) const {
    return by_window(values, checkpoint.dynamics.windows);
  }
  [[nodiscard]] double middle(const std::vector<double>& values) const {
    return MedianOfUnits(units(values))(std::vector<double>(bootstrap.units(), 1.0));
  }
  /// Evidence without bounds.
  [[nodiscard]] Evidence evidence(const GroupMeasures& group, const Estimate& estimate, const Units& behind) const {
    Evidence evidence{.group = name_of(group), .value = estimate.value, .interval = estimate.interval};
    evidence.tokens = tokens_of(behind);
    evidence.windows = windows_of(behind);
    return evidence;
  }
};

/// The interval in units of `unit`, both ends as `format` says.
std::string interval_text(const Evidence& evidence, std::string_view format, double unit = 1) {
  if (!std::isfinite(evidence.interval.low)) return "no interval";
  return fmt::format("95 %: {} to {}", fmt::format(fmt::runtime(format), evidence.interval.low / unit),
                     fmt::format(fmt::runtime(format), evidence.interval.high / unit));
}

Finding concluded(Finding finding, const std::string& criterion) {
  finding.verdict = verdict_of(finding.evidence);
  if (finding.evidence.empty()) {
    finding.here += "No evidence in this model. ";
  }
  finding.here += fmt::format("Holds when {}; all of the 95 % interval has to lie there.", criterion);
  if (finding.evidence.empty()) return finding;
  const auto fewest = std::min_element(finding.evidence.begin(), finding.evidence.end(),
                                       [](const Evidence& a, const Evidence& b) { return a.tokens < b.tokens; });
  finding.here += fmt::format(" Over {} tokens in {} windows", fewest->tokens, fewest->windows);
  finding.here += fewest->windows < kFewestWindows
                      ? fmt::format(", too few to conclude anything: it takes {} windows.", kFewestWindows)
                      : std::string(".");
  return finding;
}

Finding steps_shrink(const Measured& last) {
  // "Decay" is taken to mean that the median step at the last loop is at most half of the first.
  constexpr double kDecayed = 0.5;
  Finding finding{"steps_shrink",
                  "Steps shrink inside a looped block",
                  "Step norms decay within 5 to 10 loops to small refinements.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.groups()) {
    if (group.loops.size() < 2) continue;
    const Units end = last.units(group.loops.back().step);
    const MedianOfUnits first_median(last.units(group.loops.front().step));
    const MedianOfUnits end_median(end);
    const auto ratio = [&](std::span<const double> times) { return end_median(times) / first_median(times); };
    Evidence evidence = last.evidence(group, last.bootstrap.of(ratio), end);
    evidence.most = kDecayed;
    finding.here += fmt::format(
        "{}: median step {:.3g} at loop 1, {:.3g} at loop {} ({:.0f} %, {}; relative to the state {:.3f}). ",
        last.name_of(group), last.middle(group.loops.front().step), last.middle(group.loops.back().step),
        group.loops.size(), 100 * evidence.value, interval_text(evidence, "{:.0f}", kPercent),
        last.middle(group.loops.back().relative_step));
    finding.evidence.push_back(std::move(evidence));
  }
  return concluded(std::move(finding), "the last step is at most half of the first, in every group that loops twice");
}

Finding steps_turn(const Measured& last) {
  constexpr double kLow = 0.4;
  constexpr double kHigh = 0.75;
  Finding finding{"steps_turn",
                  "Consecutive steps turn, but stay positively correlated",
                  "The cosine of consecutive steps settles at about +0.5 to +0.65 in later checkpoints.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.groups()) {
    if (group.loops.size() < 2) continue;
    const Units end = last.units(group.loops.back().cosine);
    Evidence evidence = last.evidence(group, last.bootstrap.median(end), end);
    evidence.least = kLow;
    evidence.most = kHigh;
    finding.here += fmt::format("{}: median cosine {:+.2f} at loop 2, {:+.2f} at loop {} ({}). ", last.name_of(group),
                                last.middle(group.loops[1].cosine), evidence.value, group.loops.size(),
                                interval_text(evidence, "{:+.3f}"));
    finding.evidence.push_back(std::move(evidence));
  }
  return concluded(std::move(finding), "the last cosine lies between +0.40 and +0.75, in every group that loops twice");
}

Finding drift_dominates(const Measured& last) {
  constexpr double kLarge = 2.0;
  Finding finding{"drift_dominates",
                  "Hand-offs move the state further than loops do",
                  "The drift-to-loop ratio is much larger than 1.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.groups()) {
    if (group.drift_to_loop.empty()) continue;
    const Units drift = last.units(group.drift_to_loop);
    Evidence evidence = last.evidence(group, last.bootstrap.median(drift), drift);
    evidence.least = kLarge;
    finding.here += fmt::format("{}: median ratio {:.2f} ({}). ", last.name_of(group), evidence.value,
                                interval_text(evidence, "{:.2f}"));
    finding.evidence.push_back(std::move(evidence));
  }
  return concluded(std::move(finding), "the ratio is at least 2, in every group that another group follows");
}

Finding scales_separate(const Measured& late, const StudiedCheckpoint& early) {
  Finding finding{"scales_separate",
                  "The two scales separate as training goes on",
                  "Over training, steps inside blocks get smaller against the drift between them.",
                  "",
                  {}};
  const std::optional<int> step = late.checkpoint.step;
  if (!early.step || !step || *early.step >= *step) {
    finding.here = "Needs several checkpoints of one training run, in folders named after their steps.";
    return finding;
  }
  if (early.dynamics.windows != late.checkpoint.dynamics.windows) {
    finding.here = "Needs checkpoints that were measured over the same windows.";
    return finding;
  }
  for (std::size_t i = 0; i < late.groups().size(); ++i) {
    const GroupMeasures& group = late.groups()[i];
    if (group.drift_to_loop.empty()) continue;
    const Units drift = late.units(group.drift_to_loop);
    const MedianOfUnits before(by_window(early.dynamics.groups[i].drift_to_loop, early.dynamics.windows));
    const MedianOfUnits after(drift);
    // The same windows at both checkpoints: the difference is paired.
    const auto growth = [&](std::span<const double> times) { return after(times) - before(times); };
    Evidence evidence = late.evidence(group, late.bootstrap.of(growth), drift);
    evidence.least = 0;
    evidence.beyond = true;
    const std::vector<double> once(late.bootstrap.units(), 1.0);
    finding.here +=
        fmt::format("{}: ratio {:.2f} at step {}, {:.2f} at step {} (difference {:+.2f}, {}). ", late.name_of(group),
                    before(once), *early.step, after(once), *step, evidence.value, interval_text(evidence, "{:+.2f}"));
    finding.evidence.push_back(std::move(evidence));
  }
  return concluded(std::move(finding), "the ratio grew, in every group that another group follows");
}

Finding lens_settles(const Measured& last) {
  constexpr double kFewFlips = 0.05;
  Finding finding{"lens_settles",
                  "What the head would say settles within the loops",
                  "Not measured in the paper; exits on states presuppose it.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.groups()) {
    if (group.loops.size() < 2) continue;
    const Units flips = last.units(group.loops.back().lens_flip);
    Evidence evidence = last.evidence(group, mean_of(last.bootstrap, flips), flips);
    evidence.most = kFewFlips;
    finding.here +=
        fmt::format("{}: {:.1f} % of argmaxes change in the last loop ({}), {:.2g} nats of KL one loop earlier. ",
                    last.name_of(group), 100 * evidence.value, interval_text(evidence, "{:.1f}", kPercent),
                    spread_of(group.loops[group.loops.size() - 2].lens_kl).mean);
    finding.evidence.push_back(std::move(evidence));
  }
  return concluded(std::move(finding), "at most 5 % change in the last loop, in every group that loops twice");
}

Finding trajectory_spirals(const Measured& last) {
  constexpr double kMargin = 0.05;
  constexpr std::size_t kLoopsToGoRound = 6;
  constexpr double kOnce = 1;  // in turns
  Finding finding{"trajectory_spirals",
                  "Paths spiral inside blocks",
                  "In two principal components a token's states make tight spirals in a block and large jumps between.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.groups()) {
    const TurnMeasures& turns = group.turns;
    std::vector<double> excess;
    for (std::size_t i = 0; i < turns.share.size(); ++i) excess.push_back(turns.share[i] - turns.random_share[i]);
    const Units units = last.units(excess);
    if (tokens_of(units) == 0) continue;
    const auto mean = [&](const std::vector<double>& values) {
      return mean_of(last.bootstrap, last.units(values)).value;
    };
    Evidence evidence = last.evidence(group, mean_of(last.bootstrap, units), units);
    evidence.least = kMargin;
    evidence.beside = {{"share", mean(turns.share)},
                       {"null", mean(turns.random_share)},
                       {"null_as_smooth", mean(turns.smooth_share)},
                       {"winding", last.middle(turns.winding)}};
    // Where random paths turn one way as well, no path can turn so much more that it would tell a spiral; one that
    // turns less than they do is none.
    const bool room = 1 - mean(turns.random_share) > 2 * kMargin;
    evidence.decidable = room || evidence.interval.high < 0;
    finding.here += fmt::format(
        "{}: {:.0f} % of turns go one way in the plane of the group's own states, {:.0f} % of those of random paths "
        "with "
        "steps as long ({:.0f} % with the same angles, too): difference {:+.3f} ({}){}; winding {:.2f} turns "
        "(median). ",
        last.name_of(group), 100 * mean(turns.share), 100 * mean(turns.random_share), 100 * mean(turns.smooth_share),
        evidence.value, interval_text(evidence, "{:+.3f}"),
        room ? "" : ", where not even a perfect spiral could surpass them by much", evidence.beside.back().second);
    evidence.quantity = "turns";
    finding.evidence.push_back(std::move(evidence));
    // Fewer loops cannot go round without jumping.
    if (group.loops.size() < kLoopsToGoRound) continue;
    const Units windings = last.units(turns.winding);
    Evidence round = last.evidence(group, last.bootstrap.of(MedianOfUnits(windings)), windings);
    round.least = kOnce;
    round.quantity = "winding";
    finding.evidence.push_back(std::move(round));
  }
  return concluded(std::move(finding),
                   "the share of turns that go the commoner way is more than that of random paths by at least 0.05, in "
                   "every group of four loops or more, and paths of six loops or more go round once (an arc that bends "
                   "one way is no spiral)");
}

}  // namespace

std::vector<Finding> findings_of(const ModelSpec& spec, std::span<const StudiedCheckpoint> checkpoints) {
  const std::vector<std::size_t>& windows = checkpoints.back().dynamics.windows;
  const Measured last{spec, checkpoints.back(), Bootstrap(windows.empty() ? 0 : windows.back() + 1)};
  return {steps_shrink(last),    steps_turn(last),
          drift_dominates(last), scales_separate(last, checkpoints.front()),
          lens_settles(last),    trajectory_spirals(last)};
}

}  // namespace gyre
