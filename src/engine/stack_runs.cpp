#include "engine/stack.hpp"

// How a stack runs the layers of one loop: in their order, with what is mixed into the state before each of them.

namespace gyre {

void Stack::run_layers(const Runs& runs, LayerPass first, Workspace& work, std::span<float> states) {
  const std::size_t count = runs.count();
  work.kept.resize(runs.skips.size() * states.size());
  LayerPass pass = first;
  for (std::size_t run = 0; run < count; ++run, ++pass.layer) {
    take_back(runs, run, work, states);
    mix_embedding(runs.layer(run), work, states);
    layers_.run(runs.layer(run), pass, work.rows, states);
    for (std::size_t s = 0; s < runs.skips.size(); ++s) {
      if (runs.skips[s].from != static_cast<int>(run)) continue;
      std::copy(states.begin(), states.end(), work.kept.begin() + static_cast<std::ptrdiff_t>(s * states.size()));
    }
  }
  count_.passes += count;
  count_.rows += count * work.rows.size();
}

/// Calls work(Share) for all of the numbers.
template <typename Work>
void Stack::share_numbers(std::size_t count, const Work& work) {
  constexpr std::size_t kWorthwhile = 8192;  // in a piece
  const int pieces = count < 2 * kWorthwhile ? 1 : threads_.size();
  threads_.share(count, 1, pieces, [&](Share mine, int /*thread*/) { work(mine); });
}

/// x ← w ⊙ s + σ(g) ⊙ (x − w ⊙ s), where a skip leads to this run.
void Stack::take_back(const Runs& runs, std::size_t run, const Workspace& work, std::span<float> states) {
  for (std::size_t s = 0; s < runs.skips.size(); ++s) {
    if (runs.skips[s].to != static_cast<int>(run)) continue;
    const float* const kept = work.kept.data() + s * states.size();
    const SkipWeights& skip = runs.weights[s];
    share_numbers(states.size(), [&](Share mine) {
      for (std::size_t i = mine.begin; i < mine.end; ++i) {
        const float back = skip.weight[i % hidden_] * kept[i];
        states[i] = back + skip.share[i % hidden_] * (states[i] - back);
      }
    });
    return;
  }
}

void Stack::mix_embedding(const Layer& layer, const Workspace& work, std::span<float> states) {
  if (layer.mix_state == nullptr) return;
  share_numbers(states.size(), [&](Share mine) {
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      const std::size_t channel = i % hidden_;
      states[i] = layer.mix_state[channel] * states[i] + layer.mix_embedding[channel] * work.embedded[i];
    }
  });
}

}  // namespace gyre
