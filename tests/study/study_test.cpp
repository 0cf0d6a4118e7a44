#include "study/study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "model_folder.hpp"

namespace gyre::study_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A study of two tokens in a looped group of two loops, made by hand.
class StudyJson : public ::testing::Test {
 protected:
  StudyJson() {
    StudiedCheckpoint checkpoint{"run/step-000100", 100, std::string(64, 'a'), {}};
    GroupMeasures group;
    group.group = 1;
    group.loops.resize(2);
    group.loops[0].step = {4, 2};
    group.loops[0].relative_step = {0.5, 0.25};
    group.loops[0].lens_loss = {1, 2};
    group.loops[0].lens_entropy = {3, 5};
    group.loops[0].lens_kl = {0.5, 1.5};
    group.loops[0].lens_differs = {1, 0};
    group.loops[1].step = {1, 3};
    group.loops[1].relative_step = {0.125, 0.375};
    group.loops[1].cosine = {0.5, kNan};
    group.loops[1].acceleration = {3, 5};
    group.loops[1].normalised_acceleration = {0.5, 1};
    group.loops[1].lens_loss = {1.23456789, 1};
    group.loops[1].lens_entropy = {1, 3};
    group.loops[1].lens_kl = {0, 0};
    group.loops[1].lens_flip = {1, 0};
    group.drift_to_loop = {2, 4};
    checkpoint.dynamics.groups = {group};
    checkpoint.dynamics.tokens = 2;
    checkpoint.dynamics.inputs = {1, 2};
    checkpoint.dynamics.cross_entropy = 1.5;
    checkpoint.dynamics.trajectories = {{1, {{0, 0, 0.5, 1}, {0, 1, 2, -3}}, 0.75, 0.25}};
    checkpoints_ = {checkpoint};
    subject_.loops = {1, 2, 3, 1};
    subject_.text = {{"file", "t.txt"}, {"window", 8}};
    subject_.settings = {{"seed", 7}};
    subject_.program = "gyre 0";
    subject_.command = "gyre study";
  }

  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  ModelSpec spec_ = small_spec();
  Tokenizer tokenizer_ = Tokenizer::characters(kTestCharacters);
  StudySubject subject_{spec_, 1234, tokenizer_, {}, {}, {}, {}, {}};
  std::vector<StudiedCheckpoint> checkpoints_;
};

TEST_F(StudyJson, SaysWhatWasStudied) {
  const nlohmann::json json = study_json(subject_, checkpoints_);
  EXPECT_EQ(json["program"], "gyre 0");
  EXPECT_EQ(json["command"], "gyre study");
  EXPECT_EQ(json["text"], nlohmann::json({{"file", "t.txt"}, {"window", 8}, {"tokens", 2}}));
  EXPECT_EQ(json["settings"], nlohmann::json({{"seed", 7}}));
  EXPECT_EQ(json["model"]["name"], "small");
  EXPECT_EQ(json["model"]["parameters"], 1234);
  EXPECT_EQ(json["model"]["groups"][1],
            nlohmann::json({{"name", "loop a"}, {"layers", 1}, {"loops", 2}, {"looped", true}}));
  EXPECT_EQ(json["model"]["groups"][0]["looped"], false);
  const nlohmann::json& checkpoint = json["checkpoints"][0];
  EXPECT_EQ(checkpoint["path"], "run/step-000100");
  EXPECT_EQ(checkpoint["step"], 100);
  EXPECT_EQ(checkpoint["model_hash"], std::string(64, 'a'));
  EXPECT_EQ(checkpoint["ce"], 1.5);
}

TEST_F(StudyJson, HasTheMeasuresOfEveryLoop) {
  const nlohmann::json group = study_json(subject_, checkpoints_)["checkpoints"][0]["groups"][0];
  EXPECT_EQ(group["name"], "loop a");
  EXPECT_EQ(group["loops"], 2);
  EXPECT_EQ(group["drift_to_loop"]["p50"], 3);
  const nlohmann::json& first = group["loops_data"][0];
  EXPECT_EQ(first["loop"], 1);
  EXPECT_EQ(first["step"], nlohmann::json({{"mean", 3.0}, {"p10", 2.2}, {"p50", 3.0}, {"p90", 3.8}}));
  EXPECT_EQ(first["relative_step"]["mean"], 0.375);
  EXPECT_TRUE(first["cosine"].is_null());
  EXPECT_EQ(first["lens"], nlohmann::json({{"ce", 1.5},
                                           {"entropy", 4.0},
                                           {"kl_to_last", 1.0},
                                           {"argmax_flips", nullptr},
                                           {"differs_from_full_depth", 0.5}}));
  const nlohmann::json& second = group["loops_data"][1];
  EXPECT_EQ(second["loop"], 2);
  EXPECT_EQ(second["cosine"]["mean"], 0.5);  // of the one token that has one
  EXPECT_EQ(second["acceleration"]["mean"], 4);
  EXPECT_EQ(second["normalised_acceleration"]["mean"], 0.75);
  EXPECT_EQ(second["lens"]["argmax_flips"], 0.5);
}

TEST_F(StudyJson, HasTheEntropyOfAttentionByLoop) {
  Probes probes;
  probes.groups.resize(1);
  probes.groups[0].group = 1;
  probes.groups[0].attention.entropy = {{{1, 2}, {3}}, {{0.5}, {0.5, 0.25}}};
  probes.groups[0].attention.normalised = {{{kNan, 0.5}, {0.5}}, {{0.25}, {}}};
  probes.groups[0].attention.change = {{{}, {}}, {{-1, -1.5}, {-2.5}}};
  probes.groups[0].attention.head_change = {{{}, {}}, {{1.25, 1.25}, {1.25}}};
  checkpoints_[0].dynamics.probes = probes;
  const nlohmann::json group = study_json(subject_, checkpoints_)["checkpoints"][0]["probes"]["groups"][0];
  const nlohmann::json& attention = group["attention_entropy"];
  EXPECT_EQ(attention["entropy"][0]["value"], 2);
  EXPECT_EQ(attention["entropy"][0]["units"], 2);  // windows
  EXPECT_EQ(attention["entropy"][0]["tokens"], 3);
  EXPECT_EQ(attention["entropy"][1]["value"], 0.5);
  EXPECT_EQ(attention["normalised"][0]["tokens"], 2);  // of those that see more than one position
  EXPECT_EQ(attention["normalised"][0]["value"], 0.5);
  EXPECT_TRUE(attention["change"][0].is_null());
  EXPECT_EQ(attention["change"][1]["value"], -1.5);
  EXPECT_TRUE(attention["head_change"][0].is_null());
  EXPECT_EQ(attention["head_change"][1]["value"], 1.25);
}

TEST_F(StudyJson, TellsTokensByTheirInputs) {
  const nlohmann::json checkpoint = study_json(subject_, checkpoints_)["checkpoints"][0];
  const nlohmann::json& path = checkpoint["trajectories"]["tokens"][0];
  EXPECT_EQ(path["position"], 1);
  EXPECT_EQ(path["token"], "b");
  EXPECT_EQ(path["before"], "a");
  EXPECT_EQ(path["explained_variance"], nlohmann::json({0.75, 0.25}));
  EXPECT_EQ(path["points"][1], nlohmann::json({{"group", 0}, {"loop", 1}, {"x", 2.0}, {"y", -3.0}}));
  EXPECT_EQ(checkpoint["heat"]["tokens"], nlohmann::json({"a", "b"}));
  EXPECT_EQ(checkpoint["heat"]["groups"][0]["relative_step"], nlohmann::json({{0.5, 0.125}, {0.25, 0.375}}));
}

TEST_F(StudyJson, NumbersThatAreNotFiniteAreNull) {
  checkpoints_[0].dynamics.cross_entropy = kNan;
  checkpoints_[0].step.reset();
  const nlohmann::json json = study_json(subject_, checkpoints_);
  EXPECT_TRUE(json["checkpoints"][0]["ce"].is_null());
  EXPECT_TRUE(json["checkpoints"][0]["step"].is_null());
  const nlohmann::json measures = token_measures_json(checkpoints_);
  EXPECT_EQ(measures[1]["cosine"], nlohmann::json({0.5, nullptr}));
  EXPECT_TRUE(nlohmann::json::accept(json.dump()));
}

TEST_F(StudyJson, MeasuresOfTokensAreRoundedToFiveDigits) {
  const nlohmann::json measures = token_measures_json(checkpoints_);
  ASSERT_EQ(measures.size(), 3U);
  EXPECT_EQ(measures[0]["checkpoint"], "run/step-000100");
  EXPECT_EQ(measures[0]["loop"], 1);
  EXPECT_EQ(measures[0]["step"], nlohmann::json({4.0, 2.0}));
  EXPECT_EQ(measures[0]["relative_step"], nlohmann::json({0.5, 0.25}));
  EXPECT_EQ(measures[1]["loop"], 2);
  EXPECT_EQ(measures[1]["acceleration"], nlohmann::json({3.0, 5.0}));
  EXPECT_EQ(measures[1]["normalised_acceleration"], nlohmann::json({0.5, 1.0}));
  EXPECT_EQ(measures[1]["lens_ce"], nlohmann::json({1.2346, 1.0}));
  EXPECT_EQ(measures[1]["lens_entropy"], nlohmann::json({1.0, 3.0}));
  EXPECT_EQ(measures[0]["lens_kl_to_last"], nlohmann::json({0.5, 1.5}));
  EXPECT_EQ(measures[1]["lens_argmax_flip"], nlohmann::json({1.0, 0.0}));
  EXPECT_EQ(measures[2]["drift_to_loop"], nlohmann::json({2.0, 4.0}));
}

TEST(FindingsJson, SaysVerdictEvidenceAndThresholds) {
  Finding finding{"id", "title", "paper", "here", {}, Verdict::does_not_hold};
  finding.evidence = {{.group = "a", .value = 0.25, .interval = {0.125, 0.375}, .most = 0.5, .tokens = 9, .windows = 7},
                      {.group = "b",
                       .value = 1,
                       .least = 0,
                       .beyond = true,
                       .tokens = 3,
                       .decidable = false,
                       .beside = {{"null", 0.75}}}};
  const nlohmann::json json = findings_json({finding})[0];
  EXPECT_EQ(json["holds"], false);
  EXPECT_EQ(json["verdict"], "does not hold");
  EXPECT_EQ(json["evidence"][0], nlohmann::json({{"group", "a"},
                                                 {"verdict", "holds"},
                                                 {"value", 0.25},
                                                 {"interval", {0.125, 0.375}},
                                                 {"least", nullptr},
                                                 {"most", 0.5},
                                                 {"tokens", 9},
                                                 {"windows", 7},
                                                 {"decidable", true}}));
  EXPECT_EQ(json["evidence"][1]["verdict"], "unclear");
  EXPECT_EQ(json["evidence"][1]["interval"], nlohmann::json({nullptr, nullptr}));
  EXPECT_EQ(json["evidence"][1]["decidable"], false);
  EXPECT_EQ(json["evidence"][1]["null"], 0.75);
  EXPECT_EQ(json["evidence"][1]["more_than"], 0);
  finding.verdict = Verdict::unclear;
  EXPECT_TRUE(findings_json({finding})[0]["holds"].is_null());
  EXPECT_EQ(findings_json({finding})[0]["verdict"], "unclear");
  finding.verdict = Verdict::holds;
  EXPECT_EQ(findings_json({finding})[0]["holds"], true);
}

TEST(StudyPage, HoldsItsDataWhateverTheySay) {
  nlohmann::json study = {{"model", {{"name", "</script><script>alert(1)</script>"}}},
                          {"text", "<!-- <script> ]]> \u2028 /*GYRE_D3*/ /*GYRE_DATA*/null <!--GYRE_TITLE-->"}};
  const std::string page = study_page(study);
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, HasSubstr("<title>Latent dynamics of &lt;/script>"));
  // The data are read back from where the page's script reads them.
  const std::string begin = "const study = ";
  const std::size_t at = page.find(begin) + begin.size();
  const std::string data = page.substr(at, page.find(";\n", at) - at);
  EXPECT_EQ(data.find('<'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(data), study);
}

}  // namespace
}  // namespace gyre::study_test
