#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"

namespace gyre::info_test {
namespace {

using ::testing::HasSubstr;

/// Bytes of one number as the small model is computed with: it is stored in F32.
constexpr double kBytes = 4;

class InfoRun : public ::testing::Test {
 protected:
  [[nodiscard]] std::string folder() const { return folder_.path().string(); }
  /// The same model as one file.
  [[nodiscard]] std::string file(const std::string& type) const {
    const std::filesystem::path path = folder_.beside(type + ".gguf");
    convert(Checkpoint::open(folder_.path()), parse_storage(type, {}), path);
    return path.string();
  }
  static std::string table(std::vector<std::string> flags) {
    flags.insert(flags.begin(), "info");
    const ProgramRun run = run_gyre(flags);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }
  static nlohmann::json json(std::vector<std::string> flags) {
    flags.emplace_back("--json");
    return nlohmann::json::parse(table(std::move(flags)));
  }

  /// Numbers of the tensors whose names begin so.
  [[nodiscard]] double numbers(const std::string& start) const {
    double count = 0;
    for (const auto& [name, values] : folder_.weights()) {
      if (name.starts_with(start)) count += static_cast<double>(values.size());
    }
    return count;
  }

  ModelFolder folder_;
};

TEST_F(InfoRun, TellsSizeAndCost) {
  const nlohmann::json info = json({"-m", folder(), "--loops", "2"});
  EXPECT_EQ(info["parameters"], numbers(""));
  EXPECT_EQ(info["kv_bytes_per_token"], 8 * 2 * 4 * (1 + 2 + 2 * 2 + 1));
  EXPECT_EQ(info["spec"]["hidden_size"], 16);
  const std::string shown = table({"-m", folder()});
  EXPECT_THAT(shown, HasSubstr("loop a"));
  EXPECT_THAT(shown, HasSubstr("4 loops"));
}

TEST_F(InfoRun, CountsTheFloatingPointOperationsOfALoop) {
  const auto flops = [&](const char* loops) {
    return json({"-m", folder(), "--loops", loops})["flops_per_token"].get<double>();
  };
  // q 16, k and v 8 each, out 16; three MLP maps of 24; the first group mixes in its input through 32 by 16.
  const double layer = 2.0 * 16 * (16 + 2 * 8 + 16 + 3 * 24);
  EXPECT_EQ(flops("2/1") - flops("1/1"), layer + 2.0 * 32 * 16);
  EXPECT_EQ(flops("1/2") - flops("1/1"), 2 * layer);
  EXPECT_EQ(flops("1/1"), 5 * layer + 2.0 * 32 * 16 + 2.0 * 16 * 16);  // five layers, the mixing, the head
}

TEST_F(InfoRun, CountsTheWeightsThatATokenReadsAnewInEveryLoop) {
  const auto bytes = [&](const char* loops) {
    return json({"-m", folder(), "--loops", loops})["weight_bytes_per_token"].get<double>();
  };
  EXPECT_EQ(bytes("2/1") - bytes("1/1"), kBytes * numbers("groups.1."));
  EXPECT_EQ(bytes("1/2") - bytes("1/1"), kBytes * numbers("groups.2."));
  EXPECT_EQ(bytes("1/1"), kBytes * (numbers("") + 16));  // the table of embeddings as the head, and one row of it
}

TEST_F(InfoRun, CountsThePastOfATokenAtTheContextAsked) {
  const nlohmann::json past = json({"-m", folder(), "--loops", "3/2", "--context", "10"})["at_full_context"];
  const double passes = 1 + 3 + 2 * 2 + 1;
  EXPECT_EQ(past["attention_flops_per_token"], 10 * passes * 2 * 2 * 16);
  EXPECT_EQ(past["kv_bytes_read_per_token"], 10 * passes * 2 * 8 * 4);
}

TEST_F(InfoRun, CountsMemoryAtAContextUnderAPolicy) {
  const nlohmann::json need = json({"-m", folder(), "--context", "20", "--threads", "1"})["memory_bytes"];
  EXPECT_EQ(need["weights"], kBytes * numbers(""));
  EXPECT_EQ(need["kv_cache"], 20 * 8 * 2 * 4 * (1 + 4 + 2 * 3 + 1));
  EXPECT_EQ(need["sum"],
            need["weights"].get<double>() + need["kv_cache"].get<double>() + need["activations"].get<double>());
  const auto kv = [&](const char* policy) {
    return json({"-m", folder(), "--context", "20", "--kv", policy})["memory_bytes"]["kv_cache"].get<int>();
  };
  EXPECT_EQ(kv("last"), 20 * 8 * 2 * 4 * 5);
  EXPECT_EQ(kv("latest:ring=2"), 20 * 8 * 2 * 4 * (1 + 2 + 2 * 2 + 1));
  EXPECT_EQ(kv("all_or_last"), 20 * 8 * 2 * 4 * (1 + 5 + 2 * 4 + 1));  // every loop, and the last one besides
  EXPECT_EQ(json({"-m", folder(), "--kv", "all_or_last"})["kv_policy"], "all_or_last");
  const auto activations = [&](const char* context) {
    return json({"-m", folder(), "--threads", "1", "--context", context})["memory_bytes"]["activations"].get<int>();
  };
  EXPECT_GT(activations("8"), 8 * 4 * (16 + 16 + 2 * 24));
  EXPECT_EQ(activations("24") - activations("16"), activations("16") - activations("8"));
}

TEST_F(InfoRun, CountsEveryTypeThatAFileHolds) {
  // Rows of 16 are no whole block of Q8_0, rows of 32 are: the mixing map and nothing else.
  const nlohmann::json stored = json({"-m", file("q8_0")})["stored"];
  EXPECT_EQ(stored.size(), 2U);
  EXPECT_EQ(stored["Q8_0"]["tensors"], 1);
  EXPECT_EQ(stored["Q8_0"]["parameters"], 32 * 16);
  EXPECT_EQ(stored["Q8_0"]["bytes"], 16 * 34);
  EXPECT_EQ(stored["F32"]["tensors"], folder_.weights().size() - 1);
  EXPECT_EQ(stored["F32"]["bytes"], 4 * (numbers("") - 32 * 16));
  const nlohmann::json plain = json({"-m", folder()})["stored"];
  EXPECT_EQ(plain.size(), 1U);
  EXPECT_EQ(plain["F32"]["parameters"], numbers(""));
  EXPECT_THAT(table({"-m", file("bf16")}), HasSubstr("BF16"));
}

TEST_F(InfoRun, OfAFileAndOfItsFolderIsTheSame) {
  nlohmann::json a = json({"-m", folder()});
  nlohmann::json b = json({"-m", file("f32")});
  for (const char* key : {"model", "model_sha256"}) a[key] = b[key] = nullptr;
  EXPECT_EQ(a, b);
}

TEST_F(InfoRun, AContextBeyondTheModelIsAMistake) {
  const ProgramRun run = run_gyre({"info", "-m", folder(), "--context", "25"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("--context: 25 is more than the 24 positions"));
}

}  // namespace
}  // namespace gyre::info_test
