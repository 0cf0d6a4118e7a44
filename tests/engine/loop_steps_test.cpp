#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "engine/engine.hpp"
#include "model_folder.hpp"

namespace gyre::loop_steps_test {
namespace {

/// What the states of one token do in a group of six loops, from the trace of a prompt, and the depths at which rules
/// leave that read it.
class LoopSteps : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.groups = {spec.groups[0], spec.groups[1], spec.groups[3]};
    spec.groups[1].loops = kLoops;
    return spec;
  }

  LoopSteps() {
    Sequence sequence = engine_.start(loops_, 4, {}, 1);
    const std::int32_t token = 5;
    engine_.prefill(sequence, {&token, 1}, Engine::Logits::none, [&](const TracePoint& point) {
      if (point.group == 1) states_.emplace_back(point.states.begin(), point.states.end());
    });
  }

  [[nodiscard]] static double norm(const std::vector<double>& x) {
    double sum = 0;
    for (const double value : x) sum += value * value;
    return std::sqrt(sum);
  }
  [[nodiscard]] std::vector<double> state(int loop) const { return states_[static_cast<std::size_t>(loop)]; }
  [[nodiscard]] std::vector<double> step(int loop) const {
    std::vector<double> delta = state(loop);
    for (std::size_t i = 0; i < delta.size(); ++i) delta[i] -= state(loop - 1)[i];
    return delta;
  }
  [[nodiscard]] double acceleration(int loop) const {
    std::vector<double> second = step(loop);
    for (std::size_t i = 0; i < second.size(); ++i) second[i] -= step(loop - 1)[i];
    return norm(second);
  }
  [[nodiscard]] double one_minus_cosine(int loop) const {
    double product = 0;
    for (std::size_t i = 0; i < state(loop).size(); ++i) product += state(loop)[i] * state(loop - 1)[i];
    return 1 - product / norm(state(loop)) / norm(state(loop - 1));
  }

  /// The loops after which a rule leaves.
  [[nodiscard]] int depth_of(const std::string& rule) {
    Sequence sequence = engine_.start(loops_, 4, {}, 1);
    BoundedExit exit(parse_exit(rule), {model_.spec(), loops_, {}});
    TokenDepth depth;
    engine_.decode(sequence, 5, &exit, depth);
    return depth.loops[1];
  }

  static constexpr int kLoops = 6;
  ModelFolder folder_ = ModelFolder(spec());
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
  Engine engine_ = Engine(model_, 1);
  std::vector<std::vector<double>> states_;
};

std::string with_tau(std::string rule, double tau) {
  rule.insert(rule.find(':') + 1, fmt::format("tau={:.9g},", tau));
  return rule;
}

/// A rule whose threshold lies a little above or below what its quantity is after some loop leaves after the first loop
/// below it.
TEST_F(LoopSteps, AreWhatTheTraceShows) {
  ASSERT_EQ(states_.size(), 7U);
  struct Case {
    std::string rule;
    int first;
    std::function<double(int)> quantity;
  };
  const std::vector<Case> cases = {
      {"step:form=absolute", 1, [&](int k) { return norm(step(k)); }},
      {"step:form=relative", 1, [&](int k) { return norm(step(k)) / norm(state(k)); }},
      {"step:form=normalised", 1, [&](int k) { return norm(step(k)) / norm(step(1)); }},
      {"accel:form=absolute", 2, [&](int k) { return acceleration(k); }},
      {"accel:form=relative", 2, [&](int k) { return acceleration(k) / norm(state(k)); }},
      {"accel:form=normalised", 2, [&](int k) { return acceleration(k) / (norm(step(k)) + norm(step(k - 1))); }},
      {"accel:form=scalar", 2, [&](int k) { return std::abs(norm(step(k)) - norm(step(k - 1))); }},
      {"accel:form=ratio", 2, [&](int k) { return std::abs(norm(step(k)) / norm(step(k - 1)) - 1); }},
      {"ratio:side=below", 2, [&](int k) { return norm(step(k)) / norm(step(k - 1)); }},
      {"two-sided:factor=1,patience=9", 1, [&](int k) { return norm(step(k)) / norm(state(k)); }},
      {"two-sided:measure=accel,patience=9", 2, [&](int k) { return acceleration(k) / norm(state(k)); }},
      {"cosine:hits=1", 1, [&](int k) { return one_minus_cosine(k); }}};
  for (const Case& one : cases) {
    for (int around = one.first; around < kLoops; ++around) {
      for (const double factor : {0.999, 1.001}) {
        const double tau = factor * one.quantity(around);
        int wanted = kLoops;
        for (int loop = kLoops - 1; loop >= one.first; --loop) wanted = one.quantity(loop) < tau ? loop : wanted;
        EXPECT_EQ(depth_of(with_tau(one.rule, tau)), wanted) << one.rule << ", threshold near loop " << around;
      }
    }
  }
}

}  // namespace
}  // namespace gyre::loop_steps_test
