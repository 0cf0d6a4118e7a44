#include "model/families.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/engine.hpp"
#include "format/json_object.hpp"
#include "golden_checkpoint.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"
#include "relative_distance.hpp"

// Published families against the NumPy references in tests/parity (make_golden.py writes what is compared here).

namespace gyre::families_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Sixteen loops of f32 in another order of summation come to 5e-5.
constexpr float kTolerance = 1e-4F;

class FamilyTest : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] std::vector<int> loops(int count) const {
    std::vector<int> loops = model.spec().default_loops();
    for (const int group : model.spec().looped_groups()) loops[static_cast<std::size_t>(group)] = count;
    return loops;
  }
  Sequence start(int count, const KvPolicy& policy = {}) {
    return engine.start(loops(count), expected.context(), policy, 1, NoiseStart::zero);
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
  if (expected.has("logits.one_by_one")) return;  // its own code turns each token by the length so far
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

std::vector<std::string> golden_families() {
  return {"llama",          "smollm2",        "qwen2",          "qwen3",         "olmo2",           "gpt2",
          "raven",          "ouro",           "nanbeige",       "parcae",        "nanochat_looped", "hrm_text",
          "retrofit_llama", "retrofit_olmo2", "gemma3",         "gemma3_linear", "mistral",         "phi3",
          "llama_biases",   "llama_dynamic",  "llama_longrope", "qwen2_window",  "qwen2_yarn",      "qwen3_window",
          "raven_training", "base_loop",      "attractor",      "loopus",        "parameter_golf",  "iquestloopcoder"};
}

/// Those that were also computed under other values of their keys.
std::vector<std::string> switched_families() {
  return {"gemma3",         "gemma3_linear", "llama",        "llama_biases",   "llama_dynamic",
          "llama_longrope", "mistral",       "olmo2",        "phi3",           "qwen2_window",
          "qwen2_yarn",     "qwen3",         "qwen3_window", "iquestloopcoder"};
}

class FamilySwitchTest : public testing::TestWithParam<std::string> {};

TEST_P(FamilySwitchTest, LogitsAreTheReferencesUnderOtherValuesOfKeys) {
  const Expected expected(GetParam());
  const std::vector<std::int32_t> tokens = expected.tokens();
  ASSERT_FALSE(expected.json.at("switches").empty());
  for (const auto& [name, patch] : expected.json.at("switches").items()) {
    ChangedCheckpoint checkpoint(GetParam());
    checkpoint.config.merge_patch(patch);
    const std::string key = "logits." + name;
    const std::vector<float> got = logits_of(checkpoint.load(), tokens, expected.context(key));
    EXPECT_LT(error(got, expected.floats(key)), kTolerance) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilySwitchTest, testing::ValuesIn(switched_families()),
                         [](const auto& family) { return family.param; });

/// Where the rotation depends on the length, it is that of the room a sequence has, whatever goes in when.
TEST(FamilyLengths, ASequenceTurnsAsItsContextAsks) {
  for (const std::string family : {"llama_dynamic", "llama_longrope", "phi3"}) {
    const Expected expected(family);
    const Model model = Model::load(golden() / family);
    for (const int length : expected.json.at("lengths")) {
      if (static_cast<std::size_t>(length) < expected.tokens().size()) continue;
      const std::vector<float> wanted = expected.floats("logits.length_" + std::to_string(length));
      EXPECT_LT(error(logits_of(model, expected.tokens(), length), wanted), kTolerance) << family << " " << length;
    }
  }
}

/// Its class scales embeddings by a root that it rounds as the weights are.
TEST(Gemma3, OfBf16WeightsRoundsTheScaleOfItsEmbedding) {
  const Expected expected("gemma3");
  ChangedCheckpoint checkpoint("gemma3");
  const Model model = checkpoint.load(DType::bf16);
  EXPECT_LT(error(logits_of(model, expected.tokens()), expected.floats("logits.bf16")), kTolerance);
  EXPECT_GT(error(expected.floats("logits.bf16"), expected.floats("logits")), 100 * kTolerance);
}

/// Those of them that loop by themselves.
std::vector<std::string> looped_families() {
  return {"raven",           "ouro",     "retrofit_llama", "retrofit_olmo2", "nanbeige",  "parcae",
          "nanochat_looped", "hrm_text", "raven_training", "base_loop",      "attractor", "loopus",
          "iquestloopcoder"};
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyTest, testing::ValuesIn(golden_families()),
                         [](const auto& family) { return family.param; });

/// Loops one by one, and early exits at depths that the reference gives, under each of its KV policies.
class FamilyExitTest : public FamilyTest {
 protected:
  static KvPolicy policy_of(const nlohmann::json& json) {
    const std::string slots = json.at("slots");
    if (json.at("lookup") != "latest") return parse_kv_policy(json.at("lookup"), "golden");
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
  const int most = *std::ranges::max_element(depths);
  int compared = 0;
  for (const auto& [name, policy] : expected.json.at("exits").at("policies").items()) {
    Sequence sequence = start(most, policy_of(policy));
    EXPECT_LT(error(at_depths(sequence, tokens, depths, most), expected.floats("exits." + name)), kTolerance) << name;
    ++compared;
  }
  EXPECT_EQ(compared, GetParam() == "iquestloopcoder" ? 3 : 8);  // see FirstLoopAttention.* for the others
}

TEST_P(FamilyExitTest, AndAfterAPromptThatWentInAtOnce) {
  const std::vector<std::int32_t> tokens = expected.tokens();
  const std::vector<int> depths = expected.json.at("exits").at("depths");
  const std::size_t prompt = expected.json.at("exits").at("prompt").at("tokens");
  const int most = expected.json.at("exits").at("prompt").at("loops");
  for (const auto& [name, policy] : expected.json.at("exits").at("policies").items()) {
    Sequence sequence = start(most, policy_of(policy));
    const std::span<const float> first = engine.prefill(sequence, std::span(tokens).first(prompt), Engine::Logits::all);
    std::vector<float> got(first.begin(), first.end());
    const std::vector<float> rest =
        at_depths(sequence, std::span(tokens).subspan(prompt), std::span(depths).subspan(prompt), most);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_LT(error(got, expected.floats("prompt_exits." + name)), kTolerance) << name;
  }
}

TEST_P(FamilyExitTest, StatesAfterEveryLoopAreTheReferences) {
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

INSTANTIATE_TEST_SUITE_P(Families, FamilyExitTest, testing::ValuesIn(looped_families()),
                         [](const auto& family) { return family.param; });

class GateTest : public testing::TestWithParam<std::string> {};

TEST_P(GateTest, LeavesWhereTheReferenceLeaves) {
  const Expected expected(GetParam());
  const Model model = Model::load(golden() / GetParam());
  const auto group = static_cast<std::size_t>(model.spec().looped_groups().front());
  Engine engine(model, 1);
  const std::vector<int> loops = model.spec().default_loops();
  for (const auto& [threshold, leaves] : expected.json.at("gate_loops").items()) {
    const nlohmann::json& chosen = leaves.is_object() ? leaves.at("skipped") : leaves;
    const std::string options = threshold.find('=') == std::string::npos ? "threshold=" + threshold : threshold;
    BoundedExit exit(parse_exit("gate:" + options), {model.spec(), loops, {}});
    Sequence sequence = engine.start(loops, 64, {}, 1);
    std::vector<int> depths;
    std::vector<float> logits;
    TokenDepth depth;
    for (const std::int32_t token : expected.tokens()) {
      const std::span<const float> row = engine.decode(sequence, token, &exit, depth);
      depths.push_back(depth.loops.at(group));
      logits.insert(logits.end(), row.begin(), row.end());
    }
    EXPECT_EQ(depths, chosen.get<std::vector<int>>()) << threshold;
    EXPECT_LT(error(logits, expected.floats("skipped." + threshold)), kTolerance) << threshold;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GateTest, testing::Values("ouro", "loopus"),
                         [](const auto& family) { return family.param; });

/// A block without layers is no group; layers that no list names loop.
TEST(LoopUs, BlocksMayBeEmptyAndListsLeftOut) {
  const auto groups_of = [](const nlohmann::json& patch) {
    nlohmann::json config = load_json(golden() / "loopus" / "config.json");
    config.merge_patch(patch);
    std::string all;
    const Family& family = family_of(config, "x");
    for (const Group& group : map_checkpoint(family, config, TensorStore::open(golden() / "loopus"), "x").spec.groups) {
      all += fmt::format("{} {}x{} ", group.name, group.layers, group.loops);
    }
    return all;
  };
  EXPECT_EQ(groups_of(nlohmann::json::object()), "encoder 2x1 reasoning 2x4 decoder 1x1 ");
  EXPECT_EQ(groups_of({{"encoder_layer_indices", nullptr}}), "reasoning 2x4 decoder 1x1 ");
  EXPECT_EQ(groups_of({{"encoder_layer_indices", nullptr}, {"reasoning_layer_indices", nullptr}, {"N", nullptr}}),
            "reasoning 4x6 decoder 1x1 ");
  EXPECT_EQ(groups_of({{"decoder_layer_indices", nlohmann::json::array({-3})}, {"reasoning_layer_indices", nullptr}}),
            "encoder 2x1 reasoning 1x4 decoder 2x1 ");
}

/// What torch.compile, Lightning and DDP put before names changes nothing; other words do.
TEST(PrefixesOfNames, ThoseOfWrappersAreTakenOff) {
  for (const std::string family : {"raven_training", "base_loop", "attractor"}) {
    const std::vector<std::int32_t> tokens = Expected(family).tokens();
    const std::vector<float> wanted = logits_of(Model::load(golden() / family), tokens);
    for (const std::string prefix : {"", "_orig_mod.", "module._orig_mod.", "_orig_mod._original_module.", "model."}) {
      ChangedCheckpoint checkpoint(family);
      const auto stored = std::exchange(checkpoint.tensors, {});
      for (const auto& [name, tensor] : stored) {
        std::size_t front = std::string::npos;
        for (const char* const part : {"transformer.", "lm_head.", "freqs_cis"})
          front = std::min(front, name.find(part));
        checkpoint.tensors[prefix + name.substr(front)] = tensor;
      }
      EXPECT_EQ(logits_of(checkpoint.load(), tokens), wanted) << family << " " << prefix;
    }
    ChangedCheckpoint checkpoint(family);
    const auto stored = std::exchange(checkpoint.tensors, {});
    for (const auto& [name, tensor] : stored) checkpoint.tensors["ema." + name] = tensor;
    EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); }, ThrowsMessage<Error>(HasSubstr("tensor ema.")));
  }
}

TEST(HrmTextTest, APromptThatSeesItselfWholeGivesTheReferencesLogits) {
  const Expected expected("hrm_text");
  const Model model = Model::load(golden() / "hrm_text");
  const std::vector<std::int32_t> tokens = expected.tokens();
  const std::size_t prompt = expected.json.at("prefix");
  for (const int threads : {1, 2}) {
    Engine engine(model, threads);
    Sequence sequence = engine.start(model.spec().default_loops(), 64, {}, 1);
    sequence.whole_prompt = true;
    const std::span<const float> first = engine.prefill(sequence, std::span(tokens).first(prompt), Engine::Logits::all);
    std::vector<float> got(first.begin(), first.end());
    TokenDepth depth;
    for (std::size_t t = prompt; t < tokens.size(); ++t) {
      const std::span<const float> row = engine.decode(sequence, tokens[t], nullptr, depth);
      got.insert(got.end(), row.begin(), row.end());
    }
    EXPECT_LT(error(got, expected.floats("logits.prefix")), kTolerance) << threads << " threads";
  }
}

TEST(HrmTextTest, MatricesThatAreNotFusedGiveTheSameModel) {
  ChangedCheckpoint checkpoint("hrm_text");
  const int layers = checkpoint.config.at("num_hidden_layers");
  for (const char* const stack : {"L_module", "H_module"}) {
    for (int l = 0; l < layers; ++l) {
      const std::string layer = fmt::format("model.{}.layers.{}.", stack, l);
      const std::string attention = layer + "self_attn.";
      checkpoint.split(layer + "attn.gqkv_proj.weight", {attention + "gate_proj.weight", attention + "q_proj.weight",
                                                         attention + "k_proj.weight", attention + "v_proj.weight"});
      checkpoint.split(layer + "attn.o_proj.weight", {attention + "o_proj.weight"});
      checkpoint.split(layer + "mlp.gate_up_proj.weight",
                       {layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight"});
    }
  }
  // What transformers writes: the number of all passes, and beside it that of a stack's layers.
  checkpoint.config["num_layers_per_stack"] = layers;
  checkpoint.config["num_hidden_layers"] = layers * 2 * (3 + 1);
  checkpoint.config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", checkpoint.config["rope_theta"]}};
  checkpoint.config.erase("rope_theta");
  const std::vector<std::int32_t> tokens = Expected("hrm_text").tokens();
  EXPECT_EQ(logits_of(checkpoint.load(), tokens), logits_of(Model::load(golden() / "hrm_text"), tokens));
}

TEST(DecoderNames, RotationIsReadWhereTransformers5WritesItToo) {
  ChangedCheckpoint checkpoint("llama");
  const Model before = checkpoint.load();
  nlohmann::json rotation = checkpoint.config.at("rope_scaling");
  rotation["rope_theta"] = checkpoint.config.at("rope_theta");
  checkpoint.config.erase("rope_scaling");
  checkpoint.config.erase("rope_theta");
  const std::vector<std::int32_t> tokens = Expected("llama").tokens();
  const std::vector<float> wanted = logits_of(before, tokens);
  checkpoint.config["rope_parameters"] = rotation;
  EXPECT_EQ(logits_of(checkpoint.load(), tokens), wanted);
  checkpoint.config["rope_parameters"]["rope_theta"] = 77.0;
  EXPECT_NE(logits_of(checkpoint.load(), tokens), wanted);
  // Both: what was written before is preferred, as transformers does.
  checkpoint.config["rope_theta"] = rotation["rope_theta"];
  checkpoint.config["rope_scaling"] = rotation;
  checkpoint.config["rope_parameters"] = {{"rope_type", "default"}};
  EXPECT_EQ(logits_of(checkpoint.load(), tokens), wanted);
}

TEST(DecoderNames, RotationsThatDifferBetweenLayersOrChannelsAreRefused) {
  ChangedCheckpoint checkpoint("qwen3");
  checkpoint.config["rope_parameters"] = {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 1e6}}}};
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); },
              ThrowsMessage<Error>(HasSubstr("rope_parameters: full_attention is for some")));
  checkpoint.config["rope_parameters"] = {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}};
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); },
              ThrowsMessage<Error>(HasSubstr("partial_rotary_factor is set")));
}

/// A file may leave it out, and means what its class means then.
TEST(DecoderNames, AContextThatIsLeftOutIsThatOfTheFamily) {
  for (const auto& [family, context] : std::vector<std::pair<std::string, int>>{{"llama", 2048},
                                                                                {"qwen2", 32768},
                                                                                {"qwen3", 32768},
                                                                                {"olmo2", 2048},
                                                                                {"mistral", 131072},
                                                                                {"gemma3", 131072}}) {
    ChangedCheckpoint checkpoint(family);
    checkpoint.config.erase("max_position_embeddings");
    checkpoint.config.erase("rope_scaling");
    EXPECT_EQ(checkpoint.load().spec().context, context) << family;
  }
}

/// What `convert` writes of a family runs: see the cells "quantised" in README.md.
class FamilyStorageTest : public testing::TestWithParam<std::string> {
 protected:
  static Model written_as(const std::string& type, const Checkpoint& checkpoint, const fs::path& out) {
    convert(checkpoint, parse_storage(type, {}), out);
    return Model::load(out);
  }
  /// The family's kind of model with rows of whole blocks, so that every matrix is quantised: the golden ones are
  /// narrower.
  static ModelSpec of_whole_blocks(ModelSpec spec) {
    spec.kv_heads = std::max(1, 4 * spec.kv_heads / spec.heads);
    spec.heads = 4;
    spec.head_size = 16;
    spec.hidden_size = 64;
    spec.ffn_size = 96;
    spec.rotary_channels = 0;
    if (!spec.rotary_divisors.empty()) spec.rotary_divisors.assign(8, 2.0F);
    if (!spec.rotary_long_divisors.empty()) spec.rotary_long_divisors.assign(8, 3.0F);
    return spec;
  }

  const ScratchFolder scratch_;
};

TEST_P(FamilyStorageTest, AsAnF32FileItGivesTheSameLogitsToTheBit) {
  fs::copy(golden() / GetParam(), scratch_ / "model");
  Tokenizer::characters(kTestCharacters).save(scratch_ / "model" / "tokenizer.json");
  const std::vector<std::int32_t> tokens = Expected(GetParam()).tokens();
  const Checkpoint checkpoint = Checkpoint::open(scratch_ / "model");
  const std::vector<float> wanted = logits_of(checkpoint.model, tokens);
  EXPECT_EQ(logits_of(written_as("f32", checkpoint, scratch_ / "a.gguf"), tokens), wanted);
  EXPECT_LT(relative_distance(logits_of(written_as("q8_0", checkpoint, scratch_ / "b.gguf"), tokens), wanted), 0.03);
}

TEST_P(FamilyStorageTest, QuantisedItStaysClose) {
  ModelFolder folder(of_whole_blocks(Model::load(golden() / GetParam()).spec()), 3);
  folder.rewrite([](Weights& weights) {
    // Branches that add little, as trained ones do: else every loop multiplies the errors of the one before.
    for (auto& [name, values] : weights) {
      if (!name.ends_with(".out.weight") && !name.ends_with(".down.weight")) continue;
      for (float& value : values) value *= 0.3F;
    }
  });
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const std::vector<std::int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const std::vector<float> wanted = logits_of(checkpoint.model, tokens);
  const Model q8 = written_as("q8_0", checkpoint, folder.beside("q8.gguf"));
  const Model q4 = written_as("q4_0", checkpoint, folder.beside("q4.gguf"));
  EXPECT_EQ(q8.weight_type(), "q8_0");
  EXPECT_EQ(q4.weight_type(), "q4_0");
  // Found: 0.011 to 0.049, most at six loops, and 0.17 to 0.52.
  EXPECT_LT(relative_distance(logits_of(q8, tokens), wanted), 0.08);
  EXPECT_LT(relative_distance(logits_of(q4, tokens), wanted), 0.6);
  EXPECT_LT(relative_distance(logits_of(q8, tokens), wanted), relative_distance(logits_of(q4, tokens), wanted));
  // Rounded activations add no more to it than Q8_0 does: the same numbers, widened.
  const std::vector<float> exact = logits_of(Model::load(folder.beside("q8.gguf"), {WeightType::f32}), tokens);
  EXPECT_GT(relative_distance(exact, wanted), 1e-3);
  EXPECT_LT(relative_distance(logits_of(q8, tokens), exact), 0.08);
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyStorageTest, testing::ValuesIn(golden_families()),
                         [](const auto& family) { return family.param; });

TEST(FamiliesTest, EveryFamilyHasANameAndSaysWhichModelsItReads) {
  for (const Family& family : families()) {
    EXPECT_FALSE(family.name.empty());
    EXPECT_FALSE(family.models.empty());
  }
}

}  // namespace
}  // namespace gyre::families_test
