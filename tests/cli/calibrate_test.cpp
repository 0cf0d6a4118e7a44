#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::calibrate_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CalibrateCommand : public ::testing::Test {
 protected:
  CalibrateCommand() {
    Random random(3);
    std::string words;
    for (int i = 0; i < 400; ++i) words += kTestCharacters[random.below(kTestCharacters.size())];
    write_text_atomically(text(), words);
  }

  [[nodiscard]] std::string model() const { return folder_.path().string(); }
  [[nodiscard]] std::string text() const { return folder_.beside("text.txt").string(); }
  [[nodiscard]] std::string file() const { return folder_.beside("exit.json").string(); }
  [[nodiscard]] std::string exit() const { return "calibrated:" + file(); }

  [[nodiscard]] ProgramRun calibrate(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"calibrate", "-m", model()});
    return run_gyre(flags);
  }
  /// On 80 documents of 5 characters; a random model disagrees with itself soon.
  [[nodiscard]] ProgramRun calibrate_text(std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"--text", text(), "--document-tokens", "5", "--exit", "accel"});
    if (std::find(flags.begin(), flags.end(), "--alpha") == flags.end()) flags.insert(flags.end(), {"--alpha", "0.6"});
    return calibrate(flags);
  }
  static std::string output(const ProgramRun& run) {
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }
  /// In one line, behind what tells of progress where it shows only in the end.
  static void refused(const ProgramRun& run, const std::string& why) {
    EXPECT_EQ(run.status, 2) << why;
    const std::string line = run.err.substr(run.err.starts_with("calibrate 100 %") ? run.err.find('\n') + 1 : 0);
    EXPECT_THAT(line, StartsWith("gyre: "));
    EXPECT_THAT(line, HasSubstr(why));
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
  }
  [[nodiscard]] ProgramRun eval(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"eval", "-m", model(), "--text", text(), "--exit", exit()});
    return run_gyre(flags);
  }
  /// What calibrating says that cannot be.
  void refuses(const std::vector<std::string>& flags, const std::string& why) const {
    const ProgramRun run = calibrate(flags);
    refused(run, why);
    EXPECT_EQ(run.out, "");
    EXPECT_FALSE(fs::exists(file()));
  }

  ModelFolder folder_;
};

TEST_F(CalibrateCommand, WritesARuleThatHoldsAndTellsWhatItDependsOn) {
  const nlohmann::json json = nlohmann::json::parse(output(calibrate_text({"--json", "--out", file()})));
  EXPECT_EQ(nlohmann::json::parse(read_text(file())), json);
  EXPECT_EQ(json["documents"], 76);
  EXPECT_EQ(json["documents_set_aside"], 4);
  EXPECT_EQ(json["alpha"], 0.6);
  EXPECT_EQ(json["delta"], 0.1);
  EXPECT_EQ(json["evidence"], "p-value, Hoeffding-Bentkus");
  EXPECT_EQ(json["holds_for"]["model_sha256"], json["model_sha256"]);
  EXPECT_EQ(json["holds_for"]["kv_policy"], "latest");
  EXPECT_EQ(json["full_depth"]["loops_per_token"], 7);
  EXPECT_EQ(json["full_depth"]["risk"], 0);
  const nlohmann::json* last = nullptr;
  for (const nlohmann::json& row : json["thresholds"]) {
    if (!row["holds"].get<bool>()) break;
    EXPECT_LE(row["evidence"].get<double>(), 0.1);
    last = &row;
  }
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(json["exit"], (*last)["exit"]);
  EXPECT_EQ(json["loops_per_token"], (*last)["loops_per_token"]);
  EXPECT_LT(json["loops_per_token"], 7);
  EXPECT_EQ(nlohmann::json::parse(output(calibrate_text({"--json", "--threads", "1"})))["thresholds"],
            json["thresholds"]);
}

TEST_F(CalibrateCommand, PrintsATableAndTheChoice) {
  const std::string out = output(calibrate_text({"--method", "wsr", "--out", file()}));
  EXPECT_THAT(out, HasSubstr("tau disagreement upper bound loops/token  holds"));
  EXPECT_THAT(out, HasSubstr("with a probability of 0.9 the mean disagreement of documents is at most 0.6 (76"));
  EXPECT_THAT(out, HasSubstr("use it as --exit calibrated:"));
  EXPECT_THAT(output(calibrate_text({"--method", "crc"})), HasSubstr("on the average over calibrations"));
}

TEST_F(CalibrateCommand, OtherCommandsRunTheRuleInTheFile) {
  output(calibrate_text({"--out", file()}));
  const std::string rule = nlohmann::json::parse(read_text(file()))["exit"];
  const std::string both = rule + " (" + exit() + ")";
  const nlohmann::json rows = nlohmann::json::parse(output(eval({"--exit", rule, "--json"})))["rows"];
  EXPECT_EQ(rows[0]["exit"], both);
  EXPECT_EQ(rows[0]["loops_per_token"], rows[1]["loops_per_token"]);
  EXPECT_LT(rows[0]["loops_per_token"], 7);
  const auto generated = [&](const std::string& text) {
    return nlohmann::json::parse(output(
        run_gyre({"generate", "-m", model(), "-p", "abc", "-n", "8", "--json", "--exit", text, "--temperature", "0"})));
  };
  EXPECT_EQ(generated(exit())["exit"], both);
  EXPECT_THAT(run_gyre({"generate", "-m", model(), "-p", "abc", "-n", "2", "--exit", exit()}).err,
              HasSubstr("exit " + both + ", stopped by"));
  EXPECT_EQ(generated(exit())["text"], generated(rule)["text"]);
  EXPECT_EQ(generated(exit())["mean_loops_per_token"], generated(rule)["mean_loops_per_token"]);
  const nlohmann::json bench = nlohmann::json::parse(
      output(run_gyre({"bench", "-m", model(), "-n", "4", "-p", "0", "--rounds", "1", "--exit", exit(), "--json"})));
  EXPECT_EQ(bench["generation"]["exit"], both);
}

TEST_F(CalibrateCommand, AFileHoldsForNothingElse) {
  output(calibrate_text({"--out", file()}));
  refused(eval({"--weights", "q8_0"}),
          "the type of the weights was [\"f32\"] when it was calibrated and is [\"f32\",\"q8_0\"]");
  refused(eval({"--kv", "last"}), "the KV policy was latest when it was calibrated and is last here; run with --kv as");
  refused(eval({"--kv-type", "bf16"}), "the KV type was f32 when it was calibrated and is bf16 here");
  refused(eval({"--loops", "3"}), "the loops of the groups was [1,4,3,1] when it was calibrated and is [1,3,3,1] here");
  refused(eval({"--first-state", "zero"}), "the first state was noise");
  refused(run_gyre({"generate", "-m", model(), "-p", "a", "--exit", exit(), "--kv", "full"}),
          "the KV policy was latest");
  refused(run_gyre({"bench", "-m", model(), "-p", "8", "-n", "4", "--exit", exit(), "--kv", "full"}),
          "the KV policy was latest");
  folder_.rewrite([](Weights& all) { all["embed.weight"][3] += 1; });
  refused(eval({}), "the weights' SHA-256 was");
}

TEST_F(CalibrateCommand, AFileThatIsNoneIsRefused) {
  refused(eval({}), file());
  write_text_atomically(file(), "{}");
  refused(eval({}), "is no file of gyre calibrate");
  write_text_atomically(file(), R"({"gyre_calibration": 1, "exit": "nope", "holds_for": {}})");
  refused(eval({}), "there is no rule \"nope\"");
  write_text_atomically(file(), R"({"gyre_calibration": 1, "exit": "fixed", "holds_for": {}})");
  refused(eval({}), "SHA-256 was unknown when it was calibrated");
  refused(run_gyre({"eval", "-m", model(), "--text", text(), "--exit", "calibrated:"}), "the file is missing");
}

TEST_F(CalibrateCommand, TextsThatRunFreeAreComparedWithThoseOfFullDepth) {
  const nlohmann::json json = nlohmann::json::parse(
      output(calibrate_text({"--free-running", "-n", "6", "--prompt-tokens", "3", "--alpha", "0.7", "--json"})));
  EXPECT_EQ(json["free_running"], nlohmann::json({{"prompt_tokens", 3}, {"tokens", 6}}));
  EXPECT_EQ(json["thresholds"][0]["risk"], 0);
}

TEST_F(CalibrateCommand, AnswersAreJudgedByThemselves) {
  const std::string examples = folder_.beside("examples.jsonl").string();
  std::string lines;
  for (int i = 0; i < 60; ++i)
    lines += R"({"prompt": "ab", "answer": "c"})"
             "\n";
  write_text_atomically(examples, lines);
  // All ask the same: full depth is always right or always wrong.
  const ProgramRun run = calibrate({"--examples", examples, "--risk", "error", "--exit", "accel", "--json"});
  const nlohmann::json json = nlohmann::json::parse(run.out);
  const double full = json["full_depth"]["risk"];
  EXPECT_TRUE(std::abs(full) < 1e-9 || std::abs(full - 1) < 1e-9) << full;
  EXPECT_EQ(json["evidence"], "p-value, exact binomial");
  if (full > 0.5) refused(run, "no threshold at which tokens leave holds error at 0.05");
}

TEST_F(CalibrateCommand, WhatCannotBeCalibratedIsRefusedInOneLine) {
  const std::vector<std::string> base = {"--text", text(), "--document-tokens", "5", "--out", file()};
  const auto with = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), base.begin(), base.end());
    return flags;
  };
  refuses(with({"--exit", "accel", "--alpha", "0.01"}),
          "80 documents are too few for alpha 0.01 and delta 0.1: even if "
          "none cost anything, 230 are needed");
  refuses(with({"--exit", "accel:tau=0.1"}), "tau is what is to be found");
  refuses(with({"--exit", "fixed"}), "it has no threshold to calibrate");
  refuses(with({"--exit", "accel:hits=9", "--alpha", "0.6"}), "loops a token are run whatever tau is");
  refuses(with({"--exit", "accel", "--thresholds", "0.1,-3", "--alpha", "0.6"}), "tau=-3 is nothing that accel takes");
  refuses(with({"--exit", "accel", "--thresholds", "1e-9", "--alpha", "0.6"}), "no token leaves at any of the");
  refuses(with({"--exit", "accel", "--thresholds", "1e8,1e9", "--alpha", "0.6"}), "every token leaves as soon as");
  refuses(with({"--exit", "gate", "--alpha", "0.6"}), "this model has no exit gate");
  refuses(with({"--exit", "accel", "--risk", "error"}), "--risk: error is of answers");
  refuses(with({"--exit", "accel", "--risk", "kl", "--free-running"}), "--free-running: two texts that part");
  refuses(with({"--exit", "accel", "--method", "crc", "--delta", "0.2"}), "--delta: crc");
  refuses(with({"--exit", "accel", "--alpha", "1"}), "--alpha: 1 is not below 1");
  refuses(with({"--exit", "accel", "--window", "25"}), "--window: 25 is more than the context of 24");
  refuses({"--text", text(), "--exit", "accel", "--out", "/no/such/folder/exit.json"}, "--out: there is no folder");
  refuses({"--exit", "accel"}, "give either --text or --examples");
  const std::string folder = folder_.beside("texts").string();
  fs::create_directory(folder);
  write_text_atomically(fs::path(folder) / "a.txt", "abc");
  write_text_atomically(fs::path(folder) / "b.txt", "d");
  refuses({"--text", folder, "--exit", "accel"}, "document 2 of 2 has 1 tokens; give documents of at least 2");
}

TEST_F(CalibrateCommand, AChoiceThatIsNoneLeavesNoFile) {
  const ProgramRun run = calibrate_text({"--alpha", "0.1", "--thresholds", "0.4,0.5,0.6", "--out", file()});
  refused(run, "no threshold at which tokens leave holds disagreement at 0.1: at tau=0.4 it is ");
  EXPECT_FALSE(fs::exists(file()));
}

TEST(CalibrateCommandWithoutLoops, IsRefused) {
  ModelSpec spec = small_spec();
  for (Group& group : spec.groups) group.loops = 1;
  spec.groups[1].injection = Injection::none;
  const ModelFolder folder(spec);
  write_text_atomically(folder.beside("text.txt"), "abc");
  const ProgramRun run = run_gyre(
      {"calibrate", "-m", folder.path().string(), "--text", folder.beside("text.txt").string(), "--exit", "accel"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("has no looped group, so no token can leave one"));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

}  // namespace
}  // namespace gyre::calibrate_test
