// Greedy text with an early exit for every token, and how deep each went:
//
//     early_exit models/shakespeare "ROMEO:" accel:tau=0.2 100

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>

#include "gyre/gyre.hpp"

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: early_exit MODEL PROMPT RULE TOKENS\n");
    return 2;
  }
  try {
    using namespace gyre::api;
    const Model model = Model::open(argv[1]);
    Runner runner(model);
    Sequence text = runner.start({.exit = argv[3]});

    // The length of the state's step in every loop, from a hook that sees the states.
    std::vector<float> before;
    double steps = 0;
    const Hook hook = [&](const LoopStates& now) {
      if (now.loop > 0) {
        double sum = 0;
        for (std::size_t i = 0; i < now.states.size(); ++i) {
          const double step = static_cast<double>(now.states[i]) - static_cast<double>(before[i]);
          sum += step * step;
        }
        steps += sum;
      }
      before.assign(now.states.begin(), now.states.end());
    };

    std::vector<std::int32_t> next = model.encode(argv[2]);
    const std::vector<std::int32_t> ends = model.end_tokens();
    int loops = 0;
    int tokens = 0;
    for (; tokens < std::atoi(argv[4]); ++tokens) {
      const Step step = runner.append(text, next, hook);
      loops += std::accumulate(step.loops.begin(), step.loops.end(), 0);
      next = {
          static_cast<std::int32_t>(std::max_element(step.logits.begin(), step.logits.end()) - step.logits.begin())};
      if (std::find(ends.begin(), ends.end(), next.front()) != ends.end()) break;
      std::printf("%s", model.decode(next).c_str());
    }
    std::printf("\n%.2f loops a token, %.1f KiB of keys and values, %zu layer passes, squared steps %.3g in all\n",
                static_cast<double>(loops) / std::max(1, tokens), static_cast<double>(text.bytes()) / 1024,
                runner.layer_passes(), steps);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "early_exit: %s\n", failure.what());
    return 1;
  }
  return 0;
}
