#include "model/spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model_folder.hpp"

namespace gyre::spec_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Spec, ComesBackFromItsJson) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const ModelSpec spec = random_spec(seed);
    const nlohmann::json json = nlohmann::json::parse(to_json(spec).dump());
    EXPECT_EQ(parse_spec(json, "x"), spec) << json.dump(2);
  }
}

TEST(Spec, EveryConfigOfTheRepositoryIsValid) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GYRE_TEST_DIR "/../configs")) {
    if (entry.path().extension() != ".json") continue;
    nlohmann::json json = load_json(entry.path());
    if (!json.contains("groups") && !json.contains("order")) continue;  // of another program
    if (!json.contains("vocab_size")) json["vocab_size"] = 100;         // training takes it from the text
    const ModelSpec spec = parse_spec(json, entry.path().string());
    EXPECT_FALSE(spec.name.empty()) << entry.path();
    EXPECT_EQ(parse_spec(to_json(spec), "again"), spec) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0);
}

TEST(Spec, NumbersLeftOutFollowFromTheOthers) {
  const ModelSpec spec =
      parse_spec(nlohmann::json::parse(
                     R"({"vocab_size": 9, "context": 8, "hidden_size": 12, "heads": 3, "groups": [{"name": "a"}]})"),
                 "x");
  EXPECT_EQ(spec.kv_heads, 3);
  EXPECT_EQ(spec.head_size, 4);
  EXPECT_EQ(spec.ffn_size, 48);
  EXPECT_EQ(spec.default_loops(), std::vector<int>{1});
  EXPECT_TRUE(spec.looped_groups().empty());
}

struct Mistake {
  std::string pointer;
  std::string value;  ///< JSON; empty: remove the key
  std::string says;
};

class WrongSpec : public ::testing::TestWithParam<Mistake> {};

TEST_P(WrongSpec, IsNamedWithFileAndKey) {
  nlohmann::json json = to_json(small_spec());
  const nlohmann::json::json_pointer pointer(GetParam().pointer);
  json[pointer] = nlohmann::json::parse(GetParam().value.empty() ? "0" : GetParam().value);
  if (GetParam().value.empty()) json[pointer.parent_pointer()].erase(pointer.back());
  EXPECT_THAT([&] { parse_spec(json, "config.json"); },
              ThrowsMessage<Error>(AllOf(HasSubstr("config.json"), HasSubstr(GetParam().says))));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongSpec,
    ::testing::Values(
        Mistake{"/hiden_size", "8", "unknown key \"hiden_size\""},
        Mistake{"/groups/1/loop", "8", "groups[1]: unknown key \"loop\""},
        Mistake{"/vocab_size", "", "\"vocab_size\" is missing"}, Mistake{"/heads", "\"4\"", "heads must be"},
        Mistake{"/heads", "0", "heads is 0"}, Mistake{"/context", "20000000", "context is 20000000"},
        Mistake{"/norm", "\"batch\"", "layer, rms"}, Mistake{"/norm_eps", "-1", "norm_eps is -1"},
        Mistake{"/norm_placement", "\"in\"", "sandwich"}, Mistake{"/position", "\"alibi\"", "rotary_half"},
        Mistake{"/mlp", "\"relu\"", "silu_gated"}, Mistake{"/biases", "1", "true or false"},
        Mistake{"/tied_head", "null", "true or false"}, Mistake{"/groups", "[]", "groups is empty"},
        Mistake{"/groups", "{}", "must be a list"}, Mistake{"/groups/0", "3", "groups[0]"},
        Mistake{"/groups/1/loops", "0", "loops is 0"}, Mistake{"/groups/1/loops", "1e3", "whole number"},
        Mistake{"/groups/1/name", "", "\"name\" is missing"},
        Mistake{"/groups/1/injection", "\"mul\"", "none, add, linear"},
        Mistake{"/groups/2/first_state", "\"zero\"", "without injection"},
        Mistake{"/groups/2/first_state", "\"one\"", "carried, zero, noise"},
        Mistake{"/kv_heads", "3", "kv_heads (3) must divide heads (4)"}, Mistake{"/kv_heads", "8", "must divide"},
        Mistake{"/head_size", "5", "must be even for rotary"}, Mistake{"/head_size", "0", "head_size is 0"},
        Mistake{"/groups/1/layers", "4096", "more than 4096 layers"},
        Mistake{"/groups/1/value_layers", "[1e30]", "value_layers holds 1e+30"},
        Mistake{"/groups/1/value_layers", "[0.5]", "value_layers holds 0.5"},
        Mistake{"/groups/1/fast", "{\"layers\": 0}", "groups[1]: fast: layers is 0"},
        Mistake{"/groups/1/fast", "{\"layers\": 1, \"loops\": 2}", "unknown key \"loops\""},
        Mistake{"/groups/1/fast", "{\"layers\": 64, \"runs\": 64}", "more than 4096 layers"},
        Mistake{"/rotary_divisors", "[1, 1e300]", "rotary_divisors holds"},
        Mistake{"/rotary_divisors", "[0, 1]", "rotary_divisors holds 0"},
        Mistake{"/model_type", "\"gpt2\"", "model_type is \"gpt2\""},
        Mistake{"/ffn_size", "4194305", "ffn_size is 4194305"},
        Mistake{"/hidden_size", "1048577", "hidden_size is 1048577"},
        Mistake{"/vocab_size", "16777217", "vocab_size is 16777217"},
        Mistake{"/vocab_size", "18446744073709551615", "vocab_size is"},
        Mistake{"/groups/1/loops", "4097", "loops is 4097"}, Mistake{"/embedding_scale", "1e300", "embedding_scale is"},
        Mistake{"/groups/1/damping", "2.5", "damping is 2.5"},
        Mistake{"/groups/1/noise_std", "0.5", "groups[1]: noise_std is given, but first_state"},
        Mistake{"/groups/2/bare_first_loop", "true", "groups[2]: bare_first_loop is given, which takes an injection"},
        Mistake{"/groups/1/exit_gate_norm", "true", "exit_gate_norm is given without exit_gate"},
        Mistake{"/groups/1/update_rank", "-1", "update_rank is -1"},
        Mistake{"/groups/1/loop_window", "4", "groups[1]: loop_window is given without first_loop_attention"},
        Mistake{"/groups/1/loop_window", "-1", "loop_window is -1"},
        Mistake{"/groups/1/first_loop_attention", "2", "true or false"},
        Mistake{"/groups/0/name", "\"embed\"", "groups[0].name is \"embed\", which is the name of"},
        Mistake{"/groups/3/name", "\"head\"", "groups[3].name is \"head\", which is the name of"},
        Mistake{"/groups/2/name", "\"loop a\"", "groups[2].name is \"loop a\", as is another"}));

// Programs that do not read a file make specs too: the bounds hold for them as well.
TEST(Spec, SizesOutOfBoundsAreNamedWhereverTheyComeFrom) {
  const auto expect_refused = [](const auto& change, const std::string& says) {
    ModelSpec spec = small_spec();
    change(spec);
    EXPECT_THAT([&] { validate(spec, "x"); }, ThrowsMessage<Error>(HasSubstr(says)));
  };
  expect_refused([](ModelSpec& spec) { spec.vocab_size = 0; }, "vocab_size is 0");
  expect_refused([](ModelSpec& spec) { spec.vocab_size = kMostVocab + 1; }, "vocab_size is 16777217");
  expect_refused([](ModelSpec& spec) { spec.context = 0; }, "context is 0");
  expect_refused([](ModelSpec& spec) { spec.context = kMostContext + 1; }, "context is 16777217");
  expect_refused([](ModelSpec& spec) { spec.hidden_size = kMostWidth + 1; }, "hidden_size is 1048577");
  expect_refused([](ModelSpec& spec) { spec.heads = -4; }, "heads is -4");
  expect_refused([](ModelSpec& spec) { spec.kv_heads = 0; }, "kv_heads is 0");
  expect_refused([](ModelSpec& spec) { spec.ffn_size = kMostFfn + 1; }, "ffn_size is 4194305");
  expect_refused([](ModelSpec& spec) { spec.groups[1].loops = kMostLoops + 1; }, "groups[1]: loops is 4097");
  expect_refused([](ModelSpec& spec) { spec.groups[1].layers = 0; }, "groups[1]: layers is 0");
  expect_refused([](ModelSpec& spec) { spec.norm_eps = NAN; }, "norm_eps is nan");
  expect_refused([](ModelSpec& spec) { spec.qk_norm_eps = INFINITY; }, "qk_norm_eps is inf");
  expect_refused([](ModelSpec& spec) { spec.rotary_theta = INFINITY; }, "rotary_theta is inf");
  expect_refused([](ModelSpec& spec) { spec.embedding_scale = NAN; }, "embedding_scale is nan");
  expect_refused([](ModelSpec& spec) { spec.logit_softcap = NAN; }, "logit_softcap is nan");
  expect_refused([](ModelSpec& spec) { spec.groups[2].noise_std = 2e6F; }, "groups[2]: noise_std is 2000000");
  expect_refused([](ModelSpec& spec) { spec.groups[2].noise_std = NAN; }, "groups[2]: noise_std is nan");
  expect_refused([](ModelSpec& spec) { spec.groups[2].damping = NAN; }, "groups[2]: damping is nan");
}

TEST(Spec, ProductsOfSizesThatNoMemoryHoldsAreNamed) {
  ModelSpec spec = small_spec();
  spec.groups[1].layers = 256;
  spec.groups[1].loops = 4096;
  // 256 · 4096 passes, and those of the other groups.
  EXPECT_THAT([&] { validate(spec, "x"); },
              ThrowsMessage<Error>(HasSubstr("layers times loops of the groups come to 1048584; at most 1048576")));
  spec.groups[1].layers = 255;
  EXPECT_NO_THROW(validate(spec, "x"));
  spec.context = kMostContext;
  EXPECT_NO_THROW(validate(spec, "x"));
  // 2^20 passes · 2^24 positions · 2^20 channels of keys and values of four bytes.
  spec.heads = spec.kv_heads = 1 << 16;
  spec.head_size = 16;
  EXPECT_THAT([&] { validate(spec, "x"); },
              ThrowsMessage<Error>(HasSubstr("context (16777216) times kv_heads (65536) times head_size (16)")));
}

TEST(Spec, DivisorsOfARotationNeedOne) {
  ModelSpec spec = small_spec();
  spec.rotary_divisors = {1, 2};
  EXPECT_NO_THROW(validate(spec, "x"));
  spec.position = PositionKind::learned;
  EXPECT_THAT([&] { validate(spec, "x"); },
              ThrowsMessage<Error>(HasSubstr("rotary_divisors is given, but position is \"learned\"")));
  spec.rotary_divisors.clear();
  EXPECT_NO_THROW(validate(spec, "x"));
  spec.rotary_bf16 = true;
  EXPECT_THAT([&] { validate(spec, "x"); },
              ThrowsMessage<Error>(HasSubstr("rotary_bf16 is given, but position is \"learned\"")));
}

TEST(Spec, KeysThatFewModelsNeedAreWrittenForThoseAlone) {
  const nlohmann::json plain = to_json(small_spec());
  for (const char* const key : {"norm_weights", "attention_gate", "prefix_lm", "rotary_divisors", "rotary_bf16",
                                "embedding_mix", "branch_scales", "query_gain"}) {
    EXPECT_FALSE(plain.contains(key)) << key;
  }
  for (const char* const key : {"norm", "tied_head", "logit_softcap", "qk_norm_eps"}) EXPECT_TRUE(plain.contains(key));
  EXPECT_EQ(plain["groups"][0], nlohmann::json::parse(R"({"name": "prelude", "layers": 1, "loops": 1})"));
  EXPECT_EQ(plain["groups"][1],
            nlohmann::json::parse(R"({"name": "loop a", "layers": 1, "loops": 4, "injection": "linear"})"));
}

/// Every key that is not at its default, and back.
TEST(Spec, EveryKeyIsReadAndWritten) {
  const nlohmann::json json = nlohmann::json::parse(R"({
      "model_type": "gyre", "name": "rich", "vocab_size": 3, "context": 4, "hidden_size": 32, "heads": 4,
      "kv_heads": 2, "head_size": 4, "ffn_size": 8, "norm": "rms", "norm_placement": "sandwich", "norm_eps": 0.25,
      "norm_weights": false, "final_norm": false, "embedding_norm": true, "qk_norm": "full", "qk_norm_eps": 0.125,
      "attention_gate": true, "prefix_lm": true, "position": "rotary_adjacent", "rotary_theta": 500.5,
      "rotary_divisors": [1.0, 2.5], "rotary_bf16": true, "mlp": "relu_squared", "biases": true, "qkv_biases": true, "tied_head": false,
      "logit_softcap": 15.0, "embedding_scale": -2.0,
      "embedding_mix": true, "branch_scales": true, "query_gain": true,
      "groups": [
        {"name": "prelude", "layers": 1, "loops": 1, "exit_norm": true, "exit_linear": true},
        {"name": "core", "layers": 2, "loops": 4, "injection": "decay", "first_state": "noise", "noise_std": 0.5,
         "loop_norm": true, "exit_gate": true, "damping": 0.5, "value_layers": [0, 1],
         "fast": {"layers": 1, "runs": 3}, "order": [1, 0, 1], "skips": [[0, 2]]},
        {"name": "end", "layers": 1, "loops": 2, "injection": "add", "bare_first_loop": true, "minus_state": true,
         "update_rank": 3, "exit_gate": true, "exit_gate_norm": true, "first_loop_attention": true}]})");
  const ModelSpec spec = parse_spec(json, "x");
  EXPECT_EQ(to_json(spec), json);
  EXPECT_EQ(spec.name, "rich");
  EXPECT_EQ(spec.kv_heads, 2);
  EXPECT_EQ(spec.norm_placement, NormPlacement::sandwich);
  EXPECT_EQ(spec.qk_norm_eps, 0.125F);
  EXPECT_EQ(spec.embedding_scale, -2.0F);
  EXPECT_EQ(spec.groups[1].fast, (FastStack{1, 3}));
  EXPECT_EQ(spec.groups[1].value_layers, (std::vector<int>{0, 1}));
  EXPECT_EQ(spec.groups[1].skips, (std::vector<Skip>{{0, 2}}));
  EXPECT_EQ(spec.groups[1].passes(), 6);
}

TEST(Spec, SwitchesOfALoopThatDoNotGoTogetherAreNamed) {
  ModelSpec spec = small_spec();
  Group& group = spec.groups[1];
  const auto says = [&](const char* what) {
    EXPECT_THAT([&] { validate(spec, "x"); }, ThrowsMessage<Error>(HasSubstr(what)));
  };
  group.bare_first_loop = true;
  EXPECT_NO_THROW(validate(spec, "x"));
  group.first_state = FirstState::zero;
  says("groups[1]: bare_first_loop is given, which takes an injection and first_state \"carried\"");
  group = small_spec().groups[1];
  group.update_rank = 2;
  EXPECT_NO_THROW(validate(spec, "x"));
  group.damping = 0.5F;
  says("groups[1]: update_rank and damping are given");
  group = small_spec().groups[1];
  group.first_loop_attention = true;
  group.loop_window = 3;
  EXPECT_NO_THROW(validate(spec, "x"));
  spec.prefix_lm = true;
  says("loop_window and prefix_lm are given");
}

TEST(Spec, OnlyNormsOfKindRmsGoWithoutWeights) {
  ModelSpec spec = small_spec();
  spec.norm_weights = false;
  EXPECT_NO_THROW(validate(spec, "x"));
  spec.norm = NormKind::layer;
  EXPECT_THAT([&] { validate(spec, "x"); }, ThrowsMessage<Error>(HasSubstr("norm_weights is false")));
}

TEST(Spec, AnOddHeadSizeIsFineWithLearnedPositions) {
  ModelSpec spec = small_spec();
  spec.head_size = 5;
  spec.position = PositionKind::learned;
  EXPECT_NO_THROW(validate(spec, "x"));
}

TEST(Spec, SizesWhoseProductNoIntegerHoldsAreRefused) {
  nlohmann::json json = to_json(small_spec());
  json["heads"] = 1 << 20;
  json["head_size"] = 1 << 20;
  EXPECT_THAT([&] { parse_spec(json, "config.json"); }, ThrowsMessage<Error>(HasSubstr("config.json")));
}

TEST(TensorTable, NamesEveryTensorOnce) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::set<std::string> names;
    for (const TensorInfo& info : tensor_table(random_spec(seed))) EXPECT_TRUE(names.insert(info.name).second);
  }
}

TEST(ParseLoops, GivesLoopedGroupsOneCountOrOneEach) {
  const ModelSpec spec = small_spec();
  EXPECT_EQ(parse_loops("8", spec, "--loops"), (std::vector<int>{1, 8, 8, 1}));
  EXPECT_EQ(parse_loops("2/9", spec, "--loops"), (std::vector<int>{1, 2, 9, 1}));
  EXPECT_EQ(spec.looped_groups(), (std::vector<int>{1, 2}));
}

TEST(ParseLoops, MistakesNameTheFlag) {
  for (const char* text : {"", "0", "-1", "x", "2/", "/2", "2//3", "1/2/3", "2.5", " 2", "99999", "99999999999"}) {
    EXPECT_THAT([&] { parse_loops(text, small_spec(), "--loops"); }, ThrowsMessage<Error>(HasSubstr("--loops")))
        << text;
  }
}

}  // namespace
}  // namespace gyre::spec_test
