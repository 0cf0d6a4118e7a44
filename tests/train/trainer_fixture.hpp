#pragma once

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/random.hpp"
#include "scratch_folder.hpp"
#include "train/trainer.hpp"

namespace gyre {

/// Sentences of a few words, so that there is something to learn in a few steps.
inline std::string small_text(int sentences) {
  constexpr std::array<const char*, 6> kWords = {"the cat ", "a dog ", "sees ", "eats ", "runs ", "it. "};
  Random random(5);
  std::string text;
  for (int i = 0; i < 3 * sentences; ++i) text += kWords[random.below(kWords.size())];
  return text;
}

inline nlohmann::json small_config() {
  return nlohmann::json::parse(R"({
    "name": "tiny", "context": 32, "hidden_size": 16, "heads": 2, "ffn_size": 24,
    "groups": [{"name": "prelude"}, {"name": "loop", "loops": 3}],
    "training": {"steps": 20, "batch": 2, "sequence": 32, "precision": "f32", "learning_rate": 0.01, "warmup": 4,
                 "evaluate_every": 10, "evaluate_windows": 4, "checkpoint_every": 10}
  })");
}

/// A folder with a text, and what is asked of train() in it.
class TrainerTest : public testing::Test {
 protected:
  TrainerTest() { write("text.txt", small_text(400)); }

  std::filesystem::path write(const std::string& name, const std::string& content) {
    std::ofstream(scratch_ / name, std::ios::binary) << content;
    return scratch_ / name;
  }

  TrainRequest request(const nlohmann::json& config, const std::string& out) {
    return {write("config.json", config.dump()), scratch_ / "text.txt", scratch_ / out, false, 1, 0, false};
  }

  /// The lines of metrics.jsonl for steps after `step`, without the speed.
  static std::vector<nlohmann::json> metrics(const std::filesystem::path& out, int step = 0) {
    std::vector<nlohmann::json> rows;
    std::ifstream lines(out / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      nlohmann::json row = nlohmann::json::parse(line);
      row.erase("tokens_per_second");
      if (row.at("step") > step) rows.push_back(row);
    }
    return rows;
  }

  /// What train() says of a mistake.
  static std::string message_of(const TrainRequest& request) {
    try {
      train(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  ScratchFolder scratch_;
};

}  // namespace gyre
