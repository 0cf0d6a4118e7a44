#include "study/depth_evaluation.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "engine/probabilities.hpp"
#include "study/jobs.hpp"
#include "study/statistics.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

/// Sums over the scored positions of one window at one depth.
struct Tally {
  double tokens = 0;
  double cross_entropy = 0;
  double reference_cross_entropy = 0;
  double kl = 0;
  double same = 0;
};

std::size_t likeliest(std::span<const float> values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

class DepthRun {
 public:
  DepthRun(const EvaluationOptions& options, int depth) : options_(options), loops_(options.loops) {
    for (int& loops : loops_) loops = std::min(loops, depth);
  }

  Tally run(Engine& engine, Engine* reference, const Window& window) const {
    const std::span<const float> logits = logits_of(engine, window, options_.kv_policy.type);
    const std::span<const float> wanted = reference == nullptr ? logits : logits_of(*reference, window, KvType::f32);
    const std::size_t vocabulary = logits.size() / window.inputs.size();
    std::vector<float> own(vocabulary);
    std::vector<float> other(vocabulary);
    Tally tally;
    for (auto t = static_cast<std::size_t>(options_.score_from); t < window.inputs.size(); ++t) {
      const auto target = static_cast<std::size_t>(window.targets[t]);
      log_softmax(logits.subspan(t * vocabulary, vocabulary), own);
      tally.tokens += 1;
      tally.cross_entropy -= static_cast<double>(own[target]);
      if (reference == nullptr) continue;
      log_softmax(wanted.subspan(t * vocabulary, vocabulary), other);
      tally.reference_cross_entropy -= static_cast<double>(other[target]);
      tally.kl += kl_divergence(other, own);
      tally.same += likeliest(own) == likeliest(other) ? 1 : 0;
    }
    return tally;
  }

 private:
  [[nodiscard]] std::span<const float> logits_of(Engine& engine, const Window& window, KvType type) const {
    require_not_interrupted();
    KvPolicy policy = options_.kv_policy;
    policy.type = type;
    Sequence sequence = engine.start(loops_, options_.window, policy, options_.seed, options_.start);
    return engine.prefill(sequence, window.inputs, Engine::Logits::all);
  }

  const EvaluationOptions& options_;
  std::vector<int> loops_;
};

DepthQuality summarise(int depth, std::span<const Tally> tallies) {
  DepthQuality quality;
  quality.loops = depth;
  std::vector<double> losses;
  std::vector<double> tokens;
  for (const Tally& tally : tallies) {
    losses.push_back(tally.cross_entropy);
    tokens.push_back(tally.tokens);
    quality.reference_cross_entropy += tally.reference_cross_entropy;
    quality.kl_to_reference += tally.kl;
    quality.same_choice += tally.same;
  }
  const double count = std::accumulate(tokens.begin(), tokens.end(), 0.0);
  const Interval interval = bootstrap_ratio(losses, tokens, 1);
  quality.tokens = static_cast<std::int64_t>(count);
  quality.cross_entropy = std::accumulate(losses.begin(), losses.end(), 0.0) / count;
  quality.cross_entropy_low = interval.low;
  quality.cross_entropy_high = interval.high;
  quality.reference_cross_entropy /= count;
  quality.kl_to_reference /= count;
  quality.same_choice /= count;
  return quality;
}

void require_comparable(const ModelSpec& model, const ModelSpec& reference) {
  if (model.vocab_size != reference.vocab_size) {
    throw Error("--reference: its vocabulary has {} tokens, the model's {}", reference.vocab_size, model.vocab_size);
  }
  if (model.groups.size() != reference.groups.size()) {
    throw Error("--reference: it has {} groups, the model {}", reference.groups.size(), model.groups.size());
  }
}

}  // namespace

std::vector<DepthQuality> evaluate_depths(const Model& model, const Model* reference,
                                          std::span<const std::int32_t> tokens, std::span<const int> depths,
                                          const EvaluationOptions& options, const ProgressSink& progress) {
  if (reference != nullptr) require_comparable(model.spec(), reference->spec());
  const std::vector<Window> windows = cut_windows(tokens, model.spec(), options);
  std::vector<std::vector<Tally>> tallies(depths.size(), std::vector<Tally>(windows.size()));
  const auto job = [&](Engine& engine, std::size_t w) {
    std::optional<Engine> other;
    if (reference != nullptr) other.emplace(*reference, 1);
    for (std::size_t d = 0; d < depths.size(); ++d) {
      tallies[d][w] = DepthRun(options, depths[d]).run(engine, other ? &*other : nullptr, windows[w]);
    }
  };
  run_jobs(model, windows.size(), options.threads, job, progress, {0, static_cast<std::int64_t>(windows.size())});

  std::vector<DepthQuality> results;
  for (std::size_t d = 0; d < depths.size(); ++d) results.push_back(summarise(depths[d], tallies[d]));
  return results;
}

}  // namespace gyre
