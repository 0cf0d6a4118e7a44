#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/file.hpp"
#include "cli/child_process.hpp"
#include "model_folder.hpp"

namespace gyre::interrupt_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

/// A model with room for texts that keep a command busy for a while.
ModelSpec roomy_spec() {
  ModelSpec spec = small_spec();
  spec.context = 30'000;
  return spec;
}

class InterruptedCommand : public testing::Test {
 protected:
  InterruptedCommand() {
    std::ofstream text(text_);
    for (int i = 0; i < 400'000; ++i) text << "abc ef ghi jkl mno ";
  }

  /// Runs `words`, sends SIGINT once the program has begun its work (its log is not empty, or a second went by), and
  /// returns the exit status, or minus the signal that ended it.
  [[nodiscard]] int interrupt(std::vector<std::string> words) const {
    ChildProcess process(std::move(words), log_);
    const auto end = std::chrono::steady_clock::now() + 1s;
    while (std::chrono::steady_clock::now() < end && (!fs::exists(log_) || fs::file_size(log_) == 0)) {
      std::this_thread::sleep_for(5ms);
    }
    EXPECT_TRUE(process.running()) << read_text(log_);
    process.signal(SIGINT);
    const int status = process.wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const ModelFolder model_{roomy_spec()};
  const fs::path text_ = model_.beside("text.txt");
  const fs::path log_ = model_.beside("log.txt");
};

TEST_F(InterruptedCommand, GenerateEndsWithWhatItHasWritten) {
  EXPECT_EQ(interrupt({"generate", "-m", model_.path(), "-p", "abc", "-n", "29000"}), 130);
  EXPECT_THAT(read_text(log_), HasSubstr("abc"));
}

TEST_F(InterruptedCommand, GenerateAsJsonHoldsWhatThereIs) {
  for (const std::vector<std::string>& way : {std::vector<std::string>{}, {"--draft", "loops=2/1,tokens=2"}}) {
    std::vector<std::string> words = {"generate", "-m", model_.path(), "-p", "abc", "-n", "29000", "--json"};
    words.insert(words.end(), way.begin(), way.end());
    fs::remove(log_);
    EXPECT_EQ(interrupt(words), 130);
    const nlohmann::json json = nlohmann::json::parse(read_text(log_));
    EXPECT_EQ(json["stop_reason"], "interrupted");
    EXPECT_GT(json["tokens"].size(), 0U);
  }
}

TEST_F(InterruptedCommand, EvalSaysThatNothingWasWritten) {
  EXPECT_EQ(interrupt({"eval", "-m", model_.path(), "--text", text_, "--exit", "fixed", "--json"}), 130);
  EXPECT_THAT(read_text(log_), HasSubstr("gyre: interrupted; nothing was written"));
}

TEST_F(InterruptedCommand, StudyLeavesNoPage) {
  const fs::path page = model_.beside("page.html");
  EXPECT_EQ(interrupt({"study", "-m", model_.path(), "--text", text_, "--tokens", "3000000", "--out", page}), 130);
  EXPECT_FALSE(fs::exists(page));
  EXPECT_THAT(read_text(log_), HasSubstr("gyre: interrupted; nothing was written"));
}

TEST_F(InterruptedCommand, TrainSavesWhatItHas) {
  if (!fs::exists(fs::path(GYRE_BINARY).parent_path() / "libgyre_train.so")) GTEST_SKIP() << "built without training";
  const fs::path config = model_.beside("train.json");
  const nlohmann::json json = {{"name", "tiny"},
                               {"context", 16},
                               {"hidden_size", 16},
                               {"heads", 2},
                               {"groups", {{{"name", "loop"}, {"loops", 2}}}},
                               {"training", {{"steps", 1'000'000}, {"batch", 1}, {"sequence", 16}}}};
  std::ofstream(config) << json.dump();
  std::ofstream(text_) << std::string(5000, 'a');
  const fs::path out = model_.beside("out");
  EXPECT_EQ(interrupt({"train", "--config", config, "--data", text_, "--out", out, "--threads", "1"}), 130);
  EXPECT_FALSE(fs::is_empty(out / "checkpoints")) << read_text(log_);
}

}  // namespace
}  // namespace gyre::interrupt_test
