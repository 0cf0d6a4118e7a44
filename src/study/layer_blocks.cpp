#include "study/layer_blocks.hpp"

#include <numeric>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "study/geometry.hpp"
#include "study/jobs.hpp"
#include "study/measures/similarity.hpp"
#include "study/measures/steps.hpp"

namespace gyre {
namespace {

/// Layers in the order in which they run, each so many times.
struct LayerRun {
  std::size_t layer = 0;
  int times = 1;
};

std::vector<LayerRun> runs_of(std::span<const Segment> blocks, bool once) {
  std::vector<LayerRun> runs;
  for (const Segment& block : blocks) {
    runs.push_back({block.representative, once ? 1 : static_cast<int>(block.last - block.first + 1)});
  }
  return runs;
}

std::vector<LayerRun> all_layers(const ModelSpec& cut) {
  std::vector<LayerRun> runs;
  for (std::size_t l = 0; l < cut.groups.size(); ++l) runs.push_back({l, 1});
  return runs;
}

/// Logits of a window whose tokens pass by the layers that are not there.
std::span<const float> run_window_by(Engine& engine, std::span<const std::int32_t> inputs,
                                     std::span<const LayerRun> runs, const EvaluationOptions& options) {
  std::vector<int> loops(engine.model().spec().groups.size(), 1);
  for (const LayerRun& run : runs) loops[run.layer] = run.times;
  Sequence sequence = engine.start(loops, options.window, options.kv_policy, options.seed, options.start);
  std::vector<Flight> flights = engine.flights_of(sequence, inputs);
  std::vector<Flight*> here;
  for (Flight& flight : flights) {
    engine.stack().board(flight);
    here.push_back(&flight);
  }
  for (const LayerRun& run : runs) {
    for (Flight& flight : flights) flight.group = run.layer;
    while (flights.front().group == run.layer) {
      engine.stop().check();
      engine.stack().run(run.layer, here);
    }
  }
  return engine.logits_of(here);
}

/// Sums over the scored positions of each window.
struct WindowLosses {
  std::vector<double> losses;
  std::vector<double> tokens;
};

WindowLosses window_losses(const Model& model, std::span<const Window> windows, std::span<const LayerRun> runs,
                           const EvaluationOptions& options, const ProgressSink& progress, JobCount jobs) {
  WindowLosses sums{std::vector<double>(windows.size()), std::vector<double>(windows.size())};
  const auto job = [&](Engine& engine, std::size_t w) {
    const Window& window = windows[w];
    const std::span<const float> logits = run_window_by(engine, window.inputs(), runs, options);
    const std::size_t vocabulary = logits.size() / window.inputs().size();
    std::vector<float> log_p(vocabulary);
    for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
      log_probabilities(logits.subspan(t * vocabulary, vocabulary), log_p, window.place_of_target(t));
      sums.losses[w] -= static_cast<double>(log_p[static_cast<std::size_t>(window.targets()[t])]);
      sums.tokens[w] += 1;
    }
  };
  run_jobs(model, windows.size(), options.threads, options.stop, job, progress, jobs);
  return sums;
}

double mean_cosine(std::span<const float> a, std::span<const float> b, std::size_t hidden) {
  double sum = 0;
  std::size_t tokens = 0;
  for (std::size_t at = 0; at < a.size(); at += hidden) {
    double along = 0;
    for (std::size_t c = at; c < at + hidden; ++c) along += static_cast<double>(a[c]) * static_cast<double>(b[c]);
    const double sizes = length(a.subspan(at, hidden)) * length(b.subspan(at, hidden));
    if (!(sizes > 0)) continue;
    sum += along / sizes;
    ++tokens;
  }
  return sum / static_cast<double>(tokens);
}

}  // namespace

void cut_layers(Model& model) {
  std::vector<LayerLoop> runs;
  int layer = 0;
  for (const Group& group : model.spec().groups) {
    if (group.looped() || !group.order.empty() || !group.skips.empty() || group.fast.there()) {
      throw Error("the layers of group \"{}\" loop already, or have an order of their own; study the model itself",
                  group.name);
    }
    if (keeps_state(group) || group.injection != Injection::none || group.first_state != FirstState::carried ||
        group.loop_norm || group.exit_norm || group.exit_linear) {
      throw Error("group \"{}\" does more than run its layers; blocks of them would do less", group.name);
    }
    for (int i = 0; i < group.layers; ++i, ++layer) runs.push_back({layer, layer, 1});
  }
  model.loop_layers(runs, 1.0F, "blocks");
}

LayerSimilarity layer_similarity(const Model& cut, const MeasuredText& text, const EvaluationOptions& options,
                                 std::size_t most) {
  const std::vector<Window> windows = cut_windows(text, cut.spec(), {options.window, options.score_from});
  const std::vector<int> loops = cut.spec().default_loops();
  std::size_t scored = 0;
  for (const Window& window : windows) scored += window.scored();
  StateSample sample(cut.spec(), loops, scored, most);
  Engine engine(cut, options.threads, options.stop);
  for (const Window& window : windows) {
    options.stop.check();
    Sequence sequence = engine.start(loops, options.window, options.kv_policy, options.seed, options.start);
    sample.add(run_window(engine, sequence, window.inputs(), false).groups, window);
  }
  const std::size_t layers = sample.groups();
  std::vector<PointProducts> products;
  for (std::size_t l = 0; l < layers; ++l) {
    products.push_back(point_products(sample.states(l).back(), sample.hidden()));
  }
  LayerSimilarity similarity{{}, {}, sample.points()};
  similarity.cka.assign(layers, std::vector<double>(layers));
  similarity.cosine = similarity.cka;
  for (std::size_t i = 0; i < layers; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      similarity.cka[i][j] = similarity.cka[j][i] = linear_cka(products[i], products[j]);
      similarity.cosine[i][j] = similarity.cosine[j][i] =
          mean_cosine(sample.states(i).back(), sample.states(j).back(), sample.hidden());
    }
  }
  return similarity;
}

BlockStudy measure_blocks(const Model& cut, const MeasuredText& text, const std::vector<std::vector<Segment>>& cuts,
                          const EvaluationOptions& options, const ProgressSink& progress, const BlockTrainer& trainer) {
  const std::vector<Window> windows = cut_windows(text, cut.spec(), {options.window, options.score_from});
  const auto each = static_cast<std::int64_t>(windows.size());
  JobCount jobs{0, each * static_cast<std::int64_t>(1 + 2 * cuts.size())};
  const Bootstrap bootstrap(windows.size());
  const WindowLosses own = window_losses(cut, windows, all_layers(cut.spec()), options, progress, jobs);
  BlockStudy study;
  study.loss = bootstrap.ratio(own.losses, own.tokens);
  study.tokens = static_cast<std::int64_t>(std::accumulate(own.tokens.begin(), own.tokens.end(), 0.0));
  for (const std::vector<Segment>& blocks : cuts) {
    BlockCut result{blocks, {}, {}, {}, {}, {}};
    std::vector<double> tied;
    for (const bool once : {false, true}) {
      jobs.done_before += each;
      const WindowLosses sums = window_losses(cut, windows, runs_of(blocks, once), options, progress, jobs);
      (once ? result.once_loss : result.loss) = bootstrap.ratio(sums.losses, sums.tokens);
      (once ? result.once_difference : result.difference) = bootstrap.difference(sums.losses, own.losses, own.tokens);
      if (!once) tied = sums.losses;
    }
    if (trainer && blocks.size() < cut.spec().groups.size()) {
      const std::vector<double> losses = trainer(blocks, windows);
      result.trained = {bootstrap.ratio(losses, own.tokens), bootstrap.difference(losses, own.losses, own.tokens),
                        bootstrap.difference(losses, tied, own.tokens)};
    }
    study.cuts.push_back(std::move(result));
  }
  return study;
}

}  // namespace gyre
