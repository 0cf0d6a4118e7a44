#include "tune/grpo/grpo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <atomic>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "model_folder.hpp"
#include "tune/comparison.hpp"
#include "tune/grpo/grpo_prompts.hpp"
#include "tune/grpo/learning.hpp"

namespace gyre::grpo_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::ThrowsMessage;

ModelSpec one_loop_spec() {
  ModelSpec spec = small_spec();
  spec.groups = {plain_group("prelude", 1), plain_group("core", 1), plain_group("coda", 1)};
  spec.groups[1].loops = 3;
  spec.groups[1].injection = Injection::linear;
  spec.groups[1].exit_gate = true;
  return spec;
}

/// A small model, prompts, and a reward for the letter "a".
class Grpo : public ::testing::Test {
 protected:
  explicit Grpo(const ModelSpec& spec = one_loop_spec()) : folder_(spec) {
    std::string lines;
    for (const char* const prompt : {"ab", "cd ef", "gh", "no", "kl", "hij"})
      lines += json{{"prompt", prompt}}.dump() + "\n";
    write_text_atomically(folder_.beside("prompts.jsonl"), lines);
    config_ = {{"grpo",
                {{"steps", 6},
                 {"prompts", 2},
                 {"completions", 4},
                 {"tokens", 5},
                 {"rows", 3},
                 {"learning_rate", 0.02},
                 {"validation_share", 0.2},
                 {"evaluate_every", 3},
                 {"completions_every", 2}}},
               {"adapter", {{"rank", 4}}},
               {"rewards", json::array({{{"kind", "form"}, {"patterns", json::array({"a"})}}})}};
  }

  [[nodiscard]] GrpoRequest request(const std::string& out) {
    write_text_atomically(folder_.beside("grpo.json"), config_.dump());
    GrpoRequest request;
    request.config = folder_.beside("grpo.json");
    request.model = folder_.path();
    request.data = folder_.beside("prompts.jsonl");
    request.out = folder_.beside(out);
    request.threads = 1;
    return request;
  }
  [[nodiscard]] std::vector<json> rows(const std::string& out) const {
    std::vector<json> rows;
    std::istringstream lines(read_text(folder_.beside(out) / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
    return rows;
  }
  [[nodiscard]] std::string learned(const std::string& out) const {
    const fs::path file = config_.contains("adapter") ? "adapter/adapter_model.safetensors" : "model/model.safetensors";
    return read_text(folder_.beside(out) / file);
  }
  void expect_refused(const std::string& why) {
    EXPECT_THAT([&] { grpo(request("refused")); }, ThrowsMessage<Error>(HasSubstr(why)));
    EXPECT_FALSE(fs::exists(folder_.beside("refused"))) << why;
  }

  const ModelFolder folder_;
  json config_;
};

TEST_F(Grpo, WritesWhatIsRewardedMoreOften) {
  config_["grpo"]["steps"] = 80;
  config_["grpo"]["completions"] = 16;
  config_["grpo"]["learning_rate"] = 0.003;
  config_.erase("adapter");
  ASSERT_TRUE(grpo(request("out")));
  std::vector<double> rewards;
  for (const json& row : rows("out")) {
    if (!row.contains("loss")) continue;
    rewards.push_back(row.at("reward"));
    EXPECT_THAT(row.at("log_p_mismatch").get<double>(), Lt(1e-4));
  }
  ASSERT_EQ(rewards.size(), 80U);
  const auto mean = [&](std::size_t begin) {
    return std::accumulate(rewards.begin() + static_cast<std::ptrdiff_t>(begin),
                           rewards.begin() + static_cast<std::ptrdiff_t>(begin) + 10, 0.0) /
           10;
  };
  EXPECT_THAT(mean(70), Ge(mean(0) + 0.3));
}

TEST_F(Grpo, GoesOnFromACheckpointAsIfNothingHadHappened) {
  for (const bool adapter : {true, false}) {
    SCOPED_TRACE(adapter ? "adapter" : "all weights");
    if (!adapter) config_.erase("adapter");
    const std::string whole = adapter ? "a" : "b";
    ASSERT_TRUE(grpo(request(whole)));
    GrpoRequest half = request(whole + "2");
    config_["grpo"]["steps"] = 6;
    std::atomic<bool> stop = false;
    // Stops behind the third step: its checkpoint is what a killed run leaves as well.
    half.steps = 6;
    half.stop = Stop(stop);
    config_["grpo"]["checkpoint_every"] = 1;
    GrpoRequest three = half;
    three.steps = 3;
    ASSERT_TRUE(grpo(three));
    fs::remove_all(folder_.beside(whole + "2") / (adapter ? "adapter" : "model"));
    half.resume = true;
    ASSERT_TRUE(grpo(half));
    EXPECT_TRUE(learned(whole + "2") == learned(whole));
  }
}

TEST_F(Grpo, OfEveryFormRuns) {
  const std::vector<json> settings = {{{"loss", "dr_grpo"}, {"updates", 2}},
                                      {{"loss", "dapo"}, {"clip_high", 0.28}, {"kl", 0.05}, {"mask_truncated", true}},
                                      {{"loop_credit", "uniform"}, {"updates", 2}},
                                      {{"loop_credit", "progressive"}, {"loop_credit_power", 2}},
                                      {{"loop_credit", "exit"}},
                                      {{"exit", "fixed:loops=2"}},
                                      {{"planning_weight", 0.2}, {"planning_phrases", json::array({"ab", "c"})}},
                                      {{"loops", "2"}, {"advantages", "none"}, {"temperature", 0.7}, {"top_k", 5}}};
  const json plain = config_["grpo"];
  for (std::size_t i = 0; i < settings.size(); ++i) {
    SCOPED_TRACE(settings[i].dump());
    config_["grpo"] = plain;
    config_["grpo"].update(settings[i]);
    config_["grpo"]["steps"] = 2;
    const std::string out = "out" + std::to_string(i);
    ASSERT_TRUE(grpo(request(out)));
    const json row = rows(out)[1];
    EXPECT_TRUE(std::isfinite(row.at("loss").get<double>()));
    const bool exits = settings[i].contains("exit");
    EXPECT_EQ(row.at("log_p_mismatch").get<double>() < 1e-4, !exits);
    EXPECT_DOUBLE_EQ(row.at("loops_per_token").get<double>(), exits || settings[i].contains("loops") ? 2 : 3);
  }
}

TEST_F(Grpo, RefusesWhatItCannotDo) {
  const json good = config_;
  const std::pair<json, std::string> changes[] = {
      {{{"grpo", {{"completion", 3}}}}, "completion"},
      {{{"grpo", {{"completions", 1}}}}, "completions"},
      {{{"grpo", {{"loss", "ppo"}}}}, "ppo"},
      {{{"grpo", {{"planning_weight", 0.5}}}}, "planning_phrases"},
      {{{"grpo", {{"loop_credit_power", 2}}}}, "loop_credit_power"},
      {{{"grpo", {{"chat", true}}}}, "chat"},
      {{{"grpo", {{"tokens", 20}}}}, "line 2"},
      {{{"adapter", {{"targets", json::array({"query"})}}}}, "query"},
      {{{"encoder", "nowhere"}}, "no reward of kind"},
      {{{"encoder", "nowhere"}, {"rewards", {{{"kind", "semantic"}}}}}, "nowhere"},
      {{{"rewards", json::array()}}, "rewards"}};
  for (const auto& [change, why] : changes) {
    config_ = good;
    config_.merge_patch(change);
    expect_refused(why);
  }
}

TEST_F(Grpo, RefusesPromptsThatAreNone) {
  const std::pair<std::string, std::string> files[] = {{"", "no prompts"},
                                                       {"{\"prompt\": \"ab\"}\n{\"text\": \"x\"}\n", "line 2"},
                                                       {"{\"prompt\": \" \"}\n", "blank"},
                                                       {"{\"prompt\": \"ab\", \"messages\": []}\n", "both"}};
  for (const auto& [text, why] : files) {
    write_text_atomically(folder_.beside("prompts.jsonl"), text);
    expect_refused(why);
  }
}

TEST_F(Grpo, NamesTheLineOfAReferenceThatCannotBeComparedBeforeItBegins) {
  config_["rewards"] = json::array({{{"kind", "correct"}, {"compare", "number"}}});
  std::string lines;
  for (const auto& [prompt, answer] : {std::pair("ab", "1"), {"cd", "2"}, {"ef", "3"}, {"gh", "none"}, {"no", "5"}}) {
    lines += json{{"prompt", prompt}, {"answer", answer}}.dump() + "\n";
  }
  write_text_atomically(folder_.beside("prompts.jsonl"), lines);
  expect_refused("prompts.jsonl, line 4 has \"none\" in the column \"answer\", which is no number");
}

TEST_F(Grpo, RefusesToHoldOutWhatItLearnsFrom) {
  write_text_atomically(folder_.beside("held.jsonl"), "{\"prompt\": \"a b\"}\n{\"prompt\": \"gh\"}\n");
  GrpoRequest both = request("refused");
  both.held_out = folder_.beside("held.jsonl");
  EXPECT_THAT([&] { grpo(both); }, ThrowsMessage<Error>(HasSubstr("1 of its 2 prompts, the first in line 2, are in")));
  EXPECT_FALSE(fs::exists(folder_.beside("refused")));
}

TEST_F(Grpo, AnswersPromptsOfAnotherFileAndLearnsFromNoneOfThem) {
  write_text_atomically(folder_.beside("held.jsonl"), "{\"prompt\": \"a b\"}\n{\"prompt\": \"c\", \"key\": 3}\n");
  GrpoRequest only = request("only");
  only.data.clear();
  only.held_out = folder_.beside("held.jsonl");
  only.evaluate = true;
  ASSERT_TRUE(grpo(only));
  EXPECT_FALSE(fs::exists(folder_.beside("only") / "adapter"));
  const Completions answers = read_completions(folder_.beside("only") / "held_out.jsonl");
  ASSERT_EQ(answers.items.size(), 2U);
  EXPECT_EQ(answers.items[1].columns.at("key"), 3);

  config_["grpo"]["steps"] = 1;
  GrpoRequest both = request("both");
  both.held_out = folder_.beside("held.jsonl");
  ASSERT_TRUE(grpo(both));
  EXPECT_EQ(read_completions(folder_.beside("both") / "held_out.jsonl").items.size(), 2U);
  EXPECT_TRUE(fs::exists(folder_.beside("both") / "adapter"));

  only.held_out.clear();
  EXPECT_THAT([&] { grpo(only); }, ThrowsMessage<Error>(HasSubstr("held-out")));
}

TEST_F(Grpo, RefusesToGoOnWithAnotherRun) {
  config_["grpo"]["steps"] = 1;
  ASSERT_TRUE(grpo(request("out")));
  config_["grpo"]["temperature"] = 0.5;
  GrpoRequest other = request("out");
  EXPECT_THAT([&] { grpo(other); }, ThrowsMessage<Error>(HasSubstr("already holds a run")));
  other.resume = true;
  EXPECT_THAT([&] { grpo(other); }, ThrowsMessage<Error>(HasSubstr("temperature")));
}

TEST(PromptsOfStep, AreAllOfThemBeforeAnyComesAgain) {
  std::vector<std::size_t> seen;
  for (int step = 1; step <= 5; ++step) {
    for (const std::size_t i : prompts_of_step(5, 2, step, 7)) seen.push_back(i);
  }
  std::sort(seen.begin(), seen.begin() + 5);
  std::sort(seen.begin() + 5, seen.end());
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4, 0, 1, 2, 3, 4));
}

TEST(PlanningTokens, AreThoseThatShareACharacterWithAPhrase) {
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  const std::vector<bool> planning = planning_tokens(tokenizer.encode("ab cab"), tokenizer, {"ab", "c"});
  EXPECT_THAT(planning, ElementsAre(true, true, false, true, true, true));
}

class Rollouts : public ::testing::Test {
 protected:
  static RolloutOptions options(const ModelSpec& spec) {
    RolloutOptions options;
    options.completions = 3;
    options.tokens = 6;
    options.loops = spec.default_loops();
    options.sampling.temperature = 1;
    options.sampling.seed = 5;
    options.end_tokens = {0};
    return options;
  }
  const ModelFolder folder_;
  const Model model_ = Model::load(folder_.path());
  Engine engine_{model_, 2};
};

TEST_F(Rollouts, DoNotDependOnThoseBesideThem) {
  const std::vector<std::vector<std::int32_t>> prompts = {{1, 2, 3}, {4}, {5, 6}};
  RolloutCount count;
  const std::vector<Completion> all = draw_completions(engine_, prompts, options(model_.spec()), count);
  ASSERT_EQ(all.size(), 9U);
  RolloutOptions fewer = options(model_.spec());
  fewer.completions = 1;
  const std::vector<Completion> first = draw_completions(engine_, std::span(prompts).first(1), fewer, count);
  EXPECT_EQ(first.front().tokens, all.front().tokens);
  for (const Completion& completion : all) {
    EXPECT_EQ(completion.truncated, completion.tokens.back() != 0);
    EXPECT_EQ(completion.log_p.size(), completion.tokens.size());
  }
}

TEST_F(Rollouts, SayWhatTheModelSaysOfTheirTokens) {
  const std::vector<std::vector<std::int32_t>> prompts = {{1, 2, 3}};
  RolloutCount count;
  RolloutOptions wanted = options(model_.spec());
  wanted.end_tokens.clear();
  const Completion completion = draw_completions(engine_, prompts, wanted, count).front();
  std::vector<std::int32_t> text = prompts.front();
  text.insert(text.end(), completion.tokens.begin(), completion.tokens.end());
  Sequence sequence = engine_.start(wanted.loops, 16, {}, 1);
  const std::span<const float> logits = engine_.prefill(sequence, text, Engine::Logits::all);
  const auto vocabulary = static_cast<std::size_t>(model_.spec().vocab_size);
  for (std::size_t i = 0; i < completion.tokens.size(); ++i) {
    const std::span<const float> own = logits.subspan((i + 2) * vocabulary, vocabulary);
    EXPECT_NEAR(completion.log_p[i], probabilities_of(own, completion.tokens[i], 0).front().log_probability, 1e-5);
  }
  EXPECT_TRUE(completion.truncated);
  EXPECT_EQ(count.tokens, 18);
  EXPECT_DOUBLE_EQ(completion.loops, 6 * 7);
}

TEST_F(Rollouts, RefusePromptsWithoutRoom) {
  RolloutCount count;
  const std::vector<std::vector<std::int32_t>> prompts = {{1}, std::vector<std::int32_t>(20, 1)};
  EXPECT_THAT([&] { (void)draw_completions(engine_, prompts, options(model_.spec()), count); },
              ThrowsMessage<Error>(HasSubstr("prompt 1: 20 tokens")));
}

}  // namespace
}  // namespace gyre::grpo_test
