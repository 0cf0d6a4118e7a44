#include "cli/program.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "cli/child_process.hpp"
#include "raman/small_data.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::program_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

/// A folder with spectra of three countries in RRUFF's form.
class RamanProgram : public testing::Test {
 protected:
  RamanProgram() {
    fs::create_directories(spectra());
    const Collection collection = small_collection(60);
    for (std::size_t i = 0; i < collection.spectra.size(); ++i) {
      const Spectrum& spectrum = collection.spectra[i];
      std::string text = fmt::format("##NAMES={}\n##RRUFFID={}\n##LOCALITY={}\n", spectrum.mineral, spectrum.specimen,
                                     spectrum.locality);
      for (std::size_t k = 0; k < spectrum.shifts.size(); ++k) {
        text += fmt::format("{}, {}\n", spectrum.shifts[k], spectrum.intensities[k]);
      }
      std::ofstream(spectra() / fmt::format("{:03}.txt", i)) << text << "##END=\n";
    }
    std::ofstream(spectra() / "notes.txt") << "not a spectrum\n";
    write_config(6);
  }

  void write_config(int epochs, const nlohmann::json& pretraining = nullptr) const {
    nlohmann::json config = {
        {"min_spectra", 10},
        {"preprocessing", {{"points", 64}}},
        {"model", {{"stem_kernel", 4}, {"stem_stride", 2}, {"depths", {1, 1}}, {"widths", {8, 12}}}},
        {"training",
         {{"epochs", epochs}, {"batch", 16}, {"warmup", 5}, {"learning_rate", 0.01}, {"checkpoint_every", 3}}}};
    if (!pretraining.is_null()) config["pretraining"] = pretraining;
    std::ofstream(scratch_ / "config.json") << config.dump();
  }

  [[nodiscard]] fs::path spectra() const { return scratch_ / "spectra"; }

  [[nodiscard]] std::vector<std::string> words(const std::string& command, const std::string& out) const {
    return {command,
            "--config",
            (scratch_ / "config.json").string(),
            "--data",
            spectra().string(),
            "--out",
            (scratch_ / out).string(),
            "--threads",
            "1",
            "--folds",
            "3"};
  }

  ScratchFolder scratch_;
};

class TrainingRamanProgram : public RamanProgram {
 protected:
  void SetUp() override {
    if (!fs::exists(fs::path(GYRE_BINARY).parent_path() / "libgyre_raman_torch.so")) {
      GTEST_SKIP() << "built without training";
    }
  }
};

TEST_F(RamanProgram, ShowsTheLabelsOfItsData) {
  const ProgramRun run = run_gyre({"labels", "--data", spectra().string(), "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["countries"], nlohmann::json({{"JP", 40}, {"NO", 40}, {"PE", 40}}));
  EXPECT_EQ(json["files_rejected"], nlohmann::json({{"unknown_format", 1}}));
  // One row a file, with what decided.
  ASSERT_EQ(json["files"].size(), 120U);
  const nlohmann::json& third = json["files"][2];
  EXPECT_THAT(third["file"].get<std::string>(), HasSubstr("002.txt"));
  EXPECT_EQ(third["specimen"], "R1001");
  EXPECT_EQ(third["mineral"], "Mineral 0");
  EXPECT_EQ(third["locality"], "Oslo, Norway");
  EXPECT_EQ(third["origin"], "country");
  EXPECT_EQ(third["country"], "NO");
  EXPECT_THAT(third["because"].get<std::string>(), testing::Not(testing::IsEmpty()));
}

TEST_F(RamanProgram, NamesTheMistake) {
  const auto expect_mistake = [](const std::vector<std::string>& arguments, const std::string& says) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_THAT(run.err, HasSubstr(says));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  expect_mistake({"labels", "--data", (scratch_ / "nowhere").string()}, "nowhere");
  expect_mistake({"guess"}, "gyre-raman --help");
  expect_mistake({"predict", "-m", "model", (spectra() / "notes.txt").string()}, "notes.txt");
  expect_mistake({"report", (scratch_ / "config.json").string(), "--out", "page.html"}, "results.json");
}

TEST_F(RamanProgram, RefusesValuesThatAreNone) {
  const auto expect_mistake = [](const std::vector<std::string>& arguments, const std::string& says) {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_THAT(run.err, HasSubstr(says));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  const auto with = [&](const std::string& flag, const std::string& value) {
    std::vector<std::string> arguments = words("cv", "run");
    arguments.push_back(flag + "=" + value);
    return arguments;
  };
  for (const char* value : {"nan", "inf", "1", "0.4", "0.9x", ""}) {
    expect_mistake(with("--coverage", value), "--coverage");
    expect_mistake({"predict", "-m", "model", "x.txt", std::string("--coverage=") + value}, "--coverage");
  }
  for (const char* value : {"-1", "18446744073709551616", "1.5", "nan", "", "one"}) {
    expect_mistake(with("--seed", value), "--seed");
  }
  expect_mistake(with("--folds", "1"), "--folds");
  expect_mistake(with("--fold", "-1"), "--fold");
  expect_mistake(with("--repeats", "0"), "--repeats");
  expect_mistake(with("--protocols", "spectra,spectra"), "twice");
  expect_mistake({"labels", "--data", ""}, "--data");
  expect_mistake({"labels", "--data", spectra().string(), "--geocoder-cache", "x.json"}, "--geocoder");
  expect_mistake({"predict", "-m", "", "x.txt"}, "--model");
  const fs::path results = scratch_ / "results.json";
  std::ofstream(results) << R"({"data": {"countries": [], "world": [], "grid": {}}, "protocols": [{"name": "specimen",
      "specimen_in_training": 0, "mineral_in_training": 0, "model": {}, "baselines": [], "methods": [], "sets": {}, "reliability": [],
      "countries": [], "confusion": [], "wavenumbers": [], "training_seconds": 1}]})";
  expect_mistake({"report", results.string(), "--out", results.string()}, "is the file with the results");
  EXPECT_EQ(run_gyre({"report", results.string(), "--out", (scratch_ / "page.html").string()}).status, 0);
}

TEST_F(RamanProgram, LeavesTheFolderAloneWhenTheDataCannotBeDivided) {
  write_config(2);
  std::vector<std::string> many = words("cv", "run");
  many.back() = "100";
  many.emplace_back("--baselines-only");
  EXPECT_THAT(run_gyre(many).err, HasSubstr("100 folds need at least as many groups"));
  EXPECT_FALSE(fs::exists(scratch_ / "run"));
}

TEST_F(TrainingRamanProgram, LeavesTheFolderAloneWhenThereIsNoSuchFold) {
  write_config(2);
  std::vector<std::string> one = words("cv", "run");
  one.insert(one.end(), {"--protocols", "specimen", "--fold", "3"});
  EXPECT_THAT(run_gyre(one).err, HasSubstr("--fold: 3 is none of 3 folds"));
  EXPECT_FALSE(fs::exists(scratch_ / "run"));
}

TEST_F(TrainingRamanProgram, TrainsAndPredicts) {
  const ProgramRun trained = run_gyre(words("train", "run"));
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string model = (scratch_ / "run/model").string();
  const ProgramRun table = run_gyre({"predict", "-m", model, (spectra() / "000.txt").string(), "--threads", "1"});
  ASSERT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("Peru"));
  EXPECT_THAT(table.out, HasSubstr("the model learned from this very spectrum"));
  const ProgramRun json = run_gyre({"predict", "-m", model, spectra().string(), "--json", "--threads", "1"});
  ASSERT_EQ(json.status, 0) << json.err;
  EXPECT_EQ(nlohmann::json::parse(json.out)["predictions"].size(), 120U);
  const fs::path page = scratch_ / "page.html";
  const ProgramRun shown =
      run_gyre({"predict", "-m", model, (spectra() / "000.txt").string(), "--page", page.string(), "--threads", "1"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(read_text(page), HasSubstr("\"learned_from\":true"));
  EXPECT_EQ(read_text(page).find("/*GYRE_DATA*/"), std::string::npos);
  // A network for each inner fold and the one that stays.
  for (const char* network : {"inner-0", "inner-2", "fit"}) EXPECT_TRUE(fs::exists(scratch_ / "run/fit" / network));
  EXPECT_FALSE(fs::exists(scratch_ / "run/fit/inner-3"));
  const nlohmann::json run = nlohmann::json::parse(read_text(scratch_ / "run/run.json"));
  EXPECT_EQ(run["folds"], 3);
  EXPECT_EQ(run["seed"], 1);
  EXPECT_EQ(nlohmann::json::parse(read_text(scratch_ / "run/model/config.json"))["data_sha256"], run["fingerprint"]);
  const ProgramRun again = run_gyre(words("train", "run"));
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.err, HasSubstr("--resume"));
}

TEST_F(RamanProgram, MeasuresTheBaselinesAloneOverSeveralPartitions) {
  std::vector<std::string> alone = words("cv", "rules");
  alone.insert(alone.end(), {"--baselines-only", "--repeats", "2", "--protocols", "specimen,mineral"});
  const ProgramRun run = run_gyre(alone);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("above the majority country"));
  EXPECT_FALSE(fs::exists(scratch_ / "rules/results.json"));
  const nlohmann::json results = nlohmann::json::parse(read_text(scratch_ / "rules/baselines.json"));
  ASSERT_EQ(results["protocols"].size(), 2U);
  const nlohmann::json& specimen = results["protocols"][0];
  EXPECT_EQ(specimen["specimen_in_training"], 0);
  for (const nlohmann::json& baseline : specimen["baselines"]) {
    EXPECT_EQ(baseline["measures"]["accuracy"]["folds"].size(), 6U) << baseline["name"];
  }
  // Another run over the same folder takes what is there; folds of another split are refused.
  alone.emplace_back("--resume");
  const fs::path fold = scratch_ / "rules/repeat-1/baselines/specimen-2.json";
  nlohmann::json written = nlohmann::json::parse(read_text(fold));
  written["baselines"]["majority"]["accuracy"] = 0.125;
  write_text_atomically(fold, written.dump());
  ASSERT_EQ(run_gyre(alone).status, 0);
  const nlohmann::json again = nlohmann::json::parse(read_text(scratch_ / "rules/baselines.json"));
  EXPECT_EQ(again["protocols"][0]["baselines"][0]["measures"]["accuracy"]["folds"][5], 0.125);
  written["test"].erase(0);
  write_text_atomically(fold, written.dump());
  EXPECT_THAT(run_gyre(alone).err, HasSubstr("another split"));
  alone.insert(alone.end(), {"--fold", "1"});
  EXPECT_THAT(run_gyre(alone).err, HasSubstr("--fold"));
}

TEST_F(TrainingRamanProgram, KeepsHowAModelWasPretrainedAndPredictsInTheSameForm) {
  const auto answer_of = [&](const std::string& out) {
    const ProgramRun trained = run_gyre(words("train", out));
    EXPECT_EQ(trained.status, 0) << trained.err;
    const std::string model = ((scratch_ / out) / "model").string();
    const ProgramRun run =
        run_gyre({"predict", "-m", model, (spectra() / "007.txt").string(), "--json", "--threads", "1"});
    EXPECT_EQ(run.status, 0) << run.err;
    return nlohmann::json::parse(run.out);
  };
  write_config(2);
  const nlohmann::json plain = answer_of("plain");
  write_config(2, {{"epochs", 2}, {"mineral_loss", 0.5}});
  const nlohmann::json pretrained = answer_of("pretrained");
  EXPECT_EQ(nlohmann::json::parse(read_text(scratch_ / "pretrained/model/config.json"))["pretraining"],
            nlohmann::json({{"epochs", 2}, {"mineral_loss", 0.5}}));
  for (const char* network : {"inner-0", "fit"}) {
    EXPECT_TRUE(fs::exists(scratch_ / "pretrained/fit" / network / "pretraining/metrics.jsonl"));
    EXPECT_FALSE(fs::exists(scratch_ / "plain/fit" / network / "pretraining"));
  }
  const auto keys = [](const nlohmann::json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items()) names.push_back(name);
    return names;
  };
  EXPECT_EQ(keys(pretrained), keys(plain));
  EXPECT_EQ(keys(pretrained["predictions"][0]), keys(plain["predictions"][0]));
  EXPECT_NE(pretrained["predictions"][0]["ranked"], plain["predictions"][0]["ranked"]);
  const auto files = [&](const std::string& out) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(scratch_ / out / "model")) names.insert(entry.path().filename());
    return names;
  };
  EXPECT_EQ(files("pretrained"), files("plain"));
  // An infrared spectrum of a known specimen: refused as a query, read for pretraining where the config says so.
  std::string text = "##NAMES=Mineral 0\n##RRUFFID=R1000\n##LOCALITY=Peru\n";
  for (int i = 0; i < 300; ++i) text += fmt::format("{}, {:.4f}\n", 400 + 4 * i, 0.1 + 0.001 * (i % 50));
  const fs::path infrared = spectra() / "Mineral0__R1000-1__Infrared__Infrared_Data_Processed__1.txt";
  std::ofstream(infrared) << text << "##END=\n";
  const ProgramRun query = run_gyre({"predict", "-m", (scratch_ / "plain/model").string(), infrared.string()});
  EXPECT_EQ(query.status, 2);
  EXPECT_THAT(query.err, HasSubstr("\"infrared\": true"));
  EXPECT_EQ(std::count(query.err.begin(), query.err.end(), '\n'), 1) << query.err;
  write_config(2, {{"epochs", 2}, {"infrared", true}});
  const ProgramRun both = run_gyre(words("train", "both"));
  ASSERT_EQ(both.status, 0) << both.err;
  EXPECT_THAT(both.err, HasSubstr("120 spectra of 3 countries"));
  EXPECT_THAT(both.err, HasSubstr("1 infrared spectra, for pretraining alone"));
  fs::remove(infrared);
  write_config(2, {{"epoch", 2}});
  const ProgramRun refused = run_gyre(words("train", "refused"));
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("pretraining: unknown key \"epoch\"; the keys are epochs"));
}

TEST_F(TrainingRamanProgram, RunsOneFoldAndPutsAllTogetherLater) {
  write_config(2);
  std::vector<std::string> one = words("cv", "run");
  one.insert(one.end(), {"--protocols", "specimen", "--fold", "1"});
  const ProgramRun first = run_gyre(one);
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_TRUE(fs::exists(scratch_ / "run/folds/specimen-1.json"));
  EXPECT_FALSE(fs::exists(scratch_ / "run/folds/specimen-0.json"));
  EXPECT_FALSE(fs::exists(scratch_ / "run/results.json"));
  one.back() = "3";
  one.emplace_back("--resume");
  EXPECT_THAT(run_gyre(one).err, HasSubstr("--fold: 3 is none of 3 folds"));
  std::vector<std::string> all = words("cv", "run");
  all.insert(all.end(), {"--protocols", "specimen", "--resume", "--repeats", "2"});
  const ProgramRun whole = run_gyre(all);
  ASSERT_EQ(whole.status, 0) << whole.err;
  const nlohmann::json results = nlohmann::json::parse(read_text(scratch_ / "run/results.json"));
  EXPECT_EQ(results["repeats"], 2);
  EXPECT_EQ(results["protocols"][0]["model"]["accuracy"]["folds"].size(), 6U);
  EXPECT_EQ(nlohmann::json::parse(read_text(scratch_ / "run/repeat-1/run.json"))["seed"], 2);
}

TEST_F(TrainingRamanProgram, GivesTheSameResultsWhenItWasKilledInBetween) {
  write_config(10);
  const ProgramRun whole = run_gyre(words("cv", "whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  std::vector<std::string> resumed = words("cv", "killed");
  resumed.emplace_back("--resume");
  for (const auto wait : {900ms, 1500ms}) {
    ChildProcess child(resumed, scratch_ / "log.txt");
    std::this_thread::sleep_for(wait);
    child.signal(SIGKILL);
  }
  const ProgramRun last = run_gyre(resumed);
  ASSERT_EQ(last.status, 0) << last.err;
  const auto results = [&](const std::string& out) {
    nlohmann::json json = nlohmann::json::parse(read_text((scratch_ / out) / "results.json"));
    for (nlohmann::json& protocol : json["protocols"]) protocol.erase("training_seconds");
    return json;
  };
  EXPECT_EQ(results("whole"), results("killed"));
  EXPECT_THAT(read_text((scratch_ / "whole") / "report.html"), HasSubstr("Norway"));
  const nlohmann::json json = results("whole");
  const nlohmann::json kept = nlohmann::json::parse(read_text(scratch_ / "whole/run.json"));
  EXPECT_EQ(json["fingerprint"], kept["fingerprint"]);
  EXPECT_EQ(json["config"], kept["config"]);
  EXPECT_EQ(json["folds"], 3);
  EXPECT_EQ(json["seed"], 1);
  ASSERT_EQ(json["protocols"].size(), 3U);
  for (const nlohmann::json& protocol : json["protocols"]) EXPECT_EQ(protocol["sets"]["nominal"], 0.9);
  EXPECT_EQ(json["data"]["spectra"], 120);
}

}  // namespace
}  // namespace gyre::raman::program_test
