#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "study/statistics.hpp"
#include "study/study.hpp"

namespace gyre {
namespace {

using Holds = Finding::Holds;

const std::string& group_name(const StudySubject& subject, const GroupMeasures& group) {
  return subject.spec.groups[static_cast<std::size_t>(group.group)].name;
}

Finding steps_shrink(const StudySubject& subject, const StudiedCheckpoint& last) {
  // "Decay" is taken to mean that the median step at the last loop is at most half of the first.
  constexpr double kDecayed = 0.5;
  Finding finding{"steps_shrink", "Steps shrink inside a looped block",
                  "Step norms decay within 5 to 10 loops to small refinements.", "", Holds::yes};
  for (const GroupMeasures& group : last.dynamics.groups) {
    const double first = median(group.loops.front().step);
    const double end = median(group.loops.back().step);
    finding.here += fmt::format(
        "{}: median step {:.3g} at loop 1, {:.3g} at loop {} ({:.0f} %; relative to the state "
        "{:.3f}). ",
        group_name(subject, group), first, end, group.loops.size(), 100 * end / first,
        median(group.loops.back().relative_step));
    if (end > kDecayed * first) finding.holds = Holds::no;
  }
  finding.here += "Counted as holding when the last step is at most half of the first, in every group.";
  return finding;
}

Finding steps_turn(const StudySubject& subject, const StudiedCheckpoint& last) {
  constexpr double kLow = 0.4;
  constexpr double kHigh = 0.75;
  Finding finding{"steps_turn", "Consecutive steps turn, but stay positively correlated",
                  "The cosine of consecutive steps settles at about +0.5 to +0.65 in later checkpoints.", "",
                  Holds::yes};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.loops.size() < 2) continue;
    const double end = median(group.loops.back().cosine);
    finding.here += fmt::format("{}: median cosine {:+.2f} at loop 2, {:+.2f} at loop {}. ", group_name(subject, group),
                                median(group.loops[1].cosine), end, group.loops.size());
    if (end < kLow || end > kHigh) finding.holds = Holds::no;
  }
  finding.here += "Counted as holding when the last cosine lies between +0.40 and +0.75, in every group.";
  return finding;
}

Finding drift_dominates(const StudySubject& subject, const StudiedCheckpoint& last) {
  constexpr double kLarge = 2.0;
  Finding finding{"drift_dominates", "Hand-offs move the state further than loops do",
                  "The drift-to-loop ratio is much larger than 1.", "", Holds::yes};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.drift_to_loop.empty()) continue;
    const double ratio = median(group.drift_to_loop);
    finding.here += fmt::format("{}: median ratio {:.2f}. ", group_name(subject, group), ratio);
    if (ratio < kLarge) finding.holds = Holds::no;
  }
  finding.here += "Counted as holding when the ratio is at least 2, in every group.";
  return finding;
}

Finding scales_separate(const StudySubject& subject, const std::vector<StudiedCheckpoint>& checkpoints) {
  Finding finding{"scales_separate", "The two scales separate as training goes on",
                  "Over training, steps inside blocks get smaller against the drift between them.", "", Holds::unclear};
  if (checkpoints.size() < 2) {
    finding.here = "Needs several checkpoints of one training run.";
    return finding;
  }
  const Dynamics& early = checkpoints.front().dynamics;
  const Dynamics& late = checkpoints.back().dynamics;
  finding.holds = Holds::yes;
  for (std::size_t i = 0; i < late.groups.size(); ++i) {
    if (late.groups[i].drift_to_loop.empty()) continue;
    const double before = median(early.groups[i].drift_to_loop);
    const double after = median(late.groups[i].drift_to_loop);
    finding.here += fmt::format("{}: ratio {:.2f} at step {}, {:.2f} at step {}. ", group_name(subject, late.groups[i]),
                                before, checkpoints.front().step, after, checkpoints.back().step);
    if (after <= before) finding.holds = Holds::no;
  }
  finding.here += "Counted as holding when the ratio grew, in every group.";
  return finding;
}

Finding lens_settles(const StudySubject& subject, const StudiedCheckpoint& last) {
  constexpr double kFewFlips = 0.05;
  Finding finding{"lens_settles", "What the head would say settles within the loops",
                  "Not measured in the paper; exits on states presuppose it.", "", Holds::yes};
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.loops.size() < 2) continue;
    const std::vector<double>& flips = group.loops.back().lens_flip;
    const double share =
        std::accumulate(flips.begin(), flips.end(), 0.0) / static_cast<double>(std::max<std::size_t>(1, flips.size()));
    const double kl = spread_of(group.loops[group.loops.size() - 2].lens_kl).mean;
    finding.here +=
        fmt::format("{}: {:.1f} % of argmaxes change in the last loop, {:.2g} nats of KL one loop earlier. ",
                    group_name(subject, group), 100 * share, kl);
    if (share > kFewFlips) finding.holds = Holds::no;
  }
  finding.here += "Counted as holding when at most 5 % change in the last loop, in every group.";
  return finding;
}

/// Whether a path in its plane keeps turning to one side: the share of its turns that go the commoner way.
double turning_share(const Trajectory& trajectory, int group) {
  int left = 0;
  int right = 0;
  for (std::size_t i = 2; i < trajectory.points.size(); ++i) {
    const TrajectoryPoint& a = trajectory.points[i - 2];
    const TrajectoryPoint& b = trajectory.points[i - 1];
    const TrajectoryPoint& c = trajectory.points[i];
    if (a.group != group || c.group != group) continue;
    const double cross = (b.x - a.x) * (c.y - b.y) - (b.y - a.y) * (c.x - b.x);
    (cross > 0 ? left : right) += 1;
  }
  return left + right == 0 ? 0 : static_cast<double>(std::max(left, right)) / (left + right);
}

Finding trajectory_spirals(const StudySubject& subject, const StudiedCheckpoint& last) {
  constexpr double kOneSided = 0.9;
  Finding finding{"trajectory_spirals", "Paths spiral inside blocks and jump between them",
                  "In two principal components a token's states make tight spirals in a block and large jumps between.",
                  "", Holds::unclear};
  if (last.dynamics.trajectories.empty()) return finding;
  double total = 0;
  int count = 0;
  for (const GroupMeasures& group : last.dynamics.groups) {
    if (group.loops.size() < 3) continue;
    double sum = 0;
    for (const Trajectory& trajectory : last.dynamics.trajectories) sum += turning_share(trajectory, group.group);
    const double share = sum / static_cast<double>(last.dynamics.trajectories.size());
    finding.here += fmt::format("{}: {:.0f} % of turns go one way. ", group_name(subject, group), 100 * share);
    total += share;
    ++count;
  }
  if (count == 0) return finding;
  finding.holds = total / count >= kOneSided ? Holds::yes : Holds::no;
  finding.here += "Counted as holding when 90 % of turns go one way.";
  return finding;
}

}  // namespace

std::vector<Finding> findings_of(const StudySubject& subject, const std::vector<StudiedCheckpoint>& checkpoints) {
  const StudiedCheckpoint& last = checkpoints.back();
  return {steps_shrink(subject, last),           steps_turn(subject, last),   drift_dominates(subject, last),
          scales_separate(subject, checkpoints), lens_settles(subject, last), trajectory_spirals(subject, last)};
}

}  // namespace gyre
