#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "base/file.hpp"
#include "cli/child_process.hpp"
#include "format/safetensors.hpp"
#include "model/model.hpp"
#include "scratch_folder.hpp"

namespace gyre::kill_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// `gyre train` on what is in `folder`; its output goes to log.txt.
ChildProcess train(const fs::path& folder, bool resume) {
  std::vector<std::string> words = {"train",        "--config",          folder / "config.json",
                                    "--data",       folder / "text.txt", "--out",
                                    folder / "out", "--threads",         "1"};
  if (resume) words.emplace_back("--resume");
  return {std::move(words), folder / "log.txt"};
}

class KilledTraining : public testing::Test {
 protected:
  KilledTraining() {
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 200; ++i) text << "the cat sees a dog " << i << " times. ";
  }

  void SetUp() override {
    const fs::path module = fs::path(GYRE_BINARY).parent_path() / "libgyre_train.so";
    if (!fs::exists(module)) GTEST_SKIP() << "built without training";
  }

  void write_config(int steps, int checkpoint_every) const {
    // Wide enough for a checkpoint to take several milliseconds.
    const nlohmann::json config = {{"name", "tiny"},
                                   {"context", 16},
                                   {"hidden_size", 64},
                                   {"heads", 2},
                                   {"groups", {{{"name", "prelude"}}, {{"name", "loop"}, {"loops", 2}}}},
                                   {"training",
                                    {{"steps", steps},
                                     {"batch", 1},
                                     {"sequence", 16},
                                     {"precision", "f32"},
                                     {"warmup", 10},
                                     {"evaluate_every", 1000000},
                                     {"checkpoint_every", checkpoint_every}}}};
    std::ofstream(folder_ / "config.json") << config.dump();
  }

  [[nodiscard]] std::vector<fs::path> checkpoints() const {
    std::vector<fs::path> found;
    if (!fs::exists(folder_ / "out" / "checkpoints")) return found;
    for (const auto& entry : fs::directory_iterator(folder_ / "out" / "checkpoints")) {
      if (entry.path().filename().string().starts_with("step-")) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Whether a new checkpoint appeared before the child ended or half a minute went by.
  [[nodiscard]] bool wait_for_checkpoint(ChildProcess& process, std::size_t before) const {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (checkpoints().size() <= before) {
      if (!process.running() || std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }

  /// A checkpoint from which training can go on: model, optimiser state and step, each complete.
  static void expect_whole(const fs::path& folder) {
    SCOPED_TRACE(folder.string());
    const Model model = Model::load(folder);
    const Safetensors moments(folder / "optimizer.safetensors");
    EXPECT_EQ(moments.tensors().size(), 2 * tensor_table(model.spec()).size());
    const auto state = nlohmann::json::parse(read_text(folder / "training_state.json"));
    EXPECT_EQ(folder.filename().string(), fmt::format("step-{:06}", state.at("step").get<int>()));
    EXPECT_TRUE(fs::exists(folder / "tokenizer.json"));
  }

  const ScratchFolder scratch_;
  const fs::path folder_ = scratch_.path();
};

TEST_F(KilledTraining, LeavesOnlyWholeCheckpointsAndResumes) {
  write_config(1'000'000, 1);
  std::mt19937 random(std::random_device{}());
  for (int kill = 0; kill < 6; ++kill) {
    const std::size_t before = checkpoints().size();
    ChildProcess process = train(folder_, kill > 0);
    ASSERT_TRUE(wait_for_checkpoint(process, before)) << read_text(folder_ / "log.txt");
    const int wait = std::uniform_int_distribution(0, 60)(random);
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    process.signal(SIGKILL);
    process.wait();
    for (const fs::path& folder : checkpoints()) {
      ASSERT_NO_THROW(expect_whole(folder)) << "killed " << wait << " ms after the first checkpoint";
    }
  }
  // No step is skipped or repeated under another name.
  const std::vector<fs::path> found = checkpoints();
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].filename(), fmt::format("step-{:06}", i + 1));
}

TEST_F(KilledTraining, EndsWithTheModelOfAnUninterruptedRun) {
  write_config(60, 5);
  {
    ChildProcess process = train(folder_, false);
    ASSERT_TRUE(wait_for_checkpoint(process, 2)) << read_text(folder_ / "log.txt");
  }
  EXPECT_EQ(train(folder_, true).wait(), 0) << read_text(folder_ / "log.txt");
  const std::string resumed = read_text(folder_ / "out" / "model" / "model.safetensors");
  fs::remove_all(folder_ / "out");
  EXPECT_EQ(train(folder_, false).wait(), 0) << read_text(folder_ / "log.txt");
  EXPECT_TRUE(resumed == read_text(folder_ / "out" / "model" / "model.safetensors"));
}

}  // namespace
}  // namespace gyre::kill_test
