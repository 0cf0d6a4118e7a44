#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "model_folder.hpp"
#include "wide_spec.hpp"

namespace gyre::quantize_test {
namespace {

using ::testing::HasSubstr;

class QuantizeRun : public ::testing::Test {
 protected:
  [[nodiscard]] std::string beside(const std::string& name) const { return folder_.beside(name).string(); }
  [[nodiscard]] std::string text() const {
    std::string text;
    Random random(3);
    for (int i = 0; i < 200; ++i) text += kTestCharacters[random.below(kTestCharacters.size())];
    write_text_atomically(beside("text.txt"), text);
    return beside("text.txt");
  }
  static nlohmann::json output(const std::vector<std::string>& arguments) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return nlohmann::json::parse(run.out);
  }
  static void expect_mistake(const std::vector<std::string>& arguments, const std::string& says) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 2);
    EXPECT_THAT(run.err, HasSubstr(says));
  }

  const ModelFolder folder_{wide_spec()};
  const std::string model_ = folder_.path().string();
};

TEST_F(QuantizeRun, RoundsPartByPartAndEvalShowsTheCostAtEveryDepth) {
  const std::string file = beside("mixed.gguf");
  const nlohmann::json written =
      output({"quantize", "-m", model_, "--type", "q8_0", "--part", "loop a=q4_0", "--out", file, "--json"});
  EXPECT_EQ(written["parts"][1]["types"], "Q8_0");
  EXPECT_EQ(written["parts"][2]["types"], "Q4_0");
  const nlohmann::json measured = output(
      {"eval", "-m", file, "--reference", model_, "--text", text(), "--window", "16", "--depths", "1,4", "--json"});
  ASSERT_EQ(measured["depths"].size(), 2U);
  for (const nlohmann::json& row : measured["depths"]) {
    EXPECT_GT(row["kl_to_reference_nats_per_token"], 0);
    EXPECT_LT(row["kl_to_reference_nats_per_token"], 0.1);
  }
  EXPECT_EQ(measured["reference"]["model"], model_);
}

TEST_F(QuantizeRun, PrintsATable) {
  const ProgramRun run = run_gyre({"quantize", "-m", model_, "--type", "q4_0", "--out", beside("q4.gguf")});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("loop b"));
  EXPECT_THAT(run.out, HasSubstr("Q4_0"));
}

TEST_F(QuantizeRun, RoundsForATextAndIsNearerThere) {
  const auto kl_of = [&](const std::string& file) {
    const nlohmann::json measured = output(
        {"eval", "-m", file, "--reference", model_, "--text", text(), "--window", "16", "--depths", "4", "--json"});
    return measured["depths"][0]["kl_to_reference_nats_per_token"].get<double>();
  };
  output({"quantize", "-m", model_, "--type", "q4_0", "--out", beside("plain.gguf"), "--json"});
  const nlohmann::json written = output({"quantize", "-m", model_, "--type", "q4_0", "--calibrate", text(), "--window",
                                         "16", "--out", beside("for_text.gguf"), "--json"});
  EXPECT_LT(kl_of(beside("for_text.gguf")), 0.6 * kl_of(beside("plain.gguf")));
  EXPECT_EQ(written["rounded_for"]["text"], text());
  EXPECT_EQ(written["rounded_for"]["tokens"], 200);
  EXPECT_EQ(written["rounded_for"]["window"], 16);
}

TEST_F(QuantizeRun, NamesTheMistake) {
  expect_mistake({"quantize", "-m", model_, "--out", beside("a.gguf"), "--max-tokens", "10"},
                 "--max-tokens requires --calibrate");
  expect_mistake({"quantize", "-m", model_, "--out", beside("a.gguf"), "--calibrate", beside("none.txt")}, "none.txt");
  expect_mistake({"quantize", "-m", model_, "--out", beside("a.gguf"), "--calibrate", text(), "--loops", "99999"},
                 "--loops");
  expect_mistake({"quantize", "-m", model_, "--out", beside("folder")}, "let it end in .gguf");
  expect_mistake({"quantize", "-m", model_, "--out", beside("a.gguf"), "--part", "core=q4_0"}, "no part \"core\"");
  expect_mistake({"quantize", "-m", model_, "--out", beside("a.gguf"), "--calibrate", text(), "--type", "bf16"},
                 "--calibrate changes nothing of BF16");
  EXPECT_FALSE(std::filesystem::exists(beside("a.gguf")));
  expect_mistake({"eval", "-m", model_, "--text", text(), "--depths", "9"}, "--depths: 9 is more than 4");
  expect_mistake({"eval", "-m", model_, "--text", text(), "--depths", "1", "--exit", "fixed"}, "leave --exit");
}

}  // namespace
}  // namespace gyre::quantize_test
