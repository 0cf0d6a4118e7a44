#include "train/run_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.hpp"
#include "train/tiny_spec.hpp"

namespace gyre::run_settings_test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

json settings() { return run_settings(tiny_spec(), TrainConfig(), "d1", "t1"); }

std::string message_of(const json& before, const json& now, int step = 1) {
  try {
    require_same_run(before, now, "out/step-000001", step);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RunSettings, HoldTheSpecTheTrainingAndBothDigests) {
  const json held = settings();
  EXPECT_EQ(held.at("model"), to_json(tiny_spec()));
  EXPECT_EQ(held.at("training"), to_json(TrainConfig()));
  EXPECT_EQ(held.at("data_sha256"), "d1");
  EXPECT_EQ(held.at("tokenizer_sha256"), "t1");
}

TEST(RunSettings, OfTheSameRunHaveNoChange) { EXPECT_TRUE(require_same_run(settings(), settings(), "x", 5).empty()); }

/// Another value of the same type.
json changed(const json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() + 1;
  if (value.is_string()) return value.get<std::string>() + "x";
  return json::array({"8"});
}

// The list of what is free is written down again here: a key that becomes free by mistake fails.
TEST(RunSettings, RefuseEveryOtherValueButThoseOfTheFreeKeys) {
  const std::set<std::string> free = {"/model/name",
                                      "/training/steps",
                                      "/training/evaluate_every",
                                      "/training/evaluate_windows",
                                      "/training/evaluate_loops",
                                      "/training/checkpoint_every",
                                      "/training/checkpoint_at",
                                      "/training/export_bf16"};
  std::set<std::string> seen;
  const json flat = settings().flatten();
  for (const auto& [path, value] : flat.items()) {
    json other = settings();
    other[json::json_pointer(path)] = changed(value);
    const std::string message = message_of(settings(), other);
    const std::string key = path.substr(path.rfind('/') + 1);
    if (free.contains(path)) {
      seen.insert(path);
      EXPECT_EQ(message, "no error") << path;
      EXPECT_EQ(require_same_run(settings(), other, "x", 1).size(), 1U) << path;
    } else {
      EXPECT_THAT(message, AllOf(HasSubstr("out/step-000001"), HasSubstr(key + " is "))) << path;
    }
  }
  EXPECT_EQ(seen, free);
}

TEST(RunSettings, NameEveryDifferenceWithBothValues) {
  ModelSpec spec = tiny_spec();
  spec.heads = 4;
  spec.groups[1].loops = 5;
  TrainConfig config;
  config.seed = 7;
  config.steps = 2000;
  const json now = run_settings(spec, config, "d2", "t1");
  EXPECT_EQ(message_of(settings(), now),
            "out/step-000001 is of another run: data_sha256 is \"d1\" there and \"d2\" here, groups[1].loops is "
            "3 there and 5 here, heads is 2 there and 4 here, training.seed is 1 there and 7 here; resume with the "
            "settings and data it was begun with, or give another folder");
}

TEST(RunSettings, NameKeysThatOneRunLacks) {
  ModelSpec spec = tiny_spec();
  spec.groups[1].injection = Injection::add;
  const json other = run_settings(spec, TrainConfig(), "d1", "t1");
  EXPECT_THAT(message_of(settings(), other), HasSubstr("groups[1].injection is absent there and \"add\" here"));
  EXPECT_THAT(message_of(other, settings()), HasSubstr("groups[1].injection is \"add\" there and absent here"));
  spec = tiny_spec();
  spec.groups.pop_back();
  EXPECT_THAT(message_of(settings(), run_settings(spec, TrainConfig(), "d1", "t1")),
              HasSubstr("groups[1].loops is 3 there and absent here"));
}

TEST(RunSettings, TellTheFreeChangesWithBothValues) {
  TrainConfig config;
  config.steps = 2000;
  const auto changes = require_same_run(settings(), run_settings(tiny_spec(), config, "d1", "t1"), "x", 1000);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].key, "training.steps");
  EXPECT_EQ(changes[0].before, "1000");
  EXPECT_EQ(changes[0].now, "2000");
}

TEST(RunSettings, RefuseACheckpointBeyondTheStepsAskedFor) {
  EXPECT_EQ(message_of(settings(), settings(), 1000), "no error");
  EXPECT_THAT(message_of(settings(), settings(), 1001), AllOf(HasSubstr("1001"), HasSubstr("1000")));
}

TEST(RunSettings, OfAnOlderCheckpointAreThoseOfItsConfig) {
  json config = to_json(tiny_spec());
  config["training"] = {{"batch", 3}, {"learning_rate", 0.5}};
  TrainConfig training;
  training.batch = 3;
  training.learning_rate = 0.5F;
  const json told = settings_of_config(config, "config.json");
  json whole = run_settings(tiny_spec(), training, "", "");
  whole.erase("data_sha256");
  whole.erase("tokenizer_sha256");
  EXPECT_EQ(told, whole);
}

// Such programs held out the last examples; going on would train on what was measured before.
TEST(RunSettings, OfAnOlderCheckpointOfExamplesAreRefused) {
  json config = to_json(tiny_spec());
  config["training"] = {{"layout", "answers"}};
  EXPECT_THROW(settings_of_config(config, "config.json"), Error);
}

}  // namespace
}  // namespace gyre::run_settings_test
