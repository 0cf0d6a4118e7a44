#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.hpp"
#include "engine/sampler.hpp"

namespace gyre {
namespace {

/// One draw from as many logits as the widest published vocabularies have.
void draw(benchmark::State& state, const SamplingOptions& options) {
  constexpr std::size_t kVocabulary = 151'936;
  Random random(1);
  std::vector<float> logits(kVocabulary);
  for (float& logit : logits) logit = 3 * static_cast<float>(random.normal());
  const std::vector<std::int32_t> text = {5, 77, 151'000};
  Sampler sampler(options);
  for (auto _ : state) benchmark::DoNotOptimize(sampler.draw(logits, text));
}

BENCHMARK_CAPTURE(draw, defaults, SamplingOptions{})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(draw, greedy, SamplingOptions{.temperature = 0})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(draw, top_k_40_top_p_95, SamplingOptions{.top_k = 40, .top_p = 0.95F})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(draw, top_p_95, SamplingOptions{.top_p = 0.95F})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(draw, min_p_5, SamplingOptions{.min_p = 0.05F})->Unit(benchmark::kMillisecond);

/// Log-probabilities of the chosen and the 20 likeliest.
void probabilities(benchmark::State& state) {
  Random random(1);
  std::vector<float> logits(151'936);
  for (float& logit : logits) logit = 3 * static_cast<float>(random.normal());
  for (auto _ : state) benchmark::DoNotOptimize(probabilities_of(logits, 5, 20));
}
BENCHMARK(probabilities)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gyre
