#include "study/exits/exit_times.hpp"

#include <algorithm>

#include "study/stopwatch.hpp"

namespace gyre {
namespace {

/// Milliseconds a token of the first `count` positions of a window, behind one that warms up.
double time_stretch(Engine& engine, const Window& window, std::size_t count, BoundedExit* exit,
                    const EvaluationOptions& options) {
  Sequence sequence = start_sequence(engine, options);
  TokenDepth depth;
  double milliseconds = 0;
  for (std::size_t t = 0; t < count; ++t) {
    options.stop.check();
    const Stopwatch watch;
    engine.decode(sequence, window.inputs()[t], exit, depth);
    if (t > 0) milliseconds += watch.milliseconds();
  }
  return milliseconds / static_cast<double>(count - 1);
}

}  // namespace

std::vector<ExitTime> time_trials(const Model& model, const UnitText& text, std::span<const ExitTrial> trials,
                                  int tokens, const EvaluationOptions& options, const ProgressSink& progress) {
  constexpr std::size_t kStretches = 8;
  // Windows spread over the text, all long enough to say something.
  const std::size_t stretches = std::min(kStretches, text.windows.size());
  const std::size_t wanted = std::max<std::size_t>(2, static_cast<std::size_t>(tokens) / stretches);
  Engine engine(model, options.threads, options.stop);
  std::vector<std::vector<double>> times(trials.size());
  std::vector<std::vector<double>> ratios(trials.size());
  for (std::size_t s = 0; s < stretches; ++s) {
    const std::size_t w = s * text.windows.size() / stretches;
    const Window& window = text.windows[w];
    const std::size_t count = std::min(wanted, window.inputs().size());
    if (count < 2) continue;
    const double full = time_stretch(engine, window, count, nullptr, options);
    for (const std::size_t i : order_of_rules(trials.size(), s)) {
      BoundedExit exit = trials[i].exit(w);
      times[i].push_back(time_stretch(engine, window, count, &exit, options));
      ratios[i].push_back(times[i].back() / full);
    }
    if (progress) progress(static_cast<std::int64_t>(s) + 1, static_cast<std::int64_t>(stretches));
  }
  std::vector<ExitTime> medians;
  for (std::size_t i = 0; i < trials.size(); ++i) medians.push_back({median(times[i]), median(ratios[i])});
  return medians;
}

}  // namespace gyre
