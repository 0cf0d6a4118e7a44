#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.hpp"
#include "cli/program.hpp"
#include "model_folder.hpp"
#include "study/tokenizer_with_prefix.hpp"

namespace gyre::eval_task_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ModelSpec spec_with_prefix() {
  ModelSpec spec = small_spec();
  spec.vocab_size = 17;
  return spec;
}

/// `gyre eval --task` on a model that knows sixteen characters and a token that begins texts.
class EvalTask : public ::testing::Test {
 protected:
  EvalTask() {
    write_text_atomically(folder_.path() / "tokenizer.json", tokenizer_with_prefix_text());
    write_text_atomically(stems(),
                          "{\"question_stem\": \"ab\", \"choices\": {\"text\": [\"cd\", \"e\"], \"label\": [\"A\", "
                          "\"B\"]}, \"answerKey\": \"A\"}\n"
                          "{\"question_stem\": \"fg\", \"choices\": {\"text\": [\"h\", \"ij\"], \"label\": [\"A\", "
                          "\"B\"]}, \"answerKey\": \"B\"}\n"
                          "{\"question_stem\": \"k\", \"choices\": {\"text\": [\"lmno\", \"a\"], \"label\": [\"A\", "
                          "\"B\"]}, \"answerKey\": \"B\"}\n");
  }

  [[nodiscard]] std::string stems() const { return folder_.beside("stems.jsonl").string(); }
  [[nodiscard]] ProgramRun eval(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"eval", "-m", folder_.path().string()});
    return run_gyre(flags);
  }
  [[nodiscard]] nlohmann::json json(std::vector<std::string> flags) const {
    flags.emplace_back("--json");
    const ProgramRun run = eval(std::move(flags));
    EXPECT_EQ(run.status, 0) << run.err;
    return nlohmann::json::parse(run.out);
  }
  void refuses(const std::vector<std::string>& flags, const std::string& why) const {
    const ProgramRun run = eval(flags);
    EXPECT_EQ(run.status, 2) << why;
    EXPECT_THAT(run.err, HasSubstr(why));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }

  ModelFolder folder_{spec_with_prefix()};
};

TEST_F(EvalTask, SaysWhatCameOfItAndWhatThatDependsOn) {
  const nlohmann::json result =
      json({"--task", "openbookqa:" + stems(), "--exit", "prefill", "--exit", "fixed:loops=1", "--items"});
  EXPECT_EQ(result["begins_with"], nlohmann::json({"<s>"}));
  EXPECT_EQ(result["window_tokens"], 24);
  EXPECT_EQ(result["exit_prompt"], "each");
  EXPECT_TRUE(result.contains("model_sha256"));
  const nlohmann::json& task = result["tasks"][0];
  EXPECT_EQ(task["task"], "openbookqa");
  EXPECT_EQ(task["data_sha256"], sha256(MappedFile(stems()).bytes()));
  EXPECT_EQ(task["scored_by"], "multiple_choice");
  EXPECT_EQ(task["items"], 3);
  EXPECT_EQ(task["shots"], 0);
  ASSERT_EQ(task["rows"].size(), 2);
  const nlohmann::json& full = task["rows"][0];
  const nlohmann::json& shallow = task["rows"][1];
  EXPECT_EQ(full["exit"], "prefill");
  EXPECT_EQ(full["loops_per_token"], 7);
  EXPECT_EQ(shallow["loops_per_token"], 2);
  EXPECT_EQ(full["shortened_items"], 0);
  EXPECT_FALSE(full["metrics"]["acc"].contains("difference_to_first"));
  EXPECT_TRUE(shallow["metrics"]["acc_norm"].contains("difference_to_first_95"));
  ASSERT_EQ(full["item_results"].size(), 3);
  double right = 0;
  for (const nlohmann::json& item : full["item_results"]) {
    const bool is_right = item["chosen"] == item["right"];
    EXPECT_EQ(item["acc"], is_right ? 1 : 0);
    right += is_right ? 1 : 0;
  }
  EXPECT_NEAR(full["metrics"]["acc"]["value"].get<double>(), right / 3, 1e-12);
  EXPECT_EQ(full["item_results"][2]["answers"][0]["tokens"], 5);  // " lmno"
  EXPECT_THAT(full["item_results"][1]["where"].get<std::string>(), HasSubstr("stems.jsonl, line 2"));
}

TEST_F(EvalTask, TheTableNamesMeasuresAndVerdicts) {
  const ProgramRun run = eval({"--task", "openbookqa:" + stems(), "--exit", "fixed", "--exit", "fixed:loops=1"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("openbookqa: 3 items of "), HasSubstr("acc_norm"),
                             HasSubstr("fixed:loops=1 against fixed, item by item: acc by ")));
}

TEST_F(EvalTask, FewerItemsAreAskedAndLongOnesShortened) {
  const std::vector<std::string> flags = {"--task", "openbookqa:" + stems(), "--limit", "2"};
  const nlohmann::json task = json(flags)["tasks"][0];
  EXPECT_EQ(task["items"], 2);
  EXPECT_EQ(task["limit"], 2);
  // "<s>ab" and " cd" are six tokens; four fit, and the last, which is never run.
  std::vector<std::string> narrow = flags;
  narrow.insert(narrow.end(), {"--window", "4"});
  EXPECT_EQ(json(narrow)["tasks"][0]["rows"][0]["shortened_items"], 2);
  EXPECT_THAT(eval(narrow).out, HasSubstr("prefill: 2 items were longer than the window"));
}

TEST_F(EvalTask, TasksAreScoredTogether) {
  const std::string words = folder_.beside("words.txt").string();
  write_text_atomically(words, "ab cd\nef gh\n");
  const nlohmann::json tasks = json({"--task", "lambada:" + words, "--task", "openbookqa:" + stems()})["tasks"];
  ASSERT_EQ(tasks.size(), 2);
  EXPECT_EQ(tasks[0]["scored_by"], "loglikelihood");
  EXPECT_TRUE(tasks[0]["rows"][0]["metrics"].contains("perplexity"));
}

TEST_F(EvalTask, RefusesWhatSaysNothing) {
  const std::string task = "openbookqa:" + stems();
  refuses({"--task", "arc:" + stems()}, "--task arc:" + stems() + ": there is no task \"arc\"; choose one of arc_easy");
  refuses({"--task", "piqa"}, "--task piqa: no file; give piqa:FILE");
  refuses({"--task", "piqa:" + stems()}, "stems.jsonl, line 1: this is no row of piqa");
  refuses({"--task", task, "--items"}, "--items: what came of every item is printed as JSON");
  refuses({"--task", task, "--shots", "3"}, "--shots 3: ");
  refuses({"--task", task, "--answer-tokens", "3"}, "--answer-tokens: no answer of these tasks is generated");
  refuses({"--task", task, "--score-from", "1"}, "--score-from: only a --text");
  refuses({"--task", task, "--depths", "1"}, "--depths and --reference score a --text");
  refuses({"--task", task, "--examples", stems()}, "eval: give one of --text, --examples and --task");
  refuses({"--task", task, "--exit-prompt", "last"}, "--exit-prompt: ");
  refuses({"--examples", stems(), "--limit", "3"}, "--limit: it says something of a --task only");
  refuses({"--task", task, "--exit", "fixed", "--exit", "random:like=1"}, "--exit random:like=1: depths of another");
  refuses({"--task", task, "--window", "2"}, "longer than the window of 2");
}

}  // namespace
}  // namespace gyre::eval_task_test
