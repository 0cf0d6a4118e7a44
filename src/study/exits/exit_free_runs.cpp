#include "study/exits/exit_free_runs.hpp"

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/random.hpp"
#include "study/exits/exit_comparison.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

/// Leaves after depths of positions that are drawn one by one.
class DrawnExit : public ExitRule {
 public:
  DrawnExit(const PositionDepths& depths, std::span<const std::size_t> positions, const ModelSpec& spec,
            std::uint64_t seed)
      : depths_(depths), positions_(positions), column_(looped_columns(spec)), seed_(seed) {}

  [[nodiscard]] ExitReads reads() const override { return {}; }
  void enter_group(int group, int position) override {
    const std::uint64_t bits = combine_seeds(seed_, static_cast<std::uint64_t>(position));
    const auto place = static_cast<std::size_t>(unit_interval(bits) * static_cast<double>(positions_.size()));
    depth_ = depths_.row(positions_[place])[column_[static_cast<std::size_t>(group)]];
  }
  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (step.loop < depth_) return {};
    return "drawn";
  }

 private:
  const PositionDepths& depths_;
  std::span<const std::size_t> positions_;
  std::vector<std::size_t> column_;  ///< of each group, among the looped ones
  std::uint64_t seed_;
  int depth_ = 0;
};

/// What begins each unit: the prefix and its first tokens.
std::vector<std::vector<std::int32_t>> prompts_of(const UnitText& text, int tokens) {
  std::vector<std::vector<std::int32_t>> prompts(text.units);
  for (std::size_t w = 0; w < text.windows.size(); ++w) {
    std::vector<std::int32_t>& prompt = prompts[text.unit[w]];
    if (!prompt.empty()) continue;
    const Window& window = text.windows[w];
    const std::size_t count = std::min(window.tokens.size(), window.prefix + static_cast<std::size_t>(tokens));
    prompt.assign(window.tokens.begin(), window.tokens.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return prompts;
}

/// Texts of one unit, side by side: the last exit is that of none.
void write_texts(Engine& engine, std::span<const std::int32_t> prompt, std::size_t unit, int tokens,
                 std::span<BoundedExit> exits, std::span<UnitSums> sums, const EvaluationOptions& options) {
  const ModelSpec& spec = engine.model().spec();
  Sequence begun = engine.start(options.loops, static_cast<int>(prompt.size()) + tokens, options.kv_policy,
                                options.seed, options.start);
  begun.test_noise = options.test_noise;
  if (prompt.size() > 1) engine.prefill(begun, prompt.first(prompt.size() - 1), Engine::Logits::none);
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i <= exits.size(); ++i) sequences.push_back(begun.fork());
  std::vector<std::int32_t> last(sequences.size(), prompt.back());
  const auto vocabulary = static_cast<std::size_t>(spec.vocab_size);
  std::vector<float> log_p(vocabulary);
  for (int t = 0; t < tokens; ++t) {
    options.stop.check();
    std::vector<DecodeRow> batch;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      batch.push_back({&sequences[i], last[i], i < exits.size() ? &exits[i] : nullptr});
    }
    const std::span<const float> logits = engine.decode(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      log_probabilities(logits.subspan(i * vocabulary, vocabulary), log_p,
                        static_cast<std::int64_t>(prompt.size()) + t);
      last[i] = static_cast<std::int32_t>(likeliest(log_p));
    }
    for (std::size_t i = 0; i < exits.size(); ++i) {
      sums[i].tokens[unit] += 1;
      sums[i].disagreement[unit] += last[i] == last.back() ? 0 : 1;
      for (const int group : spec.looped_groups()) {
        sums[i].loops[unit] += batch[i].depth.loops[static_cast<std::size_t>(group)];
      }
      for (std::size_t g = 0; g < spec.groups.size(); ++g) {
        sums[i].layer_runs[unit] += static_cast<double>(batch[i].depth.loops[g]) * spec.groups[g].layers;
      }
    }
  }
}

}  // namespace

FreeRuns run_free_texts(const Model& model, const UnitText& text, std::span<const ExitTrial> trials,
                        std::span<const PositionDepths* const> dealt, const FreeTextOptions& free,
                        const EvaluationOptions& options, const ProgressSink& progress) {
  const std::vector<std::vector<std::int32_t>> prompts = prompts_of(text, free.prompt_tokens);
  std::size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  if (longest + static_cast<std::size_t>(free.tokens) > static_cast<std::size_t>(model.spec().context)) {
    throw Error("a prompt of {} tokens and {} behind it are more than the context of {}; write fewer", longest,
                free.tokens, model.spec().context);
  }
  std::vector<std::size_t> positions;
  for (const std::vector<std::size_t>& unit : scored_positions(text)) {
    positions.insert(positions.end(), unit.begin(), unit.end());
  }
  const auto deals = static_cast<std::size_t>(free.deals);
  const std::size_t count = trials.size() + dealt.size() * deals;
  std::vector<UnitSums> sums(count, UnitSums(text.units));
  const auto job = [&](Engine& engine, std::size_t unit) {
    constexpr std::size_t kTextsTogether = 31;
    for (std::size_t begin = 0; begin < count; begin += kTextsTogether) {
      std::vector<BoundedExit> exits;
      const std::size_t end = std::min(begin + kTextsTogether, count);
      for (std::size_t i = begin; i < end; ++i) {
        if (i < trials.size()) {
          exits.push_back(trials[i].exit(unit));
          continue;
        }
        const std::uint64_t seed = combine_seeds(combine_seeds(options.seed, unit), i);
        exits.emplace_back(
            std::make_unique<DrawnExit>(*dealt[(i - trials.size()) / deals], positions, model.spec(), seed));
      }
      write_texts(engine, prompts[unit], unit, free.tokens, exits, std::span(sums).subspan(begin, end - begin),
                  options);
    }
  };
  run_jobs(model, text.units, options.threads, options.stop, job, progress, {0, static_cast<std::int64_t>(text.units)});
  FreeRuns runs;
  for (std::size_t i = 0; i < trials.size(); ++i) runs.trials.push_back(std::move(sums[i]));
  for (std::size_t p = 0; p < dealt.size(); ++p) {
    runs.dealt.push_back(mean_of(std::span(sums).subspan(trials.size() + p * deals, deals)));
  }
  return runs;
}

}  // namespace gyre
