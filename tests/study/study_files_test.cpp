#include "study/study_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::study_files_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class StudyFilesTest : public ::testing::Test {
 protected:
  StudyFilesTest() {
    fs::create_directories(folder_ / "model");
    fs::create_directories(folder_ / "texts");
    write_text_atomically(folder_ / "model" / "config.json", "{}");
    write_text_atomically(folder_ / "texts" / "a.txt", "abc");
    write_text_atomically(folder_ / "input.txt", "abc");
    inputs_ = {folder_ / "model", folder_ / "texts", folder_ / "input.txt"};
  }

  StudyFiles files(const fs::path& name) { return study_files(folder_ / name, inputs_); }
  void refuses(const fs::path& name, const std::string& why) {
    EXPECT_THAT([&] { files(name); }, ThrowsMessage<Error>(HasSubstr(why))) << name;
  }

  ScratchFolder folder_;
  std::vector<fs::path> inputs_;
};

TEST_F(StudyFilesTest, AreThePageAndTheDataBesideIt) {
  EXPECT_EQ(files("x.html").page, folder_ / "x.html");
  EXPECT_EQ(files("x.html").data, folder_ / "x.json");
  EXPECT_EQ(files("page").data, folder_ / "page.json");
  EXPECT_EQ(files("a.b.htm").data, folder_ / "a.b.json");
}

TEST_F(StudyFilesTest, AreTwo) { refuses("x.json", "x.json is the name of the data; give the page's name"); }

TEST_F(StudyFilesTest, ReplaceNoInput) {
  refuses("input.txt", "which the study reads");
  refuses("texts/a.txt", "which the study reads");
  refuses("model/config.html", "which the study reads");  // by its data
  fs::create_symlink(folder_ / "model", folder_ / "link");
  refuses("link/config.html", "which the study reads");
  inputs_ = {folder_ / "model" / ""};
  refuses("model/config.html", "which the study reads");
}

TEST_F(StudyFilesTest, MayLieBesideInputsWhenTheyReplaceNone) {
  EXPECT_NO_THROW(files("model/study.html"));
  EXPECT_NO_THROW(files("texts/study.html"));
  EXPECT_NO_THROW(files("input.html"));
}

TEST_F(StudyFilesTest, DataReplacesOnlyTheDataOfAStudy) {
  write_text_atomically(folder_ / "results.json", R"({"accuracy": 1})");
  refuses("results.html", "results.json, which no study has written");
  write_text_atomically(folder_ / "results.json", R"({"checkpoints":[{"ce":1}]})");
  EXPECT_NO_THROW(files("results.html"));
  write_text_atomically(folder_ / "model" / "study.json", R"({"checkpoints":[{"ce":1}]})");
  EXPECT_NO_THROW(files("model/study.html"));
}

TEST_F(StudyFilesTest, HaveAFolderAndAreNone) {
  refuses("nowhere/x.html", "there is no folder");
  refuses("texts", "is not a file");
  refuses("texts/", "is not a file");
}

TEST(StepOf, IsInNamesAsTrainingWritesThem) {
  EXPECT_EQ(step_of("runs/a/checkpoints/step-001500"), 1500);
  EXPECT_EQ(step_of("runs/a/step-001500/"), 1500);
  EXPECT_EQ(step_of("step-1234567"), 1234567);
  EXPECT_EQ(step_of("step-000000"), 0);
  for (const char* name : {"gpt2", "step-", "step-12b", "step--12", "my-step-12", "step12", "step-99999999999", "12"}) {
    EXPECT_EQ(step_of(name), std::nullopt) << name;
  }
}

std::string read_back(const std::string& word) {
  std::FILE* const pipe = ::popen(("printf %s " + word).c_str(), "r");
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  ::pclose(pipe);
  return text;
}

TEST(ShellWord, IsWhatAShellReadsBack) {
  EXPECT_EQ(shell_word("models/x-1.gguf"), "models/x-1.gguf");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  for (const char* text : {"a b", "it's", "$HOME", "`x`", "a\nb", "*?[", "\\", "\"", "~", "ä;&|", "!!", "#"}) {
    EXPECT_EQ(read_back(shell_word(text)), text);
  }
}

}  // namespace
}  // namespace gyre::study_files_test
