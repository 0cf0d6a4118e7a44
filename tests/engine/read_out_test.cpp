#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "golden_checkpoint.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"

// Exits that read early and save nothing, as Ouro's program does, against the NumPy reference; and the tables that
// looped nanochat rotates by.

namespace gyre::read_out_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kTolerance = 1e-4F;

/// What became of every token.
struct Said {
  std::vector<float> logits;
  std::vector<int> loops;
  std::vector<int> read;

  void add(const TokenDepth& depth) {
    loops.push_back(depth.loops.at(0));
    read.push_back(depth.read.at(0));
  }
};

class OuroReadOut : public ::testing::Test {
 protected:
  [[nodiscard]] BoundedExit exit(const std::string& rule) const {
    return {parse_exit(rule), {model_.spec(), model_.spec().default_loops(), {}}};
  }
  [[nodiscard]] Sequence start() const { return engine_.start(model_.spec().default_loops(), 64, {}, 1); }

  Said token_by_token(const std::string& rule) {
    BoundedExit one = exit(rule);
    Sequence sequence = start();
    Said said;
    TokenDepth depth;
    for (const std::int32_t token : expected_.tokens()) {
      const std::span<const float> row = engine_.decode(sequence, token, &one, depth);
      said.logits.insert(said.logits.end(), row.begin(), row.end());
      said.add(depth);
    }
    return said;
  }

  /// All at once, an exit a token.
  Said at_once(const std::string& rule) {
    const std::vector<std::int32_t> tokens = expected_.tokens();
    std::vector<BoundedExit> exits;
    for (std::size_t t = 0; t < tokens.size(); ++t) exits.push_back(exit(rule));
    Sequence sequence = start();
    std::vector<TokenDepth> depths;
    const std::span<const float> rows = engine_.prefill(sequence, tokens, Engine::Logits::all, exits, depths);
    Said said;
    said.logits.assign(rows.begin(), rows.end());
    for (const TokenDepth& depth : depths) said.add(depth);
    return said;
  }

  Expected expected_{"ouro"};
  Model model_ = Model::load(golden() / "ouro");
  Engine engine_ = Engine(model_, 1);
};

TEST_F(OuroReadOut, RunsAllLoopsAndReadsTheOneWhereTheGateLetsGo) {
  for (const auto& [threshold, chosen] : expected_.json.at("gate_loops").items()) {
    const std::string rule = "gate:threshold=" + threshold + ",save=no";
    for (const Said& said : {token_by_token(rule), at_once(rule)}) {
      EXPECT_EQ(said.read, chosen.at("gathered").get<std::vector<int>>()) << threshold;
      EXPECT_EQ(said.loops, std::vector<int>(said.loops.size(), 4)) << threshold;
      EXPECT_LT(error(said.logits, expected_.floats("gathered." + threshold)), kTolerance) << threshold;
    }
  }
}

TEST_F(OuroReadOut, WeighsTheLogitsOfAllLoops) {
  for (const Said& said : {token_by_token("gate-weighted"), at_once("gate-weighted")}) {
    EXPECT_EQ(said.loops, std::vector<int>(said.loops.size(), 4));
    EXPECT_EQ(said.read, std::vector<int>(said.read.size(), 0));
    EXPECT_LT(error(said.logits, expected_.floats("weighted")), kTolerance);
  }
}

/// Two loops at most: p = λ of the first, and what is left, whatever the second gate says.
TEST_F(OuroReadOut, WhatIsLeftFallsToTheLastLoopThatRuns) {
  const std::vector<float> gates = expected_.floats("gates");
  const std::vector<float> one = expected_.floats("logits.loops_1");
  const std::vector<float> two = expected_.floats("logits.loops_2");
  const std::size_t vocabulary = one.size() / expected_.tokens().size();
  std::vector<float> wanted(one.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double p = 1 / (1 + std::exp(-static_cast<double>(gates[i / vocabulary])));
    wanted[i] = static_cast<float>(p * static_cast<double>(one[i]) + (1 - p) * static_cast<double>(two[i]));
  }
  const Said said = token_by_token("gate-weighted:max=2");
  EXPECT_EQ(said.loops, std::vector<int>(said.loops.size(), 2));
  EXPECT_LT(error(said.logits, wanted), kTolerance);
}

/// With over=mean the gate of a prompt that leaves as one is that of the mean of its states, so the mean of its gates.
TEST_F(OuroReadOut, OfAPromptThatLeavesAsOneMayReadItsMean) {
  const std::vector<float> gates = expected_.floats("gates");  // those of the first loop stand first
  const std::vector<std::int32_t> tokens = expected_.tokens();
  double mean = 0;
  for (std::size_t t = 0; t < tokens.size(); ++t) mean += static_cast<double>(gates[t]);
  mean /= static_cast<double>(tokens.size());
  const double share = 1 / (1 + std::exp(-mean));
  const auto depth_at = [&](double threshold, const std::string& over) {
    BoundedExit rule = exit(fmt::format("gate:threshold={:.7g},over={}", threshold, over));
    Sequence sequence = start();
    TokenDepth depth;
    engine_.prefill(sequence, tokens, Engine::Logits::last, rule, depth);
    return depth.loops.at(0);
  };
  EXPECT_EQ(depth_at(share - 1e-4, "mean"), 1);
  EXPECT_GT(depth_at(share + 1e-4, "mean"), 1);
  const double last = 1 / (1 + std::exp(-static_cast<double>(gates[tokens.size() - 1])));
  ASSERT_GT(std::abs(last - share), 1e-3);
  EXPECT_EQ(depth_at(last - 1e-4, "last"), 1);
  EXPECT_GT(depth_at(last + 1e-4, "last"), 1);
}

TEST(GateWeighted, NeedsAHeadThatReadsTheGatedStatesAsTheyAre) {
  ModelSpec ouro = Model::load(golden() / "ouro").spec();
  const auto refusal = [](const ModelSpec& spec) {
    try {
      BoundedExit(parse_exit("gate-weighted"), {spec, spec.default_loops(), {}});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(ouro), "");
  for (const auto& change : std::vector<std::function<void(ModelSpec&)>>{
           [](ModelSpec& spec) { spec.final_norm = true; }, [](ModelSpec& spec) { spec.logit_softcap = 5; },
           [](ModelSpec& spec) { spec.groups[0].exit_norm = true; },
           [](ModelSpec& spec) { spec.groups[0].exit_linear = true; },
           [](ModelSpec& spec) { spec.groups[0].exit_gate = false; },
           [](ModelSpec& spec) { spec.groups.push_back(plain_group("coda", 1)); },
           [](ModelSpec& spec) { spec.groups.push_back(spec.groups[0]); }}) {
    ModelSpec changed = ouro;
    change(changed);
    EXPECT_THAT(refusal(changed), HasSubstr("exit gate-weighted: needs a model whose head reads"));
  }
}

/// The published program keeps cos and sin in bfloat16; the golden logits are made so.
TEST(NanochatRotation, IsByTablesInBfloat16UnlessTheDescriptionSaysOtherwise) {
  const Expected expected("nanochat_looped");
  const ScratchFolder scratch;
  std::filesystem::copy(golden() / "nanochat_looped", scratch / "model");
  Tokenizer::characters(kTestCharacters).save(scratch / "model" / "tokenizer.json");
  convert(Checkpoint::open(scratch / "model"), parse_storage("f32", {}), scratch / "gyre");
  const std::vector<float> wanted = expected.floats("logits.loops_4");
  const std::vector<float> exact = expected.floats("logits.f32_tables");
  EXPECT_GT(error(exact, wanted), 1e-3F);
  EXPECT_LT(error(logits_of(Model::load(scratch / "gyre"), expected.tokens()), wanted), kTolerance);
  nlohmann::json config = nlohmann::json::parse(read_text(scratch / "gyre" / "config.json"));
  EXPECT_EQ(config.at("rotary_bf16"), true);
  config["rotary_bf16"] = false;
  write_text_atomically(scratch / "gyre" / "config.json", config.dump());
  EXPECT_LT(error(logits_of(Model::load(scratch / "gyre"), expected.tokens()), exact), kTolerance);
}

}  // namespace
}  // namespace gyre::read_out_test
