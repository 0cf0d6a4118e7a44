#include <gtest/gtest.h>

#include "train/config.hpp"
#include "train/tiny_spec.hpp"
#include "tune/grpo/grpo_config.hpp"
#include "tune/reward.hpp"
#include "tune/reward_encoder.hpp"

namespace gyre::examples_test {
namespace {

const std::filesystem::path kExamination = GYRE_TEST_DIR "/../examples/examination";

/// The weights of what is judged by, in the order of the file.
std::vector<double> weights_of(const nlohmann::json& rewards, const std::string& where) {
  RewardTools tools;
  tools.embed = [](std::span<const std::string> texts) { return std::vector<std::vector<float>>(texts.size()); };
  std::vector<double> weights;
  for (const Reward& reward : parse_rewards(rewards, where, tools)) weights.push_back(reward.weight);
  return weights;
}

TEST(Examination, EveryConfigOfTheExampleIsRead) {
  ModelSpec from = tiny_spec();
  from.context = 256;
  for (const char* stage : {"cpt.json", "sft.json"}) {
    EXPECT_EQ(load_plan(kExamination / stage, &from).adapter.value().rank, 16) << stage;
  }
  for (const char* arm : {"semantic.json", "correct.json", "rouge.json", "mixed.json"}) {
    const GrpoPlan plan = load_grpo_plan(kExamination / arm);
    EXPECT_EQ(plan.adapter.value().rank, 16) << arm;
    double sum = 0;
    for (const double weight : weights_of(plan.rewards, arm)) sum += weight;
    EXPECT_FLOAT_EQ(static_cast<float>(sum), 1) << arm;
  }
  const JudgePlan judge = load_judge_plan(kExamination / "judge.json");
  EXPECT_EQ(weights_of(judge.rewards, "judge.json").size(), 4U);
  EXPECT_NE(judge.encoder, load_grpo_plan(kExamination / "semantic.json").encoder);
}

}  // namespace
}  // namespace gyre::examples_test
