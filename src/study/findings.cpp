#include "study/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/statistics.hpp"

namespace gyre {
namespace {

const std::string& group_name(const ModelSpec& spec, const GroupMeasures& group) {
  return spec.groups[static_cast<std::size_t>(group.group)].name;
}

std::vector<double> defined(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  return values;
}

/// Of the values that are defined; NaN when none is.
double middle(const std::vector<double>& values) {
  std::vector<double> there = defined(values);
  return there.empty() ? std::numeric_limits<double>::quiet_NaN() : median(std::move(there));
}

std::int64_t count(const std::vector<double>& values) { return static_cast<std::int64_t>(defined(values).size()); }

Finding concluded(Finding finding, const std::string& criterion) {
  finding.verdict = verdict_of(finding.evidence);
  std::int64_t fewest = 0;
  for (const Evidence& evidence : finding.evidence) {
    fewest = fewest == 0 ? evidence.tokens : std::min(fewest, evidence.tokens);
  }
  finding.here += finding.evidence.empty() ? "No evidence in this model. " : "";
  finding.here += fmt::format("Counted as holding when {}.", criterion);
  if (!finding.evidence.empty()) finding.here += fmt::format(" Over {} tokens.", fewest);
  return finding;
}

Finding steps_shrink(const ModelSpec& spec, const StudiedCheckpoint& last) {
  // "Decay" is taken to mean that the median step at the last loop is at most half of the first.
  constexpr double kDecayed = 0.5;
  Finding finding{"steps_shrink",
                  "Steps shrink inside a looped block",
                  "Step norms decay within 5 to 10 loops to small refinements.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.loops.size() < 2) continue;
    const double first = middle(group.loops.front().step);
    const double end = middle(group.loops.back().step);
    finding.here +=
        fmt::format("{}: median step {:.3g} at loop 1, {:.3g} at loop {} ({:.0f} %; relative to the state {:.3f}). ",
                    group_name(spec, group), first, end, group.loops.size(), 100 * end / first,
                    middle(group.loops.back().relative_step));
    finding.evidence.push_back({.group = group_name(spec, group),
                                .value = end / first,
                                .most = kDecayed,
                                .tokens = count(group.loops.back().step)});
  }
  return concluded(std::move(finding), "the last step is at most half of the first, in every group that loops twice");
}

Finding steps_turn(const ModelSpec& spec, const StudiedCheckpoint& last) {
  constexpr double kLow = 0.4;
  constexpr double kHigh = 0.75;
  Finding finding{"steps_turn",
                  "Consecutive steps turn, but stay positively correlated",
                  "The cosine of consecutive steps settles at about +0.5 to +0.65 in later checkpoints.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.loops.size() < 2) continue;
    const double end = middle(group.loops.back().cosine);
    finding.here += fmt::format("{}: median cosine {:+.2f} at loop 2, {:+.2f} at loop {}. ", group_name(spec, group),
                                middle(group.loops[1].cosine), end, group.loops.size());
    finding.evidence.push_back({.group = group_name(spec, group),
                                .value = end,
                                .least = kLow,
                                .most = kHigh,
                                .tokens = count(group.loops.back().cosine)});
  }
  return concluded(std::move(finding), "the last cosine lies between +0.40 and +0.75, in every group that loops twice");
}

Finding drift_dominates(const ModelSpec& spec, const StudiedCheckpoint& last) {
  constexpr double kLarge = 2.0;
  Finding finding{"drift_dominates",
                  "Hand-offs move the state further than loops do",
                  "The drift-to-loop ratio is much larger than 1.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.drift_to_loop.empty()) continue;
    const double ratio = middle(group.drift_to_loop);
    finding.here += fmt::format("{}: median ratio {:.2f}. ", group_name(spec, group), ratio);
    finding.evidence.push_back(
        {.group = group_name(spec, group), .value = ratio, .least = kLarge, .tokens = count(group.drift_to_loop)});
  }
  return concluded(std::move(finding), "the ratio is at least 2, in every group that another group follows");
}

Finding scales_separate(const ModelSpec& spec, std::span<const StudiedCheckpoint> checkpoints) {
  Finding finding{"scales_separate",
                  "The two scales separate as training goes on",
                  "Over training, steps inside blocks get smaller against the drift between them.",
                  "",
                  {}};
  const StudiedCheckpoint& early = checkpoints.front();
  const StudiedCheckpoint& late = checkpoints.back();
  if (!early.step || !late.step || *early.step >= *late.step) {
    finding.here = "Needs several checkpoints of one training run, in folders named after their steps.";
    return finding;
  }
  for (std::size_t i = 0; i < late.dynamics.groups.size(); ++i) {
    const GroupMeasures& group = late.dynamics.groups[i];
    if (group.drift_to_loop.empty()) continue;
    const double before = middle(early.dynamics.groups[i].drift_to_loop);
    const double after = middle(group.drift_to_loop);
    finding.here += fmt::format("{}: ratio {:.2f} at step {}, {:.2f} at step {}. ", group_name(spec, group), before,
                                *early.step, after, *late.step);
    finding.evidence.push_back({.group = group_name(spec, group),
                                .value = after - before,
                                .least = 0,
                                .beyond = true,
                                .tokens = count(group.drift_to_loop)});
  }
  return concluded(std::move(finding), "the ratio grew, in every group that another group follows");
}

Finding lens_settles(const ModelSpec& spec, const StudiedCheckpoint& last) {
  constexpr double kFewFlips = 0.05;
  Finding finding{"lens_settles",
                  "What the head would say settles within the loops",
                  "Not measured in the paper; exits on states presuppose it.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.loops.size() < 2) continue;
    const std::vector<double>& flips = group.loops.back().lens_flip;
    const double share = flips.empty() ? std::numeric_limits<double>::quiet_NaN() : spread_of(flips).mean;
    finding.here +=
        fmt::format("{}: {:.1f} % of argmaxes change in the last loop, {:.2g} nats of KL one loop earlier. ",
                    group_name(spec, group), 100 * share, spread_of(group.loops[group.loops.size() - 2].lens_kl).mean);
    finding.evidence.push_back(
        {.group = group_name(spec, group), .value = share, .most = kFewFlips, .tokens = count(flips)});
  }
  return concluded(std::move(finding), "at most 5 % change in the last loop, in every group that loops twice");
}

Finding trajectory_spirals(const ModelSpec& spec, const StudiedCheckpoint& last) {
  constexpr double kOneSided = 0.9;
  Finding finding{"trajectory_spirals",
                  "Paths spiral inside blocks and jump between them",
                  "In two principal components a token's states make tight spirals in a block and large jumps between.",
                  "",
                  {}};
  for (const GroupMeasures& group : last.dynamics.groups) {
    std::vector<double> shares;
    for (const Trajectory& trajectory : last.dynamics.trajectories) {
      if (const auto share = turning_share(trajectory, group.group)) shares.push_back(*share);
    }
    if (shares.empty()) continue;
    const double share = spread_of(shares).mean;
    finding.here += fmt::format("{}: {:.0f} % of turns go one way. ", group_name(spec, group), 100 * share);
    finding.evidence.push_back(
        {.group = group_name(spec, group), .value = share, .least = kOneSided, .tokens = count(shares)});
  }
  return concluded(std::move(finding),
                   "at least 90 % of a path's turns go one way, in every group whose paths turn twice");
}

}  // namespace

bool Evidence::there() const { return tokens > 0 && std::isfinite(value); }

bool Evidence::speaks_for() const { return (beyond ? value > least : value >= least) && value <= most; }

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::holds:
      return "holds";
    case Verdict::does_not_hold:
      return "does not hold";
    case Verdict::unclear:
      break;
  }
  return "unclear";
}

Verdict verdict_of(std::span<const Evidence> evidence) {
  bool all_there = !evidence.empty();
  for (const Evidence& one : evidence) {
    if (one.there() && !one.speaks_for()) return Verdict::does_not_hold;
    all_there = all_there && one.there();
  }
  return all_there ? Verdict::holds : Verdict::unclear;
}

std::optional<double> turning_share(const Trajectory& trajectory, int group) {
  constexpr double kStraight = 1e-9;  // of the product of both lengths
  int left = 0;
  int right = 0;
  for (std::size_t i = 2; i < trajectory.points.size(); ++i) {
    const TrajectoryPoint& a = trajectory.points[i - 2];
    const TrajectoryPoint& b = trajectory.points[i - 1];
    const TrajectoryPoint& c = trajectory.points[i];
    if (a.group != group || c.group != group) continue;
    const double cross = (b.x - a.x) * (c.y - b.y) - (b.y - a.y) * (c.x - b.x);
    if (std::abs(cross) <= kStraight * std::hypot(b.x - a.x, b.y - a.y) * std::hypot(c.x - b.x, c.y - b.y)) continue;
    (cross > 0 ? left : right) += 1;
  }
  if (left + right < 2) return {};
  return static_cast<double>(std::max(left, right)) / (left + right);
}

std::vector<Finding> findings_of(const ModelSpec& spec, std::span<const StudiedCheckpoint> checkpoints) {
  const StudiedCheckpoint& last = checkpoints.back();
  return {steps_shrink(spec, last),           steps_turn(spec, last),   drift_dominates(spec, last),
          scales_separate(spec, checkpoints), lens_settles(spec, last), trajectory_spirals(spec, last)};
}

}  // namespace gyre
