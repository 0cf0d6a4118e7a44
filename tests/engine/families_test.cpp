#include "model/families.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/engine.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"

// Published families against the NumPy references in tests/parity (make_golden.py writes what is compared here).

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// Sixteen loops of f32 in another order of summation come to 5e-5.
constexpr float kTolerance = 1e-4F;

fs::path golden() { return fs::path(GYRE_TEST_DIR) / "parity" / "golden"; }

class Expected {
 public:
  explicit Expected(const std::string& family)
      : json(load_json(golden() / family / "expected.json")), file_(golden() / family / "expected.safetensors") {}

  [[nodiscard]] std::vector<float> floats(const std::string& name) const {
    const TensorView& tensor = file_.at(name);
    std::vector<float> values(tensor.element_count());
    widen(tensor, values);
    return values;
  }
  [[nodiscard]] std::vector<std::int32_t> tokens() const { return json.at("tokens"); }

  nlohmann::json json;

 private:
  Safetensors file_;
};

/// The largest error, relative to logits beyond 1.
float error(std::span<const float> got, std::span<const float> wanted) {
  if (got.size() != wanted.size()) return std::numeric_limits<float>::infinity();
  float worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const float difference = std::abs(got[i] - wanted[i]) / std::max(1.0F, std::abs(wanted[i]));
    worst = std::isnan(difference) ? std::numeric_limits<float>::infinity() : std::max(worst, difference);
  }
  return worst;
}

class FamilyTest : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] std::vector<int> loops(int count) const {
    std::vector<int> loops = model.spec().default_loops();
    for (const int group : model.spec().looped_groups()) loops[static_cast<std::size_t>(group)] = count;
    return loops;
  }
  Sequence start(int count, const KvPolicy& policy = {}) {
    return engine.start(loops(count), 64, policy, 1, NoiseStart::zero);
  }
  std::vector<float> prefill(int count) {
    Sequence sequence = start(count);
    const std::span<const float> logits = engine.prefill(sequence, expected.tokens(), Engine::Logits::all);
    return {logits.begin(), logits.end()};
  }
  std::vector<float> one_by_one(int count) {
    Sequence sequence = start(count);
    std::vector<float> all;
    TokenDepth depth;
    for (const std::int32_t token : expected.tokens()) {
      const std::span<const float> logits = engine.decode(sequence, token, nullptr, depth);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }

  const Expected expected{GetParam()};
  const Model model = Model::load(golden() / GetParam());
  Engine engine{model, 1};
};

TEST_P(FamilyTest, LogitsAreTheReferencesAtOnceAndTokenByToken) {
  if (!expected.json.contains("loops")) {
    EXPECT_LT(error(prefill(1), expected.floats("logits")), kTolerance);
    EXPECT_LT(error(one_by_one(1), expected.floats("logits")), kTolerance);
    return;
  }
  for (const int count : expected.json.at("loops")) {
    const std::vector<float> wanted = expected.floats("logits.loops_" + std::to_string(count));
    EXPECT_LT(error(prefill(count), wanted), kTolerance) << count << " loops at once";
    EXPECT_LT(error(one_by_one(count), wanted), kTolerance) << count << " loops token by token";
  }
}

TEST_P(FamilyTest, GreedyTextIsTheReferences) {
  Sequence sequence = start(expected.json.value("default_loops", 1));
  const std::vector<std::int32_t> wanted = expected.json.at("greedy");
  std::span<const float> logits = engine.prefill(sequence, expected.tokens(), Engine::Logits::last);
  TokenDepth depth;
  std::vector<std::int32_t> got;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    got.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    logits = engine.decode(sequence, got.back(), nullptr, depth);
  }
  EXPECT_EQ(got, wanted);
}

TEST_P(FamilyTest, StatesAfterEveryLoopAreTheReferences) {
  if (!expected.json.contains("loops")) GTEST_SKIP() << "this family does not loop";
  const std::vector<float> wanted = expected.floats("states");
  const std::size_t size = expected.tokens().size() * static_cast<std::size_t>(model.spec().hidden_size);
  const int core = model.spec().looped_groups().at(0);
  Sequence sequence = start(static_cast<int>(wanted.size() / size));
  std::vector<float> got;
  engine.prefill(sequence, expected.tokens(), Engine::Logits::none, [&](const TracePoint& point) {
    if (point.group == core && point.loop > 0) got.insert(got.end(), point.states.begin(), point.states.end());
  });
  EXPECT_LT(error(got, wanted), kTolerance);
}

std::vector<std::string> golden_families() {
  return {"llama", "smollm2",        "qwen2",          "qwen3",    "olmo2",  "gpt2",           "raven",
          "ouro",  "retrofit_llama", "retrofit_olmo2", "nanbeige", "parcae", "nanochat_looped"};
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyTest, testing::ValuesIn(golden_families()),
                         [](const auto& family) { return family.param; });

/// Early exits at depths that the reference gives, under each of its KV policies.
class FamilyExitTest : public FamilyTest {
 protected:
  static KvPolicy policy_of(const nlohmann::json& json) {
    const std::string slots = json.at("slots");
    if (json.at("lookup") == "last") return parse_kv_policy("last", "golden");
    if (slots == "loop") return {};
    return parse_kv_policy("latest:" + slots + "=" + std::to_string(json.at("count").get<int>()), "golden");
  }

  /// Tokens from `begin` on, one by one, each at its own depth: `max` bounds a rule that never fires.
  std::vector<float> at_depths(Sequence& sequence, std::span<const std::int32_t> tokens, std::span<const int> depths,
                               int most) {
    std::vector<float> all;
    TokenDepth depth;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const ExitContext context{model.spec(), loops(most), {}};
      BoundedExit exit(parse_exit("fixed:loops=" + std::to_string(depths[t])), context);
      const std::span<const float> logits = engine.decode(sequence, tokens[t], &exit, depth);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }
};

TEST_P(FamilyExitTest, LogitsAfterExitsAreTheReferencesUnderEveryPolicy) {
  const std::vector<std::int32_t> tokens = expected.tokens();
  const std::vector<int> depths = expected.json.at("exits").at("depths");
  const int most = expected.json.at("default_loops");
  int compared = 0;
  for (const auto& [name, policy] : expected.json.at("exits").at("policies").items()) {
    if (policy.at("lookup") == "all_or_last") continue;
    Sequence sequence = start(most, policy_of(policy));
    EXPECT_LT(error(at_depths(sequence, tokens, depths, most), expected.floats("exits." + name)), kTolerance) << name;
    ++compared;
  }
  EXPECT_GE(compared, 6);
}

TEST_P(FamilyExitTest, AndAfterAPromptThatWentInAtOnce) {
  const std::vector<std::int32_t> tokens = expected.tokens();
  const std::vector<int> depths = expected.json.at("exits").at("depths");
  const std::size_t prompt = expected.json.at("exits").at("prompt").at("tokens");
  const int most = expected.json.at("default_loops");
  for (const auto& [name, policy] : expected.json.at("exits").at("policies").items()) {
    if (policy.at("lookup") == "all_or_last") continue;
    Sequence sequence = start(most, policy_of(policy));
    const std::span<const float> first = engine.prefill(sequence, std::span(tokens).first(prompt), Engine::Logits::all);
    std::vector<float> got(first.begin(), first.end());
    const std::vector<float> rest =
        at_depths(sequence, std::span(tokens).subspan(prompt), std::span(depths).subspan(prompt), most);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_LT(error(got, expected.floats("prompt_exits." + name)), kTolerance) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyExitTest, testing::Values("raven", "ouro"),
                         [](const auto& family) { return family.param; });

TEST(OuroGateTest, LeavesWhereTheReferenceLeaves) {
  const Expected expected("ouro");
  const Model model = Model::load(golden() / "ouro");
  Engine engine(model, 1);
  const std::vector<int> loops = model.spec().default_loops();
  for (const auto& [threshold, chosen] : expected.json.at("gate_loops").items()) {
    BoundedExit exit(parse_exit("gate:threshold=" + threshold), {model.spec(), loops, {}});
    Sequence sequence = engine.start(loops, 64, {}, 1);
    std::vector<int> depths;
    std::vector<float> logits;
    TokenDepth depth;
    for (const std::int32_t token : expected.tokens()) {
      const std::span<const float> row = engine.decode(sequence, token, &exit, depth);
      depths.push_back(depth.loops.at(0));
      logits.insert(logits.end(), row.begin(), row.end());
    }
    EXPECT_EQ(depths, chosen.at("skipped").get<std::vector<int>>()) << threshold;
    EXPECT_LT(error(logits, expected.floats("skipped." + threshold)), kTolerance) << threshold;
  }
}

TEST(FamiliesTest, EveryFamilyHasANameAndSaysWhichModelsItReads) {
  for (const Family& family : families()) {
    EXPECT_FALSE(family.name.empty());
    EXPECT_FALSE(family.models.empty());
  }
}

}  // namespace
}  // namespace gyre
