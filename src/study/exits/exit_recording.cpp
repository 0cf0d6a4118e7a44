#include "study/exits/exit_recording.hpp"

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

constexpr std::size_t kWindowsTogether = 16;  ///< windows that are decoded side by side

/// What a rule reads anywhere: norms, gates, and how it decodes.
struct Appetite {
  bool lens = false;
  bool coda = false;

  bool operator==(const Appetite&) const = default;
};

Appetite appetite_of(const ExitChoice& rule, const ModelSpec& spec, const std::vector<int>& loops) {
  BoundedExit exit(rule, {spec, loops, {}});
  Appetite appetite;
  for (const int group : spec.looped_groups()) {
    exit.enter_group(group, 0);
    for (int loop = 1; loop < loops[static_cast<std::size_t>(group)]; ++loop) {
      const ExitReads reads = exit.reads(loop);
      if (reads.since_check) {
        throw Error("exit {}: its steps go from asking to asking, which states of every loop do not show; leave out {}",
                    rule.text, "against=check, which changes nothing where it is asked after every loop");
      }
      appetite.lens = appetite.lens || reads.logits == LoopStep::Readout::lens;
      appetite.coda = appetite.coda || reads.logits == LoopStep::Readout::coda;
    }
  }
  return appetite;
}

/// Shows every loop of a token to many rules, and never lets it leave.
class Watch : public ExitRule {
 public:
  Watch(std::span<const ExitChoice> rules, const ModelSpec& spec, const std::vector<int>& loops)
      : loops_(loops), column_(looped_columns(spec)) {
    for (const ExitChoice& rule : rules) watched_.push_back({BoundedExit(rule, {spec, loops, {}}), false, {}});
    for (Watched& one : watched_) one.depth.resize(spec.looped_groups().size());
  }

  [[nodiscard]] ExitReads reads() const override { return next_; }

  void enter_group(int group, int position) override {
    at_ = column_[static_cast<std::size_t>(group)];
    for (Watched& one : watched_) {
      one.exit.enter_group(group, position);
      one.left = false;
      one.depth[at_] = static_cast<std::uint16_t>(loops_[static_cast<std::size_t>(group)]);
    }
    look_ahead(1);
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    LoopStep without = step;
    without.logits = {};
    for (Watched& one : watched_) {
      if (one.left) continue;
      const bool decodes = one.exit.reads(step.loop).logits.has_value();
      if (!one.exit.leave_after(decodes ? step : without)) continue;
      one.left = true;
      if (one.exit.saves()) one.depth[at_] = static_cast<std::uint16_t>(step.loop);
    }
    look_ahead(step.loop + 1);
    return {};
  }

  /// Loops of the token in every looped group, by rule number `i`.
  [[nodiscard]] std::span<const std::uint16_t> depth(std::size_t i) const { return watched_[i].depth; }

 private:
  struct Watched {
    BoundedExit exit;
    bool left = false;
    std::vector<std::uint16_t> depth;
  };

  /// What is read after the next loop: all that a rule wants that has not left.
  void look_ahead(int loop) {
    next_ = {};
    for (const Watched& one : watched_) {
      if (one.left) continue;
      const ExitReads reads = one.exit.reads(loop);
      next_.norms = next_.norms || reads.norms;
      next_.gate = next_.gate || reads.gate;
      next_.state = next_.state || reads.state;
      if (reads.logits) next_.logits = reads.logits;
    }
  }

  const std::vector<int>& loops_;
  std::vector<std::size_t> column_;  ///< of each group, among the looped ones
  std::vector<Watched> watched_;
  std::size_t at_ = 0;
  ExitReads next_;
};

/// Windows that are decoded side by side while their rules watch.
void watch_windows(Engine& engine, std::span<const Window> windows, std::span<const std::size_t> first_position,
                   std::span<const ExitChoice> rules, const EvaluationOptions& options,
                   std::span<PositionDepths* const> out) {
  struct Row {
    Sequence sequence;
    Watch* watch;
    BoundedExit exit;
  };
  std::vector<Row> rows;
  std::size_t longest = 0;
  for (const Window& window : windows) {
    auto watch = std::make_unique<Watch>(rules, engine.model().spec(), options.loops);
    Watch* const seen = watch.get();
    rows.push_back({start_sequence(engine, options), seen, BoundedExit(std::move(watch))});
    longest = std::max(longest, window.inputs().size());
  }
  for (std::size_t t = 0; t < longest; ++t) {
    std::vector<DecodeRow> batch;
    std::vector<std::size_t> those;
    for (std::size_t w = 0; w < windows.size(); ++w) {
      if (t >= windows[w].inputs().size()) continue;
      batch.push_back({&rows[w].sequence, windows[w].inputs()[t], &rows[w].exit});
      those.push_back(w);
    }
    engine.decode(batch);
    for (const std::size_t w : those) {
      for (std::size_t r = 0; r < rules.size(); ++r) {
        const auto depth = rows[w].watch->depth(r);
        std::copy(depth.begin(), depth.end(), out[r]->row(first_position[w] + t).begin());
      }
    }
  }
}

/// Keeps what it is shown of every loop, and never lets a token leave.
class Keep : public ExitRule {
 public:
  using Sink = std::function<void(const LoopStep& step)>;
  Keep(std::optional<LoopStep::Readout> readout, Sink sink) : readout_(readout), sink_(std::move(sink)) {}

  [[nodiscard]] ExitReads reads() const override {
    return {.norms = true, .state = true, .gate = true, .logits = readout_};
  }
  void enter_group(int /*group*/, int /*position*/) override {}
  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    sink_(step);
    return {};
  }

 private:
  std::optional<LoopStep::Readout> readout_;
  Sink sink_;
};

}  // namespace

std::vector<std::size_t> looped_columns(const ModelSpec& spec) {
  std::vector<std::size_t> column(spec.groups.size());
  const std::vector<int> looped = spec.looped_groups();
  for (std::size_t i = 0; i < looped.size(); ++i) column[static_cast<std::size_t>(looped[i])] = i;
  return column;
}

std::vector<std::size_t> first_positions(std::span<const Window> windows) {
  std::vector<std::size_t> first = {0};
  for (const Window& window : windows) first.push_back(first.back() + window.inputs().size());
  return first;
}

std::vector<PositionDepths> record_depths(const Model& model, std::span<const Window> windows,
                                          std::span<const ExitChoice> rules, const EvaluationOptions& options,
                                          const ProgressSink& progress) {
  const std::size_t groups = model.spec().looped_groups().size();
  const std::vector<std::size_t> first = first_positions(windows);
  std::vector<PositionDepths> depths(rules.size(), {groups, std::vector<std::uint16_t>(first.back() * groups)});

  // Those that decode alike go together, and what decodes nothing with the first of them.
  std::vector<std::pair<Appetite, std::vector<std::size_t>>> passes;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    const Appetite appetite = appetite_of(rules[r], model.spec(), options.loops);
    const bool alone = appetite.lens && appetite.coda;
    const auto place = std::find_if(passes.begin(), passes.end(), [&](const auto& pass) {
      if (alone || (pass.first.lens && pass.first.coda)) return false;
      return appetite == pass.first || appetite == Appetite{} || pass.first == Appetite{};
    });
    if (place == passes.end()) {
      passes.push_back({appetite, {r}});
      continue;
    }
    if (appetite != Appetite{}) place->first = appetite;
    place->second.push_back(r);
  }

  const std::size_t batches = (windows.size() + kWindowsTogether - 1) / kWindowsTogether;
  for (std::size_t p = 0; p < passes.size(); ++p) {
    std::vector<ExitChoice> those;
    std::vector<PositionDepths*> out;
    for (const std::size_t r : passes[p].second) {
      those.push_back(rules[r]);
      out.push_back(&depths[r]);
    }
    const auto job = [&](Engine& engine, std::size_t b) {
      const std::size_t begin = b * kWindowsTogether;
      const std::size_t count = std::min(kWindowsTogether, windows.size() - begin);
      watch_windows(engine, windows.subspan(begin, count), std::span(first).subspan(begin, count), those, options, out);
    };
    run_jobs(model, batches, options.threads, options.stop, job, progress,
             {static_cast<std::int64_t>(p * batches), static_cast<std::int64_t>(passes.size() * batches)});
  }
  return depths;
}

std::optional<LoopStep::Readout> readout_of(const ExitChoice& rule, const ModelSpec& spec,
                                            const std::vector<int>& loops) {
  const Appetite appetite = appetite_of(rule, spec, loops);
  if (appetite.lens && appetite.coda) {
    throw Error("exit {}: it decodes in two ways; choose one for all of it", rule.text);
  }
  if (appetite.lens) return LoopStep::Readout::lens;
  if (appetite.coda) return LoopStep::Readout::coda;
  return {};
}

KeptSteps::KeptSteps(const Model& model, const Window& window, std::optional<LoopStep::Readout> readout,
                     const EvaluationOptions& options)
    : model_(model), most_(options.loops) {
  constexpr std::size_t kMostTokens = 96;
  constexpr std::size_t kMostNumbers = std::size_t{1} << 24;  // of logits that are kept
  std::size_t tokens = std::min(window.inputs().size(), kMostTokens);
  if (readout) {
    std::size_t loops = 0;
    for (const int group : model.spec().looped_groups()) {
      loops += static_cast<std::size_t>(most_[static_cast<std::size_t>(group)]);
    }
    const std::size_t each = loops * static_cast<std::size_t>(model.spec().vocab_size);
    tokens = std::clamp<std::size_t>(kMostNumbers / std::max<std::size_t>(1, each), std::min<std::size_t>(tokens, 8),
                                     tokens);
  }
  int group = -1;
  const auto keep = [&](const LoopStep& step) {
    std::vector<std::vector<Step>>& token = steps_.back();
    if (step.group != group) token.emplace_back();
    group = step.group;
    token.back().push_back({step, {step.logits.begin(), step.logits.end()}, {step.state.begin(), step.state.end()}});
    token.back().back().seen.logits = token.back().back().seen.state = {};
  };
  BoundedExit exit(std::make_unique<Keep>(readout, keep));
  Engine engine(model, 1, options.stop);
  Sequence sequence = start_sequence(engine, options);
  TokenDepth depth;
  for (std::size_t t = 0; t < tokens; ++t) {
    steps_.emplace_back();
    group = -1;
    engine.decode(sequence, window.inputs()[t], &exit, depth);
  }
}

double KeptSteps::loops(const ExitChoice& rule) const {
  BoundedExit exit(rule, {model_.spec(), most_, {}});
  double loops = 0;
  for (std::size_t t = 0; t < steps_.size(); ++t) {
    for (const std::vector<Step>& group : steps_[t]) {
      exit.enter_group(group.front().seen.group, static_cast<int>(t));
      int depth = static_cast<int>(group.size()) + 1;  // no rule is asked after a group's last loop
      for (const Step& step : group) {
        LoopStep seen = step.seen;
        seen.logits = step.logits;
        seen.state = step.state;
        if (!exit.leave_after(seen)) continue;
        if (exit.saves()) depth = seen.loop;
        break;
      }
      loops += depth;
    }
    // Groups of one loop are never asked.
    for (const int group : model_.spec().looped_groups()) loops += most_[static_cast<std::size_t>(group)] == 1 ? 1 : 0;
  }
  return loops / static_cast<double>(steps_.size());
}

}  // namespace gyre
