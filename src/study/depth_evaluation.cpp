#include "study/depth_evaluation.hpp"

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "study/jobs.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

class DepthRun {
 public:
  DepthRun(const EvaluationOptions& options, int depth) : options_(options), loops_(options.loops) {
    for (int& loops : loops_) loops = std::min(loops, depth);
  }

  ScoreSums run(Engine& engine, Engine* reference, const Window& window) const {
    const std::span<const float> logits = logits_of(engine, window, options_.kv_policy.type);
    const std::span<const float> wanted = reference == nullptr ? logits : logits_of(*reference, window, KvType::f32);
    const std::size_t vocabulary = logits.size() / window.inputs().size();
    std::vector<float> own(vocabulary);
    std::vector<float> other(vocabulary);
    ScoreSums sums;
    for (std::size_t t = window.first; t < window.inputs().size(); ++t) {
      const std::int32_t target = window.targets()[t];
      log_probabilities(logits.subspan(t * vocabulary, vocabulary), own, window.place_of_target(t));
      sums.add(target, own);
      if (reference == nullptr) continue;
      log_probabilities(wanted.subspan(t * vocabulary, vocabulary), other, window.place_of_target(t));
      sums.compare(target, other, own);
    }
    return sums;
  }

 private:
  [[nodiscard]] std::span<const float> logits_of(Engine& engine, const Window& window, KvType type) const {
    options_.stop.check();
    KvPolicy policy = options_.kv_policy;
    policy.type = type;
    Sequence sequence = engine.start(loops_, options_.window, policy, options_.seed, options_.start);
    sequence.test_noise = options_.test_noise;
    return engine.prefill(sequence, window.inputs(), Engine::Logits::all);
  }

  const EvaluationOptions& options_;
  std::vector<int> loops_;
};

void require_comparable(const ModelSpec& model, const ModelSpec& reference) {
  if (model.vocab_size != reference.vocab_size) {
    throw Error("the reference: its vocabulary has {} tokens, the model's {}", reference.vocab_size, model.vocab_size);
  }
  if (model.groups.size() != reference.groups.size()) {
    throw Error("the reference: it has {} groups, the model {}", reference.groups.size(), model.groups.size());
  }
}

}  // namespace

std::vector<DepthQuality> evaluate_depths(const Model& model, const Model* reference, const MeasuredText& text,
                                          std::span<const int> depths, const EvaluationOptions& options,
                                          const ProgressSink& progress) {
  if (reference != nullptr) require_comparable(model.spec(), reference->spec());
  const std::vector<Window> windows = cut_windows(text, model.spec(), {options.window, options.score_from});
  std::vector<std::vector<ScoreSums>> sums(depths.size(), std::vector<ScoreSums>(windows.size()));
  const auto job = [&](Engine& engine, std::size_t w) {
    std::optional<Engine> other;
    if (reference != nullptr) other.emplace(*reference, 1);
    for (std::size_t d = 0; d < depths.size(); ++d) {
      sums[d][w] = DepthRun(options, depths[d]).run(engine, other ? &*other : nullptr, windows[w]);
    }
  };
  run_jobs(model, windows.size(), options.threads, options.stop, job, progress,
           {0, static_cast<std::int64_t>(windows.size())});

  std::vector<DepthQuality> results;
  for (std::size_t d = 0; d < depths.size(); ++d) results.push_back({depths[d], score_of(sums[d])});
  return results;
}

}  // namespace gyre
