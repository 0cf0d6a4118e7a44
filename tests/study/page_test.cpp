#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "model_folder.hpp"
#include "study/browser.hpp"
#include "study/study.hpp"

namespace gyre::page_test {
namespace {

using ::testing::IsEmpty;
using ::testing::StartsWith;

/// A study of the paths of one random model, once or as several checkpoints of one training run.
nlohmann::json study_of(std::initializer_list<int> steps) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  StudySubject subject{model.spec(), 1234, tokenizer, model.spec().default_loops(), {}, {}, "gyre 0", "gyre study"};
  subject.text = {{"file", "t.txt"}, {"window", 8}};
  subject.settings = nlohmann::json::object();
  DynamicsOptions options;
  options.loops = subject.loops;
  options.window = 8;
  options.trajectory_positions = {2, 6};
  std::vector<StudiedCheckpoint> checkpoints;
  for (const int step : steps) {
    options.seed = static_cast<std::uint64_t>(step);
    StudiedCheckpoint checkpoint{fmt::format("run/step-{:06}", step), step, std::string(64, 'a'), {}};
    checkpoint.dynamics = measure_dynamics(model, {{{3, 7, 1, 15, 0, 4, 9, 9, 2, 11, 5}}, {}}, options);
    checkpoints.push_back(std::move(checkpoint));
  }
  return study_json(subject, checkpoints);
}

void expect_no_mistake(const nlohmann::json& report) {
  EXPECT_THAT(report["mistakes"], IsEmpty());
  for (const char* const when : {"first", "later"}) {
    for (const auto& [id, section] : report[when].items()) {
      EXPECT_EQ(section["broken"], 0) << id;
      EXPECT_EQ(section["notes"], 0) << id;
    }
  }
}

void expect_every_figure(const nlohmann::json& first) {
  std::string sections;
  for (const auto& [id, section] : first.items()) sections += id + " ";
  EXPECT_EQ(sections, "acceleration cosine drift findings heat lens numbers steps training trajectory ");
  EXPECT_EQ(first["findings"]["cards"], "○○○○○○");  // unclear, of two windows
  // The groups run 4 and 3 loops; a mark for each of them, or for each but the first where it takes two steps.
  EXPECT_EQ(first["steps"]["drawings"], 2);
  EXPECT_EQ(first["steps"]["marks"], 7);
  EXPECT_EQ(first["cosine"]["marks"], 5);
  EXPECT_EQ(first["acceleration"]["marks"], 10);
  // Both groups now and at both checkpoints.
  EXPECT_EQ(first["drift"]["marks"], 2 + 4);
  // Loss, entropy, divergence without the last loops, where it is 0, and flips from the second loop on.
  EXPECT_EQ(first["lens"]["drawings"], 4);
  EXPECT_EQ(first["lens"]["marks"], 7 + 7 + 5 + 5);
  EXPECT_EQ(first["trajectory"]["drawings"], 3);
  // All 1 + 4 + 3 + 1 states after a loop and the first one, and those of the loops once more, enlarged.
  EXPECT_EQ(first["trajectory"]["marks"], 10 + 7);
  EXPECT_EQ(first["heat"]["cells"], 2);
  EXPECT_EQ(first["training"]["drawings"], 4);
  EXPECT_EQ(first["training"]["marks"], 2 * 2 * 3 + 2);
}

// In one test, since to start a browser takes seconds.
TEST(StudyPageInABrowser, DrawsEveryFigureAndObeysItsControls) {
  const std::string browser = installed_browser();
  if (browser.empty()) GTEST_SKIP() << "there is no Chromium here";
  std::map<std::string, nlohmann::json> reports =
      shown(browser, {{"two.html", study_page(study_of({100, 200}))},
                      {"one.html", study_page(study_of({100}))},
                      {"none.html", study_page({{"model", {{"name", ""}}}})}});
  ASSERT_EQ(reports.size(), 3U);
  const nlohmann::json& two = reports["two.html"];
  expect_no_mistake(two);
  EXPECT_EQ(two["title"], "Latent dynamics of small");
  expect_every_figure(two["first"]);
  EXPECT_GT(two["hits"], 15);
  EXPECT_EQ(two["tips"], two["hits"]);
  // The first checkpoint, and of the groups the second alone.
  EXPECT_THAT(two["readout"].get<std::string>(), StartsWith("1 of 2: step 100, cross-entropy "));
  EXPECT_EQ(two["later"]["steps"]["marks"], 3);
  EXPECT_EQ(two["later"]["heat"]["cells"], 1);

  const nlohmann::json& one = reports["one.html"];
  expect_no_mistake(one);
  EXPECT_FALSE(one["first"].contains("training"));
  EXPECT_EQ(one["first"]["drift"]["marks"], 2);

  expect_no_mistake(reports["none.html"]);
  EXPECT_EQ(reports["none.html"]["title"], "No measurements");
}

}  // namespace
}  // namespace gyre::page_test
