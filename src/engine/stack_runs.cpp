#include "engine/stack.hpp"

// How a stack runs the layers of one loop: in their order, with what is mixed into the state before each of them.

namespace gyre {

void Stack::run_layers(const Runs& runs, LayerPass first, Workspace& work, std::span<float> states) {
  const std::size_t count = runs.count();
  work.kept.resize(runs.skips.size() * states.size());
  threads_.run([&](int part) {
    // Of the states a thread always changes and keeps the same numbers, so these need no barrier among themselves.
    const Share mine = share_of(states.size(), 1, part, threads_.size());
    LayerPass pass = first;
    for (std::size_t run = 0; run < count; ++run, ++pass.layer) {
      const bool taken = take_back(runs, run, work, states, mine);
      const bool mixed = mix_embedding(runs.layer(run), work, states, mine);
      if (taken || mixed) threads_.barrier();
      layers_.run(runs.layer(run), pass, work.rows, states, part);
      for (std::size_t s = 0; s < runs.skips.size(); ++s) {
        if (runs.skips[s].from != static_cast<int>(run)) continue;
        std::copy(states.begin() + static_cast<std::ptrdiff_t>(mine.begin),
                  states.begin() + static_cast<std::ptrdiff_t>(mine.end),
                  work.kept.begin() + static_cast<std::ptrdiff_t>(s * states.size() + mine.begin));
      }
    }
  });
  count_.passes += count;
  count_.rows += count * work.rows.size();
}

/// x ← w ⊙ s + σ(g) ⊙ (x − w ⊙ s), where a skip leads to this run.
bool Stack::take_back(const Runs& runs, std::size_t run, const Workspace& work, std::span<float> states,
                      Share mine) const {
  for (std::size_t s = 0; s < runs.skips.size(); ++s) {
    if (runs.skips[s].to != static_cast<int>(run)) continue;
    const float* const kept = work.kept.data() + s * states.size();
    const SkipWeights& skip = runs.weights[s];
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      const float back = skip.weight[i % hidden_] * kept[i];
      states[i] = back + skip.share[i % hidden_] * (states[i] - back);
    }
    return true;
  }
  return false;
}

bool Stack::mix_embedding(const Layer& layer, const Workspace& work, std::span<float> states, Share mine) const {
  if (layer.mix_state == nullptr) return false;
  for (std::size_t i = mine.begin; i < mine.end; ++i) {
    const std::size_t channel = i % hidden_;
    states[i] = layer.mix_state[channel] * states[i] + layer.mix_embedding[channel] * work.embedded[i];
  }
  return true;
}

}  // namespace gyre
