#include "study/probed_window.hpp"

namespace gyre {

ProbedWindow::ProbedWindow(Engine& engine, const Window& window, const ProbeRun& run, std::size_t place)
    : engine_(engine),
      window_(window),
      run_(run),
      place_(place),
      hidden_(static_cast<std::size_t>(engine.model().spec().hidden_size)) {
  Sequence sequence = start(run_.loops, run_.seed);
  own_ = run_window(engine_, sequence, window_.inputs(), false);
}

Sequence ProbedWindow::start(const std::vector<int>& loops, std::uint64_t seed) const {
  Sequence sequence = engine_.start(loops, run_.window, run_.kv_policy, seed, run_.start);
  sequence.test_noise = run_.test_noise;
  return sequence;
}

}  // namespace gyre
