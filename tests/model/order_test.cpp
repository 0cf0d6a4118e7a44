#include "model/order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "model_folder.hpp"

namespace gyre::order_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// name layers x loops of each group, and its order where it has one.
std::vector<std::string> cut(const std::vector<int>& order, const std::vector<Skip>& skips = {}) {
  std::vector<std::string> said;
  for (const Group& group : cut_order(order, skips, "x")) {
    std::string text = fmt::format("{}: {} x {}", group.name, group.layers, group.loops);
    for (const int layer : group.order) text += fmt::format(" {}", layer);
    said.push_back(text);
  }
  return said;
}

using Said = std::vector<std::string>;

TEST(CutOrder, OfNeighboursRepeatedBackToBackGivesGroupsThatLoop) {
  EXPECT_EQ(cut({0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 6, 7}),
            (Said{"layers 0-2: 3 x 1", "layers 3-5: 3 x 3", "layers 6-7: 2 x 1"}));
  EXPECT_EQ(cut({0, 0, 1, 1, 1, 2}), (Said{"layer 0: 1 x 2", "layer 1: 1 x 3", "layer 2: 1 x 1"}));
  EXPECT_EQ(cut({0, 1, 0, 1}), (Said{"layers 0-1: 2 x 2"}));
  EXPECT_EQ(cut({0, 1, 2}), (Said{"layers 0-2: 3 x 1"}));
  EXPECT_EQ(cut({0, 1, 1, 2, 3, 2, 3}), (Said{"layer 0: 1 x 1", "layer 1: 1 x 2", "layers 2-3: 2 x 2"}));
}

TEST(CutOrder, OfLayersThatRunAgainLaterIsOneGroup) {
  EXPECT_EQ(cut({0, 1, 0}), (Said{"order: 2 x 1 0 1 0"}));
  EXPECT_EQ(cut({0, 1, 2, 1, 0}), (Said{"order: 3 x 1 0 1 2 1 0"}));
  EXPECT_EQ(cut({0, 1, 2, 1, 2, 3, 1}), (Said{"order: 4 x 1 0 1 2 1 2 3 1"}));
  EXPECT_EQ(cut({0, 1, 2, 1, 2, 1}), (Said{"order: 3 x 1 0 1 2 1 2 1"}));  // half a block more
  EXPECT_EQ(cut({1, 0}), (Said{"order: 2 x 1 1 0"}));
  EXPECT_EQ(cut({0, 2, 1}), (Said{"order: 3 x 1 0 2 1"}));
}

TEST(CutOrder, WithSkipsIsOneGroup) {
  const std::vector<Group> groups = cut_order(std::vector<int>{0, 1, 1}, std::vector<Skip>{{0, 2}}, "x");
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].order, (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(groups[0].skips, (std::vector<Skip>{{0, 2}}));
}

/// The description of a small model with `keys` in place of its groups.
nlohmann::json described(const nlohmann::json& keys) {
  nlohmann::json json = to_json(small_spec());
  json.erase("groups");
  json.update(keys);
  return json;
}

TEST(SpecOrder, StandsForGroupsAndComesBackAsThem) {
  const ModelSpec spec = parse_spec(described({{"order", {0, 1, 1, 2}}}), "x");
  ASSERT_EQ(spec.groups.size(), 3U);
  EXPECT_EQ(spec.default_loops(), (std::vector<int>{1, 2, 1}));
  EXPECT_EQ(parse_spec(to_json(spec), "again"), spec);
  const ModelSpec skipped = parse_spec(described({{"order", {0, 1, 0}}, {"skips", {{0, 2}, {0, 1}}}}), "x");
  EXPECT_EQ(skipped.groups[0].skips, (std::vector<Skip>{{0, 2}, {0, 1}}));
  EXPECT_EQ(skipped.groups[0].passes(), 3);
  EXPECT_EQ(parse_spec(to_json(skipped), "again"), skipped);
}

TEST(SpecOrder, MistakesAreNamedWithTheKey) {
  const auto says = [](const nlohmann::json& keys, const std::string& text) {
    EXPECT_THAT([&] { parse_spec(described(keys), "config.json"); },
                ThrowsMessage<Error>(AllOf(HasSubstr("config.json"), HasSubstr(text))))
        << keys;
  };
  const auto group = [](nlohmann::json keys) {
    keys.update({{"name", "a"}, {"layers", 2}});
    return nlohmann::json{{"groups", {keys}}};
  };
  says({{"order", {0}}, {"groups", nlohmann::json::array()}}, "order and groups are given");
  says({{"order", nlohmann::json::array()}}, "order is empty");
  says({{"order", {0, -1}}}, "order holds -1, which is no layer");
  says({{"order", {0, 4096}}}, "order holds 4096, which is no layer");
  says({{"order", {0, 2}}}, "order leaves layer 1 of 3 out");
  says({{"order", 3}}, "order");
  says({{"order", std::vector<int>(4097, 0)}}, "loops is 4097");
  says({{"skips", {{0, 1}}}}, "skips is given without order");
  says(group({{"order", {0, 2}}}), "groups[0]: order names layer 2 of 2");
  says(group({{"order", {0, 0}}}), "groups[0]: order leaves layer 1 of 2 out");
  says(group({{"skips", {{1, 1}}}}),
       "groups[0]: skips holds [1, 1]; give an earlier and a later one of its runs, 0 to 1");
  says(group({{"skips", {{0, 2}}}}), "groups[0]: skips holds [0, 2]");
  says(group({{"order", {0, 1, 0}}, {"skips", {{0, 2}, {1, 2}}}}), "groups[0]: two skips lead to run 2");
  says(group({{"skips", {{0, 1, 2}}}}), "skips holds [0,1,2]; give pairs of runs");
  says(group({{"skips", {3}}}), "skips holds 3; give pairs of runs");
  says(group({{"skips", {{0, "1"}}}}), "skips holds \"1\"");
}

TEST(SpecOrder, SkipsOfTheWholeModelNeedAnOrder) {
  nlohmann::json json = to_json(small_spec());
  json["skips"] = {{0, 1}};
  EXPECT_THAT([&] { parse_spec(json, "x"); }, ThrowsMessage<Error>(HasSubstr("skips is given without order")));
}

TEST(SpecOrder, LayersInAnOrderAreNotLoopedOnceMore) {
  ModelSpec spec = small_spec();
  spec.groups = {plain_group("a", 2)};
  spec.groups[0].order = {0, 1, 0};
  const auto looped = [&] { return with_loops(spec, parse_layer_loops("1x2", "--loop"), 1.0F, "--loop"); };
  EXPECT_THAT(looped, ThrowsMessage<Error>(AllOf(HasSubstr("--loop: layer 1"),
                                                 HasSubstr("whose order says already how its layers run"))));
  spec.groups[0].order.clear();
  spec.groups[0].skips = {{0, 1}};
  EXPECT_THAT(looped, ThrowsMessage<Error>(HasSubstr("whose skips say already")));
  spec.groups.push_back(plain_group("b", 2));
  // Those of other groups still are.
  EXPECT_EQ(with_loops(spec, parse_layer_loops("3x2", "--loop"), 1.0F, "--loop").groups.front(), spec.groups.front());
}

}  // namespace
}  // namespace gyre::order_test
