#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "engine/huginn.hpp"
#include "engine/scheduler.hpp"
#include "golden_checkpoint.hpp"
#include "model_folder.hpp"

// What the programs of published models do with exits, against references that are written from its description.

namespace gyre::published_exits_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::uint64_t kNoise = 11;

/// A model of Huginn's kind, or with two looped groups that carry their states.
ModelSpec huginn_like(bool two_groups) {
  ModelSpec spec = small_spec();
  spec.norm_placement = NormPlacement::sandwich;
  if (two_groups) return spec;
  spec.groups = {spec.groups[0], spec.groups[1], spec.groups[3]};
  spec.groups[1].loops = 9;
  spec.groups[1].layers = 2;
  spec.groups[1].first_state = FirstState::noise;
  spec.groups[1].noise_std = 0.6F;
  spec.groups[1].exit_norm = true;
  return spec;
}

void expect_close(std::span<const float> got, const std::vector<double>& wanted, const std::string& where) {
  ASSERT_EQ(got.size(), wanted.size());
  double most = 1;
  for (const double value : wanted) most = std::max(most, std::abs(value));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), wanted[i], 2e-4 * most) << where << ", logit " << i;
  }
}

/// A criterion, and the options that make gyre's rule of its name behave as Huginn's program does.
struct Case {
  std::string criterion;
  int min_steps;
  int every;
};

std::string rule_of(const HuginnPass::Settings& settings) {
  const bool latent = settings.criterion == "latent-diff" || settings.criterion == "cosine";
  std::string rule = settings.criterion;
  rule += settings.criterion == "argmax-stability" ? ":steps=" + std::to_string(std::lround(settings.tau))
                                                   : fmt::format(":tau={}", settings.tau);
  rule += fmt::format(",first={},every={}", settings.min_steps + 1, settings.every);
  if (latent) rule += ",against=check";
  if (settings.criterion == "kl" || settings.criterion == "minp-kl") rule += ",start=uniform";
  if (settings.criterion == "entropy-diff") rule += ",start=100";
  if (settings.last_check) rule += ",end=check";
  if (!settings.saves) rule += ",save=no";
  return rule;
}

class HuginnProgram : public ::testing::TestWithParam<std::tuple<std::string, int, int, bool>> {
 protected:
  HuginnProgram() : folder_(huginn_like(std::get<3>(GetParam())), 7), model_(Model::load(folder_.path())) {}

  [[nodiscard]] const ModelSpec& spec() const { return folder_.spec(); }
  [[nodiscard]] HuginnPass::Settings settings() const {
    HuginnPass::Settings settings;
    std::tie(settings.criterion, settings.min_steps, settings.every, std::ignore) = GetParam();
    settings.last_check = settings.every > 1 && settings.criterion != "latent-diff" && settings.criterion != "cosine";
    return settings;
  }

  /// A threshold amid what the criterion sees of the prompt as one, so that some passes leave and others do not.
  [[nodiscard]] double threshold(HuginnPass::Settings settings) const {
    if (settings.criterion == "argmax-stability") return 2;
    settings.tau = 0;
    Reference reference(spec(), folder_.weights(), {}, kNoise);
    std::vector<double> values = HuginnPass(spec().default_loops(), settings).run(reference, prompt_, 0).values;
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 3;
    return middle + 1 < values.size() ? std::sqrt(values[middle] * values[middle + 1]) : 2 * values[middle];
  }

  /// A prompt as one, then tokens one by one: loops, loops read and logits are those of the reference.
  void compare(const HuginnPass::Settings& settings, const KvPolicy& policy) {
    const std::vector<int> most = spec().default_loops();
    const HuginnPass pass(most, settings);
    Reference reference(spec(), folder_.weights(), policy, kNoise);
    Engine engine(model_, 1);
    Sequence sequence = engine.start(most, 24, policy, kNoise);
    BoundedExit exit(parse_exit(rule_of(settings)), {spec(), most, {}});
    TokenDepth depth;
    const std::vector<std::int32_t> prompt(prompt_.begin(), prompt_.end());
    std::span<const float> logits = engine.prefill(sequence, prompt, Engine::Logits::last, exit, depth);
    std::vector<int> tokens = prompt_;
    for (int step = 0; step < 7; ++step) {
      SCOPED_TRACE(rule_of(settings) + ", step " + std::to_string(step));
      const HuginnPass::Outcome wanted = pass.run(reference, tokens, step == 0 ? 0 : sequence.length - 1);
      ASSERT_EQ(depth.loops, wanted.loops);
      ASSERT_EQ(depth.read.empty() ? depth.loops : depth.read, wanted.read);
      expect_close(logits, wanted.logits, "logits");
      early_ += wanted.loops != most ? 1 : 0;
      other_ += wanted.loops != wanted.read ? 1 : 0;
      tokens = {(5 * step + 3) % spec().vocab_size};
      logits = engine.decode(sequence, tokens.front(), &exit, depth);
    }
  }

  const std::vector<int> prompt_ = {3, 9, 4, 14, 1};
  ModelFolder folder_;
  Model model_;
  int early_ = 0;
  int other_ = 0;
};

TEST_P(HuginnProgram, LeavesAndSpeaksAsDescribed) {
  HuginnPass::Settings settings = this->settings();
  settings.tau = threshold(settings);
  for (const char* policy : {"latest", "last"}) compare(settings, parse_kv_policy(policy, "--kv"));
  if (settings.criterion == "argmax-stability" || settings.min_steps > 0) return;
  EXPECT_GT(early_, 0);
}

TEST_P(HuginnProgram, ReadsEarlyWhereNothingIsSaved) {
  HuginnPass::Settings settings = this->settings();
  settings.tau = threshold(settings);
  settings.last_check = false;
  settings.saves = false;
  compare(settings, {});
  EXPECT_EQ(early_, 0);
  if (settings.criterion == "argmax-stability" || settings.min_steps > 0) return;
  EXPECT_GT(other_, 0);
}

INSTANTIATE_TEST_SUITE_P(Criteria, HuginnProgram,
                         ::testing::Combine(::testing::Values("latent-diff", "cosine", "kl", "minp-kl", "entropy-diff",
                                                              "argmax-stability"),
                                            ::testing::Values(0, 2), ::testing::Values(1, 2, 3), ::testing::Bool()));

}  // namespace
}  // namespace gyre::published_exits_test
