#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::train_exit_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TrainExitCommand : public ::testing::Test {
 protected:
  TrainExitCommand() {
    Random random(3);
    std::string words;
    for (int i = 0; i < 240; ++i) words += kTestCharacters[random.below(kTestCharacters.size())];
    write_text_atomically(text(), words);
  }

  [[nodiscard]] std::string model() const { return folder_.path().string(); }
  [[nodiscard]] std::string text() const { return folder_.beside("text.txt").string(); }
  [[nodiscard]] std::string file() const { return folder_.beside("head.json").string(); }

  /// On 24 documents of 10 characters.
  [[nodiscard]] ProgramRun train(std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"train-exit", "-m", model(), "--text", text(), "--document-tokens", "10"});
    return run_gyre(flags);
  }
  [[nodiscard]] ProgramRun eval(const std::string& rule, std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"eval", "-m", model(), "--text", text(), "--exit", rule, "--json"});
    return run_gyre(flags);
  }
  static std::string output(const ProgramRun& run) {
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }
  static void refused(const ProgramRun& run, const std::string& why) {
    EXPECT_EQ(run.status, 2) << why;
    EXPECT_THAT(run.err, HasSubstr(why));
    EXPECT_EQ(run.out, "");
  }

  ModelFolder folder_;
};

TEST_F(TrainExitCommand, WritesAHeadThatOtherCommandsUse) {
  const nlohmann::json said = nlohmann::json::parse(output(train({"--out", file(), "--ridge", "0.0001", "--json"})));
  EXPECT_EQ(said["kind"], "drop");
  EXPECT_EQ(said["decode"], "coda");
  EXPECT_EQ(said["ridge_of_groups"], std::vector<double>(2, 0.0001));
  EXPECT_EQ(said["sampled_documents"], 24);
  EXPECT_EQ(said["held_out_documents"], 5);
  EXPECT_EQ(said["tokens"].get<int>() + said["held_out_tokens"].get<int>(), 24 * 9);
  EXPECT_EQ(said["held_out"].size(), 2U);
  const nlohmann::json json = nlohmann::json::parse(read_text(file()));
  EXPECT_EQ(json["trained_for"]["model_sha256"], said["model_sha256"]);
  EXPECT_EQ(json["groups"][0]["state"].size(), 16U);
  EXPECT_EQ(json["groups"][0]["loops"].size(), 3U);
  EXPECT_EQ(json["groups"][1]["loops"].size(), 2U);
  const std::string rule = "head:file=" + file() + ",tau=";
  const auto loops = [&](const std::string& tau) {
    return nlohmann::json::parse(output(eval(rule + tau)))["rows"][0]["loops_per_token"].get<double>();
  };
  EXPECT_EQ(loops("-100"), 7);
  EXPECT_EQ(loops("100"), 2);
  EXPECT_LT(loops("0"), 7);
  EXPECT_GT(loops("0"), 2);
  EXPECT_THAT(output(run_gyre({"generate", "-m", model(), "-p", "abc", "-n", "4", "--exit", rule + "0", "--json"})),
              HasSubstr("head"));
  output(run_gyre({"bench", "-m", model(), "-n", "4", "-p", "0", "--rounds", "1", "--exit", rule + "0", "--json"}));
}

TEST_F(TrainExitCommand, ThreadsChangeNothing) {
  for (const char* const kind : {"drop", "gate"}) {
    output(train({"--kind", kind, "--out", file(), "--threads", "1"}));
    const std::string one = read_text(file());
    output(train({"--kind", kind, "--out", file(), "--threads", "8"}));
    EXPECT_EQ(read_text(file()), one);
  }
}

TEST_F(TrainExitCommand, LiesBesideTheModelUnlessTold) {
  const std::string out = output(train({"--kind", "gate", "--decode", "lens"}));
  const std::string there = (folder_.path() / "exit-head.json").string();
  EXPECT_THAT(out, HasSubstr("file " + there + "; use it as --exit head:file=" + there + "\n"));
  EXPECT_THAT(out, HasSubstr("area under ROC curve"));
  output(eval("head:file=" + there));
}

TEST_F(TrainExitCommand, AHeadIsOfOneModel) {
  output(train({"--out", file()}));
  const std::string rule = "head:file=" + file() + ",tau=0";
  refused(eval(rule, {"--weights", "q8_0"}), "was trained on weights in [\"f32\"] and these are in");
  refused(eval(rule, {"--loops", "5"}), "was trained on 4 loops of group 1, and this run has 5");
  output(eval(rule, {"--loops", "3"}));
  refused(eval("groups(1=" + rule + ";2=fixed)", {"--weights", "q8_0"}), "was trained on weights in");
  folder_.rewrite([](Weights& all) { all["embed.weight"][3] += 1; });
  refused(eval(rule), "was trained on other weights (SHA-256");
  refused(run_gyre({"calibrate", "-m", model(), "--text", text(), "--document-tokens", "5", "--exit",
                    "head:file=" + file()}),
          "was trained on other weights (SHA-256");
  refused(run_gyre({"generate", "-m", model(), "-p", "a", "--exit", rule}), "was trained on other weights");
}

TEST_F(TrainExitCommand, ItsThresholdIsCalibratedForThisHeadAlone) {
  output(train({"--out", file()}));
  const std::string exit = folder_.beside("exit.json").string();
  output(run_gyre({"calibrate", "-m", model(), "--text", text(), "--document-tokens", "3", "--alpha", "0.7", "--exit",
                   "head:file=" + file(), "--out", exit}));
  const nlohmann::json rows = nlohmann::json::parse(output(eval("calibrated:" + exit)))["rows"];
  EXPECT_THAT(rows[0]["exit"], HasSubstr("head:file=" + file() + ",tau="));
  output(train({"--out", file(), "--ridge", "0.5"}));
  refused(eval("calibrated:" + exit), "the SHA-256 of what gyre train-exit learned was");
}

TEST_F(TrainExitCommand, MistakesAreToldBeforeTheWork) {
  refused(train({"--kind", "oracle"}), "choose drop or gate");
  refused(train({"--decode", "eye"}), "choose coda, lens or full");
  refused(train({"--slope", "3"}), "--slope: it shapes the labels of --kind gate");
  refused(train({"--out", folder_.beside("nowhere/head.json").string()}), "there is no folder");
  refused(train({"--held-out", "1"}), "--held-out");
  refused(train({"--window", "99"}), "--window: 99 is more than the context of 24");
  refused(train({"--loops", "1"}), "no group of this model loops more than once");
  refused(run_gyre({"train-exit", "-m", model(), "--text", text()}), "1 documents are too few");
  refused(run_gyre({"train-exit", "-m", model()}), "--text");
  EXPECT_FALSE(fs::exists(folder_.path() / "exit-head.json"));
}

TEST_F(TrainExitCommand, AnUnknownRuleIsToldOfCalibratedFiles) {
  refused(eval("nope"), "groups, calibrated:FILE");
  const ProgramRun run =
      run_gyre({"calibrate", "-m", model(), "--text", text(), "--document-tokens", "5", "--exit", "nope"});
  EXPECT_THAT(run.err, HasSubstr("there is no rule \"nope\""));
  EXPECT_THAT(run.err, ::testing::Not(HasSubstr("calibrated:FILE")));
}

}  // namespace
}  // namespace gyre::train_exit_test
