#include "study/dynamics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.hpp"
#include "engine/probabilities.hpp"
#include "study/principal_plane.hpp"
#include "study/scores.hpp"
#include "study/turning.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

constexpr std::size_t kLensRows = 32;  ///< positions decoded at once, so that large vocabularies fit in memory
constexpr double kTiny = std::numeric_limits<float>::min();
constexpr std::size_t kTurnSample = 512;  ///< tokens at most whose paths are held against random ones
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// States of one group for one window: [loop 0 … K][n · hidden].
using GroupStates = std::vector<std::vector<float>>;

double norm(std::span<const float> x) { return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0)); }

std::span<const float> row(const std::vector<float>& states, std::size_t t, std::size_t hidden) {
  return std::span(states).subspan(t * hidden, hidden);
}

/// What the head reads from the states after each loop.
class Lens {
 public:
  Lens(Engine& engine, std::size_t hidden) : engine_(engine), hidden_(hidden) {}

  /// Of the scored positions of a window.
  void measure(const GroupStates& states, const Window& window, GroupMeasures& measures) {
    const std::size_t end = window.inputs().size();
    for (std::size_t begin = window.first; begin < end; begin += kLensRows) {
      measure_rows(states, window, begin, std::min(kLensRows, end - begin), measures);
    }
  }

 private:
  void measure_rows(const GroupStates& states, const Window& window, std::size_t begin, std::size_t n,
                    GroupMeasures& measures) {
    const std::vector<float> last = decode(states.back(), window, begin, n);
    const std::size_t vocabulary = last.size() / n;
    std::vector<std::size_t> before;
    for (std::size_t k = 1; k < states.size(); ++k) {
      const std::vector<float> now = decode(states[k], window, begin, n);
      LoopMeasures& loop = measures.loops[k - 1];
      std::vector<std::size_t> choices;
      for (std::size_t t = 0; t < n; ++t) {
        const auto p = std::span(now).subspan(t * vocabulary, vocabulary);
        const auto final = std::span(last).subspan(t * vocabulary, vocabulary);
        loop.lens_loss.push_back(-static_cast<double>(p[static_cast<std::size_t>(window.targets()[begin + t])]));
        loop.lens_entropy.push_back(entropy(p));
        loop.lens_kl.push_back(kl_divergence(final, p));
        choices.push_back(likeliest(p));
        if (k > 1) loop.lens_flip.push_back(choices[t] == before[t] ? 0 : 1);
      }
      before = std::move(choices);
    }
  }

  /// Log-probabilities [n, vocabulary].
  std::vector<float> decode(const std::vector<float>& states, const Window& window, std::size_t begin, std::size_t n) {
    const auto logits = engine_.head(std::span(states).subspan(begin * hidden_, n * hidden_));
    std::vector<float> result(logits.size());
    const std::size_t vocabulary = logits.size() / n;
    for (std::size_t t = 0; t < n; ++t) {
      log_probabilities(logits.subspan(t * vocabulary, vocabulary),
                        std::span(result).subspan(t * vocabulary, vocabulary), window.place_of_target(begin + t));
    }
    return result;
  }

  Engine& engine_;
  std::size_t hidden_;
};

/// One window's pass: keeps the states of all groups.
std::vector<GroupStates> states_of_window(Engine& engine, std::span<const std::int32_t> inputs,
                                          const DynamicsOptions& options, std::vector<float>& logits) {
  std::vector<GroupStates> groups(options.loops.size());
  for (std::size_t g = 0; g < groups.size(); ++g) groups[g].resize(static_cast<std::size_t>(options.loops[g]) + 1);
  Sequence sequence = engine.start(options.loops, options.window, options.kv_policy, options.seed, options.start);
  sequence.test_noise = options.test_noise;
  const auto keep = [&](const TracePoint& point) {
    std::vector<float>& states = groups[static_cast<std::size_t>(point.group)][static_cast<std::size_t>(point.loop)];
    states.insert(states.end(), point.states.begin(), point.states.end());
  };
  const std::size_t together = runs_token_by_token(options) ? 1 : inputs.size();
  for (std::size_t begin = 0; begin < inputs.size(); begin += together) {
    const auto out = engine.prefill(sequence, inputs.subspan(begin, together), Engine::Logits::all, keep);
    logits.insert(logits.end(), out.begin(), out.end());
  }
  return groups;
}

/// Of the path of the token that is `number` of all those measured.
void add_turns(std::span<const std::span<const float>> path, std::size_t number, std::uint64_t seed,
               GroupMeasures& measures) {
  TurnMeasures& turns = measures.turns;
  const Turning turning = turning_of(path.subspan(1));
  std::vector<double> lengths;
  std::vector<double> cosines;
  for (std::size_t k = 1; k < measures.loops.size(); ++k) {
    lengths.push_back(measures.loops[k].step[number]);
    if (k > 1) cosines.push_back(measures.loops[k].cosine[number]);
  }
  RandomPaths random{RandomPaths::Directions::uniform, path.front().size(), seed};
  const bool turns_at_all = std::isfinite(turning.share());
  turns.share.push_back(turning.share());
  turns.winding.push_back(turns_at_all ? std::abs(turning.winding) : kUndefined);
  turns.random_share.push_back(turns_at_all ? random_share(lengths, cosines, random) : kUndefined);
  random.directions = RandomPaths::Directions::same_angles;
  turns.smooth_share.push_back(turns_at_all ? random_share(lengths, cosines, random) : kUndefined);
}

/// How the paths of every `stride`-th of all scored positions turn, of which the window's first is number `first`.
void measure_turns(const std::vector<GroupStates>& groups, const Window& window, std::size_t hidden, std::size_t first,
                   std::size_t stride, GroupMeasures& measures) {
  const GroupStates& states = groups[static_cast<std::size_t>(measures.group)];
  for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
    const std::size_t number = first + t - window.first;
    if (number % stride != 0) {
      for (auto* values : {&measures.turns.share, &measures.turns.random_share, &measures.turns.smooth_share,
                           &measures.turns.winding}) {
        values->push_back(kUndefined);
      }
      continue;
    }
    std::vector<std::span<const float>> path;
    for (const std::vector<float>& loop : states) path.push_back(row(loop, t, hidden));
    add_turns(path, number, combine_seeds(number, static_cast<std::uint64_t>(measures.group)), measures);
  }
}

/// The steps of a window's scored positions, and their drift into the next group.
void measure_steps(const std::vector<GroupStates>& groups, const Window& window, std::size_t hidden,
                   GroupMeasures& measures) {
  const auto g = static_cast<std::size_t>(measures.group);
  for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
    std::vector<std::span<const float>> path;
    for (const std::vector<float>& states : groups[g]) path.push_back(row(states, t, hidden));
    add_steps(path, measures.loops);
    if (g + 1 == groups.size()) continue;
    std::vector<double> steps;
    for (const LoopMeasures& loop : measures.loops) steps.push_back(loop.step.back());
    measures.drift_to_loop.push_back(drift_ratio(path.back(), row(groups[g + 1][1], t, hidden), steps));
  }
}

Trajectory trace_trajectory(const std::vector<GroupStates>& groups, const Window& window, int position,
                            std::size_t hidden) {
  Trajectory trajectory;
  trajectory.position = position;
  std::vector<float> points;
  const std::size_t t = window.first + static_cast<std::size_t>(position);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t k = 0; k < groups[g].size(); ++k) {
      const auto state = row(groups[g][k], t, hidden);
      points.insert(points.end(), state.begin(), state.end());
      trajectory.points.push_back({static_cast<int>(g), static_cast<int>(k), 0, 0});
    }
  }
  const PrincipalPlane plane = principal_plane(points, hidden);
  for (std::size_t i = 0; i < trajectory.points.size(); ++i) {
    trajectory.points[i].x = plane.x[i];
    trajectory.points[i].y = plane.y[i];
  }
  trajectory.explained_first = plane.explained_first;
  trajectory.explained_second = plane.explained_second;
  return trajectory;
}

double sum_of_losses(std::span<const float> logits, const Window& window) {
  const std::size_t vocabulary = logits.size() / window.inputs().size();
  std::vector<float> log_p(vocabulary);
  ScoreSums sums;
  for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
    log_probabilities(logits.subspan(t * vocabulary, vocabulary), log_p, window.place_of_target(t));
    sums.add(window.targets()[t], log_p);
  }
  return sums.cross_entropy;
}

}  // namespace

void add_steps(std::span<const std::span<const float>> states, std::span<LoopMeasures> loops) {
  const std::size_t hidden = states.front().size();
  std::vector<float> previous(hidden, 0.0F);
  std::vector<float> step(hidden);
  for (std::size_t k = 1; k < states.size(); ++k) {
    double along = 0;
    double second = 0;
    for (std::size_t i = 0; i < hidden; ++i) {
      step[i] = states[k][i] - states[k - 1][i];
      along += static_cast<double>(step[i]) * static_cast<double>(previous[i]);
      second += std::pow(static_cast<double>(step[i] - previous[i]), 2);
    }
    LoopMeasures& loop = loops[k - 1];
    const double length = norm(step);
    loop.step.push_back(length);
    loop.relative_step.push_back(length / (norm(states[k]) + kTiny));
    if (k > 1) {
      const double previous_length = norm(previous);
      loop.cosine.push_back(length > 0 && previous_length > 0 ? along / (length * previous_length) : kUndefined);
      loop.acceleration.push_back(std::sqrt(second));
      loop.normalised_acceleration.push_back(std::sqrt(second) / (length + previous_length + kTiny));
    }
    std::swap(step, previous);
  }
}

double drift_ratio(std::span<const float> end, std::span<const float> next, std::span<const double> steps) {
  double squares = 0;
  for (std::size_t i = 0; i < end.size(); ++i) squares += std::pow(static_cast<double>(next[i] - end[i]), 2);
  const double mean = std::accumulate(steps.begin(), steps.end(), 0.0) / static_cast<double>(steps.size());
  return mean > 0 ? std::sqrt(squares) / mean : kUndefined;
}

bool runs_token_by_token(const DynamicsOptions& options) {
  return options.kv_policy.slots != KvPolicy::Slots::loop || options.start == NoiseStart::previous;
}

std::vector<int> trajectory_positions(int measured, int most) {
  std::vector<int> positions;
  for (int i = 1; i <= most; ++i) {
    const int position = (measured - 1) * i / most;
    if (positions.empty() || position != positions.back()) positions.push_back(position);
  }
  return positions;
}

Dynamics measure_dynamics(const Model& model, const MeasuredText& text, const DynamicsOptions& options,
                          const std::function<void(std::int64_t tokens)>& progress) {
  const std::vector<Window> windows = cut_windows(text, model.spec(), {options.window, 0});
  Engine engine(model, options.threads, options.stop);
  const auto hidden = static_cast<std::size_t>(model.spec().hidden_size);
  Lens lens(engine, hidden);
  Dynamics dynamics;
  for (const int group : model.spec().looped_groups()) {
    dynamics.groups.push_back({.group = group, .loops = {}, .turns = {}, .drift_to_loop = {}});
    dynamics.groups.back().loops.resize(static_cast<std::size_t>(options.loops[static_cast<std::size_t>(group)]));
  }
  std::size_t scored = 0;
  for (const Window& window : windows) scored += window.scored();
  const std::size_t stride = (scored + kTurnSample - 1) / kTurnSample;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const Window& window = windows[w];
    options.stop.check();
    std::vector<float> logits;
    const std::vector<GroupStates> states = states_of_window(engine, window.inputs(), options, logits);
    dynamics.cross_entropy += sum_of_losses(logits, window);
    for (GroupMeasures& measures : dynamics.groups) {
      measure_steps(states, window, hidden, measures);
      measure_turns(states, window, hidden, dynamics.inputs.size(), stride, measures);
      lens.measure(states[static_cast<std::size_t>(measures.group)], window, measures);
    }
    for (const int position : options.trajectory_positions) {
      if (dynamics.tokens == 0 && static_cast<std::size_t>(position) < window.scored()) {
        dynamics.trajectories.push_back(trace_trajectory(states, window, position, hidden));
      }
    }
    const auto measured = window.inputs().subspan(window.first);
    dynamics.inputs.insert(dynamics.inputs.end(), measured.begin(), measured.end());
    dynamics.windows.insert(dynamics.windows.end(), measured.size(), w);
    dynamics.tokens += static_cast<std::int64_t>(measured.size());
    if (progress) progress(dynamics.tokens);
  }
  dynamics.cross_entropy /= static_cast<double>(dynamics.tokens);
  return dynamics;
}

}  // namespace gyre
