#include "study/exits/exit_samples.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.hpp"
#include "base/random.hpp"
#include "study/jobs.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

/// A window of a document that was drawn.
struct DrawnWindow {
  std::size_t document = 0;
  Window window;
};

struct Drawn {
  std::vector<DrawnWindow> windows;  ///< in the order of the text
  std::int64_t text_tokens = 0;
};

/// Whole documents, those of least priority, which is a hash of the document's number: what stands before a token in
/// its document has to run anyhow.
Drawn draw_documents(const MeasuredText& text, const ModelSpec& spec, const ExitSampleOptions& options) {
  Drawn drawn;
  std::vector<std::vector<Window>> windows(text.documents.size());
  std::vector<std::size_t> order;
  for (std::size_t d = 0; d < text.documents.size(); ++d) {
    constexpr std::size_t kLeast = 2;
    if (text.documents[d].size() + text.prefix.size() < kLeast) continue;  // nothing of it is predicted
    windows[d] = cut_windows({{text.documents[d]}, text.prefix}, spec, {options.run.window, 0});
    order.push_back(d);
  }
  const auto tokens_of = [&](std::size_t d) {
    std::size_t tokens = 0;
    for (const Window& window : windows[d]) tokens += window.scored();
    return tokens;
  };
  for (const std::size_t d : order) drawn.text_tokens += static_cast<std::int64_t>(tokens_of(d));
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return combine_seeds(options.run.seed, a) < combine_seeds(options.run.seed, b);
  });
  std::size_t count = 0;
  std::size_t tokens = 0;
  while (count < order.size() && (options.tokens == 0 || tokens < options.tokens)) tokens += tokens_of(order[count++]);
  order.resize(count);
  std::sort(order.begin(), order.end());
  for (const std::size_t d : order) {
    for (Window& window : windows[d]) drawn.windows.push_back({d, std::move(window)});
  }
  return drawn;
}

float norm(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * static_cast<double>(value);
  return static_cast<float>(std::sqrt(sum));
}

class DepthTrials {
 public:
  DepthTrials(const Model& model, const ExitSampleOptions& options, std::span<const int> groups)
      : model_(model), options_(options), groups_(groups) {}

  std::vector<ExitToken> run(Engine& engine, const DrawnWindow& drawn) const {
    std::vector<ExitToken> tokens;
    Sequence sequence = start_sequence(engine, options_.run);
    for (std::size_t t = 0; t < drawn.window.inputs().size(); ++t) {
      if (t < drawn.window.first) {
        step(engine, sequence, drawn.window.inputs()[t], nullptr);
        continue;
      }
      tokens.push_back(sample(engine, sequence, drawn.window, t));
      tokens.back().document = drawn.document;
    }
    return tokens;
  }

 private:
  std::span<const float> step(Engine& engine, Sequence& sequence, std::int32_t token, BoundedExit* exit,
                              const TraceSink* trace = nullptr) const {
    options_.run.stop.check();
    DecodeRow row{&sequence, token, exit, {}, trace};
    return engine.decode({&row, 1});
  }

  ExitToken sample(Engine& engine, Sequence& sequence, const Window& window, std::size_t t) const {
    ExitToken token;
    token.groups.resize(groups_.size());
    const std::int32_t input = window.inputs()[t];
    if (options_.readout != HeadReadout::lens) {
      for (std::size_t i = 0; i < groups_.size(); ++i) leave_at_every_depth(engine, sequence, window, t, i, token);
    }
    std::vector<std::vector<float>> states(model_.spec().groups.size());  // [loop 0 … K][hidden] of each group
    const TraceSink keep = [&](const TracePoint& point) {
      std::vector<float>& of = states[static_cast<std::size_t>(point.group)];
      of.insert(of.end(), point.states.begin(), point.states.end());
    };
    const std::span<const float> logits = step(engine, sequence, input, nullptr, &keep);
    const double full = loss(logits, window, t);
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const std::vector<float>& of = states[static_cast<std::size_t>(groups_[i])];
      ExitPath& path = token.groups[i];
      if (options_.readout == HeadReadout::lens) read_by_head(engine, of, window, t, path);
      if (options_.readout == HeadReadout::full) path.losses.push_back(full);
      keep_path(of, path);
    }
    return token;
  }

  /// The loops of every looped group when group number `i` is left after `depth`.
  std::string rule_of(std::size_t i, int depth) const {
    std::string text = "fixed:loops=";
    const std::vector<int> looped = model_.spec().looped_groups();
    for (std::size_t j = 0; j < looped.size(); ++j) {
      int loops = options_.run.loops[static_cast<std::size_t>(looped[j])];
      if (looped[j] == groups_[i]) loops = depth;
      if (looped[j] > groups_[i] && options_.readout == HeadReadout::coda) loops = 1;
      text += fmt::format("{}{}", j == 0 ? "" : "/", loops);
    }
    return text;
  }

  void leave_at_every_depth(Engine& engine, Sequence& sequence, const Window& window, std::size_t t, std::size_t i,
                            ExitToken& token) const {
    const int most = options_.run.loops[static_cast<std::size_t>(groups_[i])];
    const int last = options_.readout == HeadReadout::full ? most - 1 : most;  // that is full depth itself
    for (int depth = 1; depth <= last; ++depth) {
      BoundedExit exit(parse_exit(rule_of(i, depth)), {model_.spec(), options_.run.loops, {}});
      token.groups[i].losses.push_back(loss(step(engine, sequence, window.inputs()[t], &exit), window, t));
      sequence.truncate(sequence.length - 1);
    }
  }

  void read_by_head(Engine& engine, std::span<const float> states, const Window& window, std::size_t t,
                    ExitPath& path) const {
    const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
    const std::span<const float> logits = engine.head(states.subspan(hidden));
    const std::size_t vocabulary = logits.size() / (states.size() / hidden - 1);
    for (std::size_t k = 0; k * vocabulary < logits.size(); ++k) {
      path.losses.push_back(loss(logits.subspan(k * vocabulary, vocabulary), window, t));
    }
  }

  /// The states after every loop but the last, of those after loops 0 … K.
  void keep_path(std::span<const float> states, ExitPath& path) const {
    const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
    std::vector<float> change(hidden);
    for (std::size_t k = 1; (k + 1) * hidden < states.size(); ++k) {
      const std::span<const float> before = states.subspan((k - 1) * hidden, hidden);
      const std::span<const float> now = states.subspan(k * hidden, hidden);
      for (std::size_t c = 0; c < hidden; ++c) change[c] = now[c] - before[c];
      path.states.insert(path.states.end(), now.begin(), now.end());
      path.state_norms.push_back(norm(now));
      path.step_norms.push_back(norm(change));
    }
  }

  static double loss(std::span<const float> logits, const Window& window, std::size_t t) {
    std::vector<float> log_p(logits.size());
    log_probabilities(logits, log_p, window.place_of_target(t));
    return -static_cast<double>(log_p[static_cast<std::size_t>(window.targets()[t])]);
  }

  const Model& model_;
  const ExitSampleOptions& options_;
  std::span<const int> groups_;
};

}  // namespace

ExitSamples collect_exit_samples(const Model& model, const MeasuredText& text, const ExitSampleOptions& options,
                                 const ProgressSink& progress) {
  ExitSamples samples;
  samples.hidden = static_cast<std::size_t>(model.spec().hidden_size);
  for (const int group : model.spec().looped_groups()) {
    if (options.run.loops[static_cast<std::size_t>(group)] > 1) samples.groups.push_back(group);
  }
  if (samples.groups.empty()) {
    throw Error("no group of this model loops more than once, so no token can leave one; run more loops");
  }
  if (options.run.start == NoiseStart::previous && options.readout != HeadReadout::lens) {
    throw Error("states that start from those of the token before: a token cannot be decoded again; read by the lens");
  }
  const Drawn drawn = draw_documents(text, model.spec(), options);
  samples.text_tokens = drawn.text_tokens;
  std::vector<std::vector<ExitToken>> found(drawn.windows.size());
  const DepthTrials trials(model, options, samples.groups);
  run_jobs(model, drawn.windows.size(), options.run.threads, options.run.stop,
           [&](Engine& engine, std::size_t i) { found[i] = trials.run(engine, drawn.windows[i]); }, progress,
           {0, static_cast<std::int64_t>(drawn.windows.size())});
  for (std::vector<ExitToken>& tokens : found) {
    std::move(tokens.begin(), tokens.end(), std::back_inserter(samples.tokens));
  }
  return samples;
}

}  // namespace gyre
