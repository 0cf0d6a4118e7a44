#include "study/dynamics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "engine/probabilities.hpp"
#include "study/principal_plane.hpp"
#include "study/statistics.hpp"

namespace gyre {
namespace {

constexpr std::size_t kLensRows = 32;  ///< positions decoded at once, so that large vocabularies fit in memory
constexpr double kTiny = std::numeric_limits<float>::min();

/// States of one group for one window: [loop 0 … K][n · hidden].
using GroupStates = std::vector<std::vector<float>>;

double norm(std::span<const float> x) { return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0)); }

std::span<const float> row(const std::vector<float>& states, std::size_t t, std::size_t hidden) {
  return std::span(states).subspan(t * hidden, hidden);
}

/// Steps of one token through a group: norms and turns.
void measure_steps(const GroupStates& states, std::size_t t, std::size_t hidden, GroupMeasures& measures) {
  std::vector<float> previous(hidden, 0.0F);
  std::vector<float> step(hidden);
  for (std::size_t k = 1; k < states.size(); ++k) {
    const auto now = row(states[k], t, hidden);
    const auto before = row(states[k - 1], t, hidden);
    double along = 0;
    double second = 0;
    for (std::size_t i = 0; i < hidden; ++i) {
      step[i] = now[i] - before[i];
      along += static_cast<double>(step[i]) * static_cast<double>(previous[i]);
      second += std::pow(static_cast<double>(step[i] - previous[i]), 2);
    }
    LoopMeasures& loop = measures.loops[k - 1];
    const double length = norm(step);
    loop.step.push_back(length);
    loop.relative_step.push_back(length / (norm(now) + kTiny));
    if (k > 1) {
      const double previous_length = norm(previous);
      loop.cosine.push_back(along / (length * previous_length + kTiny));
      loop.acceleration.push_back(std::sqrt(second));
      loop.normalised_acceleration.push_back(std::sqrt(second) / (length + previous_length + kTiny));
    }
    std::swap(step, previous);
  }
}

/// What the head reads from the states of positions begin … begin + n - 1 after each loop.
class Lens {
 public:
  Lens(Engine& engine, std::size_t hidden) : engine_(engine), hidden_(hidden) {}

  void measure(const GroupStates& states, std::span<const std::int32_t> targets, GroupMeasures& measures) {
    for (std::size_t begin = 0; begin < targets.size(); begin += kLensRows) {
      const std::size_t n = std::min(kLensRows, targets.size() - begin);
      const std::vector<float> last = decode(states.back(), begin, n);
      std::vector<std::size_t> likeliest;
      for (std::size_t k = 1; k < states.size(); ++k) {
        const std::vector<float> now = decode(states[k], begin, n);
        const std::size_t vocabulary = now.size() / n;
        LoopMeasures& loop = measures.loops[k - 1];
        std::vector<std::size_t> likeliest_now;
        for (std::size_t t = 0; t < n; ++t) {
          const auto p = std::span(now).subspan(t * vocabulary, vocabulary);
          const auto end = std::span(last).subspan(t * vocabulary, vocabulary);
          loop.lens_loss.push_back(-static_cast<double>(p[static_cast<std::size_t>(targets[begin + t])]));
          loop.lens_entropy.push_back(entropy(p));
          loop.lens_kl.push_back(kl_divergence(end, p));
          likeliest_now.push_back(static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin()));
          if (k > 1) loop.lens_flip.push_back(likeliest_now[t] == likeliest[t] ? 0 : 1);
        }
        likeliest = std::move(likeliest_now);
      }
    }
  }

 private:
  /// Log-probabilities [n, vocabulary].
  std::vector<float> decode(const std::vector<float>& states, std::size_t begin, std::size_t n) {
    const auto logits = engine_.head(std::span(states).subspan(begin * hidden_, n * hidden_));
    std::vector<float> result(logits.size());
    const std::size_t vocabulary = logits.size() / n;
    for (std::size_t t = 0; t < n; ++t) {
      log_softmax(logits.subspan(t * vocabulary, vocabulary), std::span(result).subspan(t * vocabulary, vocabulary));
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
  Sequence sequence = engine.start(options.loops, options.window, KvPolicy{}, options.seed);
  const auto out = engine.prefill(sequence, inputs, Engine::Logits::all, [&](const TracePoint& point) {
    groups[static_cast<std::size_t>(point.group)].emplace_back(point.states.begin(), point.states.end());
  });
  logits.assign(out.begin(), out.end());
  return groups;
}

void measure_drift(const std::vector<GroupStates>& groups, std::size_t g, std::size_t n, std::size_t hidden,
                   GroupMeasures& measures, std::size_t first_token) {
  if (g + 1 >= groups.size()) return;
  for (std::size_t t = 0; t < n; ++t) {
    const auto end = row(groups[g].back(), t, hidden);
    const auto next = row(groups[g + 1][1], t, hidden);
    double squares = 0;
    for (std::size_t i = 0; i < hidden; ++i) squares += std::pow(static_cast<double>(next[i] - end[i]), 2);
    double steps = 0;
    for (const LoopMeasures& loop : measures.loops) steps += loop.step[first_token + t];
    steps /= static_cast<double>(measures.loops.size());
    measures.drift_to_loop.push_back(std::sqrt(squares) / (steps + kTiny));
  }
}

Trajectory trace_trajectory(const std::vector<GroupStates>& groups, int position, std::size_t hidden) {
  Trajectory trajectory;
  trajectory.position = position;
  std::vector<float> points;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t k = 0; k < groups[g].size(); ++k) {
      const auto state = row(groups[g][k], static_cast<std::size_t>(position), hidden);
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

double sum_of_losses(std::span<const float> logits, std::span<const std::int32_t> targets) {
  const std::size_t vocabulary = logits.size() / targets.size();
  std::vector<float> log_probabilities(vocabulary);
  double sum = 0;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    log_softmax(logits.subspan(t * vocabulary, vocabulary), log_probabilities);
    sum -= static_cast<double>(log_probabilities[static_cast<std::size_t>(targets[t])]);
  }
  return sum;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return {mean, quantile(values, 0.1), quantile(values, 0.5), quantile(values, 0.9)};
}

Dynamics measure_dynamics(const Model& model, std::span<const std::int32_t> tokens, const DynamicsOptions& options,
                          const std::function<void(std::int64_t tokens)>& progress) {
  if (tokens.size() < 2) throw Error("--text: {} tokens leave nothing to predict; give at least 2", tokens.size());
  require_in_vocabulary(tokens, model.spec());
  Engine engine(model, options.threads);
  const auto hidden = static_cast<std::size_t>(model.spec().hidden_size);
  Lens lens(engine, hidden);
  Dynamics dynamics;
  for (const int group : model.spec().looped_groups()) {
    dynamics.groups.push_back({group, {}, {}});
    dynamics.groups.back().loops.resize(static_cast<std::size_t>(options.loops[static_cast<std::size_t>(group)]));
  }
  const auto window = static_cast<std::size_t>(options.window);
  for (std::size_t begin = 0; begin + 1 < tokens.size(); begin += window) {
    require_not_interrupted();
    const std::size_t n = std::min(window, tokens.size() - 1 - begin);
    const auto targets = tokens.subspan(begin + 1, n);
    std::vector<float> logits;
    const std::vector<GroupStates> states = states_of_window(engine, tokens.subspan(begin, n), options, logits);
    dynamics.cross_entropy += sum_of_losses(logits, targets);
    for (GroupMeasures& measures : dynamics.groups) {
      const auto g = static_cast<std::size_t>(measures.group);
      for (std::size_t t = 0; t < n; ++t) measure_steps(states[g], t, hidden, measures);
      measure_drift(states, g, n, hidden, measures, begin);
      lens.measure(states[g], targets, measures);
    }
    for (const int position : options.trajectory_positions) {
      if (begin == 0 && static_cast<std::size_t>(position) < n) {
        dynamics.trajectories.push_back(trace_trajectory(states, position, hidden));
      }
    }
    dynamics.tokens += static_cast<std::int64_t>(n);
    if (progress) progress(dynamics.tokens);
  }
  dynamics.cross_entropy /= static_cast<double>(dynamics.tokens);
  return dynamics;
}

}  // namespace gyre
