#include "train/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace gyre {
namespace {

constexpr std::uint64_t kLoopStream = 0x6c6f6f7073ULL;
constexpr int kDefaultCapFactor = 4;

int draw_loops(Random& random, double mean, double sigma, int cap) {
  const double location = std::log(mean - 1.0) - 0.5 * sigma * sigma;
  const int drawn = 1 + random.poisson(std::exp(location + sigma * random.normal()));
  return std::min(drawn, cap);
}

}  // namespace

std::vector<int> sample_loops(const ModelSpec& spec, const TrainConfig& config, int step) {
  std::vector<int> loops = spec.default_loops();
  if (step <= static_cast<double>(config.loops_from) * config.steps) {
    std::fill(loops.begin(), loops.end(), 1);
    return loops;
  }
  // Counts rise along a line from one to what they are.
  const double into = step - static_cast<double>(config.loops_from) * config.steps;
  const double over = static_cast<double>(config.loops_over) * config.steps;
  if (into < over) {
    for (int& count : loops) count = 1 + static_cast<int>(std::ceil((count - 1) * into / over));
  }
  if (config.loop_sampling == LoopSampling::fixed) return loops;
  Random random(combine_seeds(config.seed ^ kLoopStream, static_cast<std::uint64_t>(step)));
  for (int& count : loops) {
    if (count == 1) continue;
    const int cap = config.max_loops > 0 ? config.max_loops : kDefaultCapFactor * count;
    count = draw_loops(random, count, config.loop_sigma, cap);
  }
  return loops;
}

}  // namespace gyre
