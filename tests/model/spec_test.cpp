#include "model/spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model_folder.hpp"

namespace gyre {
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
    if (!json.contains("groups")) continue;                      // of another program
    if (!json.contains("vocab_size")) json["vocab_size"] = 100;  // training takes it from the text
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
    ::testing::Values(Mistake{"/hiden_size", "8", "unknown key \"hiden_size\""},
                      Mistake{"/groups/1/loop", "8", "groups[1]: unknown key \"loop\""},
                      Mistake{"/vocab_size", "", "\"vocab_size\" is missing"},
                      Mistake{"/heads", "\"4\"", "heads must be"}, Mistake{"/heads", "0", "heads is 0"},
                      Mistake{"/context", "2000000", "context is 2000000"}, Mistake{"/norm", "\"batch\"", "layer, rms"},
                      Mistake{"/norm_eps", "-1", "norm_eps is -1"}, Mistake{"/norm_placement", "\"in\"", "sandwich"},
                      Mistake{"/position", "\"alibi\"", "rotary_half"}, Mistake{"/mlp", "\"relu\"", "silu_gated"},
                      Mistake{"/biases", "1", "true or false"}, Mistake{"/tied_head", "null", "true or false"},
                      Mistake{"/groups", "[]", "groups is empty"}, Mistake{"/groups", "{}", "must be a list"},
                      Mistake{"/groups/0", "3", "groups[0]"}, Mistake{"/groups/1/loops", "0", "loops is 0"},
                      Mistake{"/groups/1/loops", "1e3", "whole number"},
                      Mistake{"/groups/1/name", "", "\"name\" is missing"},
                      Mistake{"/groups/1/injection", "\"mul\"", "none, add, linear"},
                      Mistake{"/groups/2/first_state", "\"zero\"", "without injection"},
                      Mistake{"/groups/2/first_state", "\"one\"", "carried, zero, noise"},
                      Mistake{"/kv_heads", "3", "kv_heads (3) must divide heads (4)"},
                      Mistake{"/kv_heads", "8", "must divide"}, Mistake{"/head_size", "5", "must be even for rotary"},
                      Mistake{"/head_size", "0", "head_size is 0"},
                      Mistake{"/groups/1/layers", "4096", "more than 4096 layers"},
                      Mistake{"/groups/1/value_layers", "[1e30]", "value_layers holds 1e+30"},
                      Mistake{"/groups/1/value_layers", "[0.5]", "value_layers holds 0.5"},
                      Mistake{"/groups/1/fast", "{\"layers\": 0}", "groups[1]: fast: layers is 0"},
                      Mistake{"/groups/1/fast", "{\"layers\": 1, \"loops\": 2}", "unknown key \"loops\""},
                      Mistake{"/groups/1/fast", "{\"layers\": 64, \"runs\": 64}", "more than 4096 layers"},
                      Mistake{"/rotary_divisors", "[1, 1e300]", "rotary_divisors holds"},
                      Mistake{"/rotary_divisors", "[0, 1]", "rotary_divisors holds 0"},
                      Mistake{"/model_type", "\"gpt2\"", "model_type is \"gpt2\""}));

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
}  // namespace gyre
