#include "study/dynamics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/enum_name.hpp"
#include "base/random.hpp"
#include "engine/probabilities.hpp"
#include "study/measures/steps.hpp"
#include "study/measures/undefined.hpp"
#include "study/principal_plane.hpp"
#include "study/scores.hpp"
#include "study/turning.hpp"
#include "study/window_states.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

constexpr std::size_t kLensRows = 32;  ///< positions decoded at once, so that large vocabularies fit in memory
constexpr double kTiny = std::numeric_limits<float>::min();
constexpr std::size_t kTurnSample = 512;  ///< tokens at most whose paths are held against random ones

constexpr std::size_t kSampledStates = 1024;  ///< of the measures of all states together

constexpr EnumName<Measures> kMeasures[] = {{Measures::basic, "basic"}, {Measures::all, "all"}};

/// What the head reads from the states after each loop.
class Lens {
 public:
  Lens(Engine& engine, std::size_t hidden) : engine_(engine), hidden_(hidden) {}

  /// Of the scored positions of a window; `answers` are the model's own argmaxes there.
  void measure(const GroupStates& states, const Window& window, std::span<const std::size_t> answers,
               GroupMeasures& measures) {
    const std::size_t end = window.inputs().size();
    for (std::size_t begin = window.first; begin < end; begin += kLensRows) {
      measure_rows(states, window, begin, std::min(kLensRows, end - begin), answers, measures);
    }
  }

 private:
  void measure_rows(const GroupStates& states, const Window& window, std::size_t begin, std::size_t n,
                    std::span<const std::size_t> answers, GroupMeasures& measures) {
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
        loop.lens_differs.push_back(choices[t] == answers[begin + t - window.first] ? 0 : 1);
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
    for (const std::vector<float>& loop : states) path.push_back(state_row(loop, t, hidden));
    add_turns(path, number, combine_seeds(number, static_cast<std::uint64_t>(measures.group)), measures);
  }
}

/// The steps of a window's scored positions, and their drift into the next group.
void measure_steps(const std::vector<GroupStates>& groups, const Window& window, std::size_t hidden,
                   GroupMeasures& measures) {
  const auto g = static_cast<std::size_t>(measures.group);
  for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
    std::vector<std::span<const float>> path;
    for (const std::vector<float>& states : groups[g]) path.push_back(state_row(states, t, hidden));
    add_steps(path, measures.loops);
    if (g + 1 == groups.size()) continue;
    std::vector<double> steps;
    for (const LoopMeasures& loop : measures.loops) steps.push_back(loop.step.back());
    measures.drift_to_loop.push_back(drift_ratio(path.back(), state_row(groups[g + 1][1], t, hidden), steps));
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
      const auto state = state_row(groups[g][k], t, hidden);
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

/// What the model says at full depth at the scored positions: its losses, and its argmaxes.
std::vector<std::size_t> measure_answers(std::span<const float> logits, const Window& window, Dynamics& dynamics) {
  const std::size_t vocabulary = logits.size() / window.inputs().size();
  std::vector<float> log_p(vocabulary);
  std::vector<std::size_t> answers;
  for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
    log_probabilities(logits.subspan(t * vocabulary, vocabulary), log_p, window.place_of_target(t));
    const double loss = -static_cast<double>(log_p[static_cast<std::size_t>(window.targets()[t])]);
    dynamics.losses.push_back(loss);
    dynamics.cross_entropy += loss;
    answers.push_back(likeliest(log_p));
  }
  return answers;
}

ProbeRun probe_run(const DynamicsOptions& options) {
  return {options.loops, options.window, options.kv_policy, options.start, options.test_noise, options.seed};
}

/// 90 % of what rounding alone does lies below it.
std::vector<double> floors_of(const GroupProbes& probes) {
  std::vector<double> floors;
  for (const ByWindow& loop : probes.floor) {
    std::vector<double> all;
    for (const std::vector<double>& window : loop) all.insert(all.end(), window.begin(), window.end());
    std::erase_if(all, [](double value) { return !std::isfinite(value); });
    floors.push_back(quantile(all, 0.9));
  }
  return floors;
}

Dynamics begin_dynamics(const Model& model, const DynamicsOptions& options) {
  Dynamics dynamics;
  for (const int group : model.spec().looped_groups()) {
    dynamics.groups.push_back({.group = group, .loops = {}, .turns = {}, .drift_to_loop = {}});
    dynamics.groups.back().loops.resize(static_cast<std::size_t>(options.loops[static_cast<std::size_t>(group)]));
  }
  return dynamics;
}

/// What no single pass of a token tells.
void measure_more(Engine& engine, std::span<const Window> windows, const StateSample& sample,
                  const DynamicsOptions& options, Dynamics& dynamics) {
  dynamics.geometry = geometry_of(sample);
  if (runs_token_by_token(options)) return;
  dynamics.probes = probe(engine, windows, probe_run(options));
  for (std::size_t i = 0; i < dynamics.groups.size(); ++i) {
    leave_out_rounding(dynamics.groups[i].loops, floors_of(dynamics.probes->groups[i]));
  }
}

}  // namespace

Measures parse_measures(const std::string& text, const std::string& flag) {
  return parse_enum<Measures>(kMeasures, text, flag, "set of measures");
}

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
    const double size = length(step);
    loop.step.push_back(size);
    loop.relative_step.push_back(size / (length(states[k]) + kTiny));
    if (k > 1) {
      const double before = length(previous);
      loop.cosine.push_back(size > 0 && before > 0 ? along / (size * before) : kUndefined);
      loop.acceleration.push_back(std::sqrt(second));
      loop.normalised_acceleration.push_back(std::sqrt(second) / (size + before + kTiny));
      loop.contraction.push_back(contraction_ratio(size, before));
      loop.curvature.push_back(curvature(loop.cosine.back(), size, before));
    }
    std::swap(step, previous);
  }
}

void leave_out_rounding(std::span<LoopMeasures> loops, std::span<const double> floor) {
  if (floor.empty() || loops.empty()) return;
  for (std::size_t t = 0; t < loops.front().relative_step.size(); ++t) {
    bool before = false;
    for (std::size_t k = 0; k < loops.size(); ++k) {
      const bool below = loops[k].relative_step[t] < floor[k];
      loops[k].below_floor += below ? 1 : 0;
      if (k > 0 && (below || before)) {
        loops[k].cosine[t] = loops[k].contraction[t] = loops[k].curvature[t] = kUndefined;
      }
      before = below;
    }
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
  Dynamics dynamics = begin_dynamics(model, options);
  std::size_t scored = 0;
  for (const Window& window : windows) scored += window.scored();
  const std::size_t stride = (scored + kTurnSample - 1) / kTurnSample;
  StateSample sample(model.spec(), options.loops, scored, kSampledStates);
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const Window& window = windows[w];
    options.stop.check();
    Sequence sequence = engine.start(options.loops, options.window, options.kv_policy, options.seed, options.start);
    sequence.test_noise = options.test_noise;
    const WindowPass pass = run_window(engine, sequence, window.inputs(), runs_token_by_token(options));
    const std::vector<std::size_t> answers = measure_answers(pass.logits, window, dynamics);
    for (GroupMeasures& measures : dynamics.groups) {
      measure_steps(pass.groups, window, hidden, measures);
      measure_turns(pass.groups, window, hidden, dynamics.inputs.size(), stride, measures);
      lens.measure(pass.groups[static_cast<std::size_t>(measures.group)], window, answers, measures);
    }
    if (options.measures == Measures::all) sample.add(pass.groups, window);
    for (const int position : options.trajectory_positions) {
      if (dynamics.tokens == 0 && static_cast<std::size_t>(position) < window.scored()) {
        dynamics.trajectories.push_back(trace_trajectory(pass.groups, window, position, hidden));
      }
    }
    const auto measured = window.inputs().subspan(window.first);
    dynamics.inputs.insert(dynamics.inputs.end(), measured.begin(), measured.end());
    dynamics.windows.insert(dynamics.windows.end(), measured.size(), w);
    dynamics.tokens += static_cast<std::int64_t>(measured.size());
    if (progress) progress(dynamics.tokens);
  }
  dynamics.cross_entropy /= static_cast<double>(dynamics.tokens);
  if (options.measures == Measures::all) measure_more(engine, windows, sample, options, dynamics);
  return dynamics;
}

}  // namespace gyre
