#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::study_exits_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class StudyExitsCommand : public ::testing::Test {
 protected:
  StudyExitsCommand() {
    Random random(3);
    std::string words;
    for (int i = 0; i < 80; ++i) words += kTestCharacters[random.below(kTestCharacters.size())];
    write_text_atomically(text(), words);
  }

  [[nodiscard]] std::string model() const { return folder_.path().string(); }
  [[nodiscard]] std::string text() const { return folder_.beside("text.txt").string(); }
  [[nodiscard]] std::string page() const { return folder_.beside("exits.html").string(); }

  [[nodiscard]] ProgramRun study(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"study", "exits", "-m", model(), "--text", text(), "--out", page(), "--timed-tokens",
                                 "0", "--grid", "4", "--points", "2"});
    if (std::find(flags.begin(), flags.end(), "--document-tokens") == flags.end()) {
      flags.insert(flags.end(), {"--document-tokens", "8"});
    }
    return run_gyre(flags);
  }
  void refuses(const std::vector<std::string>& flags, const std::string& why) const {
    const ProgramRun run = study(flags);
    EXPECT_EQ(run.status, 2);
    EXPECT_THAT(run.err, HasSubstr("gyre: "));
    EXPECT_THAT(run.err, HasSubstr(why));
    EXPECT_FALSE(std::filesystem::exists(page()));
  }

  ModelFolder folder_;
};

TEST_F(StudyExitsCommand, WritesPageDataTableAndPicture) {
  const ProgramRun run = study({"--exit", "accel", "--exit", "step:tau=0.5"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("fixed:loops=2"));
  EXPECT_THAT(run.out, HasSubstr("step:tau=0.5"));
  EXPECT_THAT(run.out, HasSubstr("oracle least-loss"));
  EXPECT_THAT(run.out, HasSubstr("accel: its front lies"));
  const std::filesystem::path path(page());
  const auto beside = [&](const char* extension) {
    return read_text(std::filesystem::path(path).replace_extension(extension));
  };
  EXPECT_THAT(beside(".html"), StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(beside(".csv"), StartsWith("model,kind,rule,"));
  EXPECT_THAT(beside(".svg"), StartsWith("<svg "));
  const nlohmann::json json = nlohmann::json::parse(beside(".json"));
  const nlohmann::json& checkpoint = json["checkpoints"][0];
  EXPECT_EQ(checkpoint["unit"], "document");
  EXPECT_EQ(checkpoint["units"], 10);
  EXPECT_EQ(checkpoint["tokens"], 70);  // of each document all but the first
  for (const char* key : {"model_sha256", "kv_policy", "isa", "seed", "threads", "document_tokens", "window_tokens",
                          "deals", "intervals"}) {
    EXPECT_TRUE(checkpoint["settings"].contains(key)) << key;
  }
  ASSERT_EQ(checkpoint["fronts"].size(), 2U);
  EXPECT_EQ(checkpoint["fronts"][1]["points"][0]["rule"], "step:tau=0.5");
  // A study may replace its own files.
  EXPECT_EQ(study({"--exit", "step:tau=0.5"}).status, 0);
}

TEST_F(StudyExitsCommand, SaysWhatAnEvaluationOfTheSameWindowsSays) {
  const ProgramRun run = study({"--document-tokens", "80", "--window", "12", "--exit", "step:tau=0.5", "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const nlohmann::json checkpoint = nlohmann::json::parse(run.out)["checkpoints"][0];
  EXPECT_EQ(checkpoint["unit"], "window");  // of a single document
  const nlohmann::json point = checkpoint["fronts"][0]["points"][0];
  const ProgramRun eval =
      run_gyre({"eval", "-m", model(), "--text", text(), "--window", "12", "--exit", "step:tau=0.5", "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  const nlohmann::json row = nlohmann::json::parse(eval.out)["rows"][0];
  EXPECT_EQ(row["tokens"], checkpoint["tokens"]);
  const auto near = [](const nlohmann::json& a, const nlohmann::json& b) {
    EXPECT_NEAR(a.get<double>(), b.get<double>(), 1e-9);
  };
  near(point["cross_entropy"]["value"], row["cross_entropy_nats_per_token"]);
  near(point["cross_entropy"]["interval_95"][0], row["cross_entropy_95"][0]);
  near(point["cross_entropy"]["interval_95"][1], row["cross_entropy_95"][1]);
  near(point["kl_to_full_depth"]["value"], row["kl_to_full_depth_nats_per_token"]);
  near(point["loops_per_token"], row["loops_per_token"]);
}

TEST_F(StudyExitsCommand, AsksTasksBesideTheText) {
  const std::string task = folder_.beside("rows.jsonl").string();
  std::string rows;
  for (int i = 0; i < 7; ++i) {
    rows += fmt::format(R"({{"sentence": "ab {} _ cd", "option1": "e", "option2": "fg", "answer": "{}"}})"
                        "\n",
                        kTestCharacters[static_cast<std::size_t>(i) + 1], 1 + i % 2);
  }
  write_text_atomically(task, rows);
  const ProgramRun run = study({"--exit", "step:tau=0.5", "--task", "winogrande:" + task, "--limit", "6", "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const nlohmann::json checkpoint = nlohmann::json::parse(run.out)["checkpoints"][0];
  EXPECT_EQ(checkpoint["tasks"][0]["items"], 6);
  EXPECT_TRUE(checkpoint["settings"]["tasks"][0].contains("data_sha256"));
  EXPECT_TRUE(std::filesystem::exists(folder_.beside("exits-winogrande.svg")));
  // As `gyre eval --task` says of the same rule.
  const ProgramRun eval = run_gyre(
      {"eval", "-m", model(), "--task", "winogrande:" + task, "--limit", "6", "--exit", "step:tau=0.5", "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  EXPECT_EQ(checkpoint["fronts"][0]["points"][0]["tasks"][0]["accuracy"]["value"],
            nlohmann::json::parse(eval.out)["tasks"][0]["rows"][0]["metrics"]["acc"]["value"]);
}

TEST_F(StudyExitsCommand, RefusesInOneLine) {
  refuses({"--exit", "accel:like=1"}, "accel has no option \"like\"");
  refuses({"--exit", "random:like=1"}, "its own depths dealt out at random; leave it out");
  refuses({"--exit", "step:min=4"}, "nothing to compare");
  refuses({"--task", "piqq:rows.jsonl"}, "--task piqq:rows.jsonl: ");
  refuses({"--limit", "3"}, "--limit: it says something of a --task only");
  refuses({"--exit", "stepp"}, "there is no rule \"stepp\"");
  refuses({"--window", "100000"}, "--window: 100000 is more than the context");
  refuses({"--free-running", "-n", "100000"}, "are more than the context of");
  refuses({"--document-tokens", "5000"}, "--document-tokens");
  const ProgramRun before = run_gyre({"study", "--tokens", "9", "exits", "-m", model(), "--text", text()});
  EXPECT_EQ(before.status, 2);
  EXPECT_THAT(before.err, HasSubstr("--tokens: it stands before exits"));
  const ProgramRun nothing = run_gyre({"study", "exits", "-m", model()});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, HasSubstr("--text is required"));
}

}  // namespace
}  // namespace gyre::study_exits_test
