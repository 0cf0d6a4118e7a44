#include "train/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/error.hpp"
#include "scratch_folder.hpp"
#include "train/tiny_spec.hpp"
#include "train/torch_adapter_config.hpp"

namespace gyre::config_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// Every key of "training" with a value that is not its default; but turns, which is of another layout.
json every_key() {
  return json::parse(R"({
    "vocabulary": "bpe", "bpe_size": 300, "layout": "answers", "validation_share": 0.25, "steps": 7, "batch": 3,
    "sequence": 9, "seed": 5, "precision": "f32", "dropout": 0.5, "loop_sampling": "poisson_lognormal",
    "loop_sigma": 0.75, "max_loops": 6, "backprop_loops": 2, "learning_rate": 0.5, "weight_decay": 0.125,
    "beta1": 0.5, "beta2": 0.75, "epsilon": 0.0625, "clip": 2.0, "schedule": "warmup_stable_decay", "warmup": 4,
    "decay_share": 0.5, "floor": 0.25, "evaluate_every": 11, "evaluate_windows": 12, "evaluate_loops": ["1", "4"],
    "checkpoint_every": 13, "checkpoint_at": [2, 5], "export_bf16": true,
    "loops_from": 0.5, "optimiser": "muon", "momentum": 0.75, "prompt_key": "q", "answer_key": "a", "split_key": "id",
    "truncate": "drop", "packing": true, "end_token": "</s>", "turns": "all", "ema": 0.5,
    "trainable": ["inject"], "loops_over": 0.125
  })");
}

/// Whether layout text, which is the default, has no use for the key.
bool is_of_examples(const std::string& key) {
  return std::set<std::string>{"prompt_key", "answer_key", "split_key", "truncate", "packing"}.contains(key);
}

TEST(TrainConfig, IsReadAndWrittenKeyByKey) {
  const json keys = every_key();
  EXPECT_EQ(to_json(parse_train_config(keys, "x")), keys);
  const json defaults = to_json(TrainConfig());
  EXPECT_EQ(defaults.size(), keys.size());
  EXPECT_EQ(to_json(parse_train_config(json::object(), "x")), defaults);
  for (const auto& [key, value] : keys.items()) {
    EXPECT_TRUE(key == "turns" || defaults.at(key) != value) << key;
    json given = {{key, value}};
    if (is_of_examples(key)) given["layout"] = "answers";
    json expected = defaults;
    expected.update(given);
    EXPECT_EQ(to_json(parse_train_config(given, "x")), expected) << key;
  }
}

TEST(TrainConfig, TakesEachValueFromItsKey) {
  const TrainConfig config = parse_train_config(every_key(), "x");
  EXPECT_EQ(config.vocabulary, VocabularyKind::bpe);
  EXPECT_EQ(config.layout, DataLayout::answers);
  EXPECT_EQ(config.precision, Precision::f32);
  EXPECT_EQ(config.loop_sampling, LoopSampling::poisson_lognormal);
  EXPECT_EQ(config.schedule, Schedule::warmup_stable_decay);
  EXPECT_EQ(config.beta1, 0.5F);
  EXPECT_EQ(config.beta2, 0.75F);
  EXPECT_EQ(config.epsilon, 0.0625F);
  EXPECT_EQ(config.weight_decay, 0.125F);
  EXPECT_EQ(config.clip, 2.0F);
  EXPECT_EQ(config.floor, 0.25F);
  EXPECT_EQ(config.decay_share, 0.5F);
  EXPECT_EQ(config.warmup, 4);
  EXPECT_EQ(config.backprop_loops, 2);
  EXPECT_EQ(config.max_loops, 6);
  EXPECT_EQ(config.validation_share, 0.25F);
  EXPECT_EQ(config.loops_from, 0.5F);
  EXPECT_EQ(config.optimiser, OptimiserKind::muon);
  EXPECT_EQ(config.momentum, 0.75F);
}

TEST(TrainConfig, SettingsOfAnOlderProgramGetTheDefaultsOfNewKeys) {
  json older = every_key();
  for (const char* const key : {"loops_from", "optimiser", "momentum"}) older.erase(key);
  json expected = every_key();
  expected.update({{"loops_from", 0.0}, {"optimiser", "adamw"}, {"momentum", to_json(TrainConfig()).at("momentum")}});
  EXPECT_EQ(with_every_key(older), expected);
  EXPECT_EQ(with_every_key(every_key()), every_key());
  EXPECT_EQ(with_every_key(json(3)), json(3));
}

TEST(TrainConfig, RefusesWhatIsNoStepOrNoDepth) {
  for (const json& step : {json(1.5), json(true), json(0), json(-3), json("3"), json(2'000'000'000)}) {
    EXPECT_THROW(parse_train_config({{"checkpoint_at", {step}}}, "x"), Error) << step;
  }
  for (const json& depth : {json(1.5), json(true), json(0), json(-3), json(nullptr)}) {
    EXPECT_THROW(parse_train_config({{"evaluate_loops", {depth}}}, "x"), Error) << depth;
  }
}

TEST(TrainConfig, RefusesToLearnNothing) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch / "config.json";
  std::ofstream(file) << R"({"training": {"trainable": []}})";
  EXPECT_THAT([&] { load_plan(file); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("training.trainable is empty")));
  EXPECT_THROW(parse_adapter_config({{"alpha", 0}}, "x"), Error);
}

TEST(TrainConfig, TakesDepthsAsNumbersAndAsTexts) {
  const TrainConfig config = parse_train_config(json::parse(R"({"evaluate_loops": [1, "4", "2/4"]})"), "x");
  EXPECT_EQ(config.evaluate_loops, (std::vector<std::string>{"1", "4", "2/4"}));
}

TEST(TrainConfig, RefusesNumbersThatAreNotFiniteOrOutOfRange) {
  const ScratchFolder scratch;
  for (const std::string key :
       {"learning_rate", "validation_share", "clip", "loop_sigma", "dropout", "loops_from", "momentum"}) {
    for (const std::string value : {"NaN", "Infinity", "-Infinity", "1e999", "1e39", "-0.5", "\"nan\"", "null"}) {
      json config = to_json(tiny_spec());
      config["training"] = json::object();
      std::string text = config.dump();
      text.insert(text.find("\"training\":{") + 12, "\"" + key + "\":" + value);
      std::ofstream(scratch / "config.json") << text;
      EXPECT_THROW(load_plan(scratch / "config.json"), Error) << key << " " << value;
    }
  }
}

/// What is said of a spec whose JSON is changed at `path`.
std::string message_for(const std::string& path, const json& value) {
  TrainingPlan plan{to_json(tiny_spec()), {}, {}, "config.json"};
  plan.training.sequence = 8;
  plan.json[json::json_pointer(path)] = value;
  try {
    spec_of(plan, 11);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TrainingPlan, TakesEveryKeyThatTheTrainableModelComputes) {
  const std::vector<std::pair<std::string, json>> keys = {
      {"/norm", "layer"},
      {"/norm_placement", "sandwich"},
      {"/norm_eps", 0.5},
      {"/final_norm", false},
      {"/position", "learned"},
      {"/rotary_theta", 500},
      {"/mlp", "gelu"},
      {"/biases", true},
      {"/tied_head", false},
      {"/embedding_scale", 2},
      {"/context", 9},
      {"/groups/1/injection", "linear"},
      {"/qk_norm", "head"},
      {"/embedding_norm", true},
      {"/norm_weights", false},
      {"/logit_softcap", 30},
      {"/rotary_channels", 2},
      {"/embedding_mix", true},
      {"/branch_scales", true},
      {"/query_gain", true},
      {"/groups/1/loops", 9},
      {"/groups/1/order", {0, 0}},
      {"/groups/1", {{"name", "skipping"}, {"layers", 2}, {"skips", {{0, 1}}}}},
      {"/groups/1",
       {{"name", "noisy"}, {"loops", 2}, {"injection", "add"}, {"first_state", "noise"}, {"noise_std", 2}}}};
  for (const auto& [path, value] : keys) EXPECT_EQ(message_for(path, value), "no error") << path;
}

TEST(TrainingPlan, IsReadFromEveryConfigOfTheProject) {
  int plans = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GYRE_TEST_DIR "/../configs")) {
    if (entry.path().filename() == "raman.json") continue;  // of gyre-raman
    EXPECT_NO_THROW(load_plan(entry.path())) << entry.path();
    ++plans;
  }
  EXPECT_GE(plans, 7);
}

}  // namespace
}  // namespace gyre::config_test
