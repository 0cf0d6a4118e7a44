#include "study/exits/exit_training.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "study/exits/exit_fit.hpp"
#include "study/held_out.hpp"

namespace gyre {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

using Documents = std::set<std::size_t>;

/// A share of documents, those of least priority; at least `least` of them, and as many are left.
Documents some_of(const Documents& all, double share, std::size_t least, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (const std::size_t document : all) order.emplace_back(combine_seeds(seed, document), document);
  std::sort(order.begin(), order.end());
  const auto wanted = static_cast<std::size_t>(std::llround(share * static_cast<double>(all.size())));
  order.resize(std::clamp(wanted, least, all.size() - least));
  Documents some;
  for (const auto& [priority, document] : order) some.insert(document);
  return some;
}

/// The features of one group's loops: x / rms(x), and the relative step.
void add_rows(const ExitPath& path, std::size_t hidden, FitRows& rows) {
  for (std::size_t k = 0; k < path.state_norms.size(); ++k) {
    const float norm = path.state_norms[k];
    const float scale = norm > 0 ? std::sqrt(static_cast<float>(hidden)) / norm : 0.0F;
    for (std::size_t c = 0; c < hidden; ++c) rows.numbers.push_back(path.states[k * hidden + c] * scale);
    rows.numbers.push_back(norm > 0 ? path.step_norms[k] / norm : 0.0F);
    rows.class_of.push_back(k);
  }
}

/// Rows of one group, and what the head is to say of them.
struct Lesson {
  FitRows rows;
  std::vector<double> targets;
};

Lesson lesson_of(const ExitSamples& samples, std::size_t group, const Documents& documents,
                 const HeadTraining& training) {
  Lesson lesson{{samples.hidden + 1, samples.tokens.front().groups[group].state_norms.size(), {}, {}}, {}};
  for (const ExitToken& token : samples.tokens) {
    if (!documents.contains(token.document)) continue;
    const ExitPath& path = token.groups[group];
    add_rows(path, samples.hidden, lesson.rows);
    for (std::size_t k = 1; k < path.losses.size(); ++k) lesson.targets.push_back(head_target(training, path, k));
  }
  return lesson;
}

GroupHead head_of(const LinearFit& fit, int group) {
  GroupHead head;
  head.group = group;
  for (const double weight : fit.weights) head.state.push_back(static_cast<float>(weight));
  head.relative_step = head.state.back();
  head.state.pop_back();
  for (const double constant : fit.constants) head.loops.push_back(static_cast<float>(constant));
  return head;
}

/// Means of the targets of every loop, and of all.
struct Means {
  std::vector<double> of_loop;
  double of_all = 0;
};

Means means_of(const FitRows& rows, std::span<const double> targets) {
  Means means;
  std::vector<double> counts(rows.classes);
  means.of_loop.resize(rows.classes);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    means.of_loop[rows.class_of[i]] += targets[i];
    counts[rows.class_of[i]] += 1;
    means.of_all += targets[i] / static_cast<double>(targets.size());
  }
  for (std::size_t k = 0; k < counts.size(); ++k) means.of_loop[k] /= counts[k];
  return means;
}

/// What the head and the loop number say of the rows of documents that nothing was learned of.
std::vector<HeldOutRow> try_out(const ExitSamples& samples, const Documents& held_out, std::size_t group,
                                const GroupHead& head, const Means& means, const HeadTraining& training) {
  const bool gate = training.kind == HeadKind::gate;
  std::vector<HeldOutRow> rows;
  for (const ExitToken& token : samples.tokens) {
    if (!held_out.contains(token.document)) continue;
    const ExitPath& path = token.groups[group];
    for (std::size_t k = 1; k < path.losses.size(); ++k) {
      HeldOutRow row;
      row.document = token.document;
      const auto state = std::span(path.states).subspan((k - 1) * samples.hidden, samples.hidden);
      const double score = head.score(state, path.state_norms[k - 1], path.step_norms[k - 1], static_cast<int>(k));
      row.target = head_target(training, path, k);
      row.predicted = gate ? sigmoid(score) : score;
      row.by_loop = means.of_loop[k - 1];
      row.constant = means.of_all;
      row.gains = path.losses[k - 1] - (gate ? path.losses[k] : path.losses.back()) > training.gain;
      rows.push_back(row);
    }
  }
  return rows;
}

GroupHead fit_head(const Lesson& lesson, const HeadTraining& training, double penalty, int group) {
  const bool gate = training.kind == HeadKind::gate;
  return head_of(
      gate ? fit_logistic(lesson.rows, lesson.targets, penalty) : fit_ridge(lesson.rows, lesson.targets, penalty),
      group);
}

/// The penalty under which a head of the other documents errs least on a quarter of them.
double best_penalty(const ExitSamples& samples, std::size_t group, const Documents& documents,
                    const HeadTraining& training) {
  constexpr double kShare = 0.25;
  const Documents tried = some_of(documents, kShare, 1, combine_seeds(training.seed, 1));
  Documents others;
  std::set_difference(documents.begin(), documents.end(), tried.begin(), tried.end(),
                      std::inserter(others, others.end()));
  const Lesson lesson = lesson_of(samples, group, others, training);
  const Means means = means_of(lesson.rows, lesson.targets);
  double best = kPenalties.front();
  double least = std::numeric_limits<double>::infinity();
  for (const double penalty : kPenalties) {
    const GroupHead head = fit_head(lesson, training, penalty, samples.groups[group]);
    const double error = error_of(try_out(samples, tried, group, head, means, training), training.kind);
    if (!(error < least)) continue;
    least = error;
    best = penalty;
  }
  return best;
}

}  // namespace

double head_target(const HeadTraining& training, const ExitPath& path, std::size_t k) {
  const double now = path.losses[k - 1];
  if (training.kind == HeadKind::drop) return now - path.losses.back();
  return 1 - sigmoid(training.slope * (std::max(0.0, now - path.losses[k]) - training.gain));
}

TrainedHead train_head(const ExitSamples& samples, const HeadTraining& training) {
  Documents all;
  for (const ExitToken& token : samples.tokens) all.insert(token.document);
  constexpr std::size_t kLeast = 2;  // of each part: what is known of one document has no interval
  if (all.size() < 2 * kLeast) {
    throw Error("{} documents are too few to learn of some and try the others; give {} or more", all.size(),
                2 * kLeast);
  }
  const Documents held_out = some_of(all, training.held_out, kLeast, training.seed);
  Documents learned;
  std::set_difference(all.begin(), all.end(), held_out.begin(), held_out.end(), std::inserter(learned, learned.end()));
  TrainedHead result;
  result.documents = all.size();
  result.held_out_documents = held_out.size();
  for (const ExitToken& token : samples.tokens) {
    (held_out.contains(token.document) ? result.held_out_tokens : result.tokens) += 1;
  }
  for (std::size_t g = 0; g < samples.groups.size(); ++g) {
    const double penalty = training.penalty ? *training.penalty : best_penalty(samples, g, learned, training);
    const Lesson lesson = lesson_of(samples, g, learned, training);
    result.penalties.push_back(penalty);
    result.groups.push_back(fit_head(lesson, training, penalty, samples.groups[g]));
    const Means means = means_of(lesson.rows, lesson.targets);
    const std::vector<HeldOutRow> tried = try_out(samples, held_out, g, result.groups.back(), means, training);
    result.held_out.push_back(held_out_group(tried, training.kind, samples.groups[g]));
  }
  return result;
}

}  // namespace gyre
