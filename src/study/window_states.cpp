#include "study/window_states.hpp"

namespace gyre {

std::span<const float> state_row(const std::vector<float>& states, std::size_t t, std::size_t hidden) {
  return std::span(states).subspan(t * hidden, hidden);
}

WindowPass run_window(Engine& engine, Sequence& sequence, std::span<const std::int32_t> inputs, bool one_by_one) {
  WindowPass pass;
  const std::vector<int>& loops = sequence.cache.loops();
  pass.groups.resize(loops.size());
  for (std::size_t g = 0; g < loops.size(); ++g) pass.groups[g].resize(static_cast<std::size_t>(loops[g]) + 1);
  const auto keep = [&](const TracePoint& point) {
    std::vector<float>& states =
        pass.groups[static_cast<std::size_t>(point.group)][static_cast<std::size_t>(point.loop)];
    states.insert(states.end(), point.states.begin(), point.states.end());
  };
  const std::size_t together = one_by_one ? 1 : inputs.size();
  for (std::size_t begin = 0; begin < inputs.size(); begin += together) {
    const auto out = engine.prefill(sequence, inputs.subspan(begin, together), Engine::Logits::all, keep);
    pass.logits.insert(pass.logits.end(), out.begin(), out.end());
  }
  return pass;
}

}  // namespace gyre
