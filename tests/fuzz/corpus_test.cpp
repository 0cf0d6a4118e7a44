#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "fuzz/targets.hpp"

namespace gyre::fuzz::corpus_test {
namespace {

struct Target {
  const char* name;
  void (*run)(Bytes input);
};

class FuzzCorpus : public testing::TestWithParam<Target> {};

TEST_P(FuzzCorpus, EveryKeptInputIsReadOrRefused) {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path corpus = std::filesystem::path(GYRE_TEST_DIR) / "fuzz" / "corpus" / GetParam().name;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  EXPECT_FALSE(files.empty());
  for (const std::filesystem::path& file : files) {
    // Not as the program opens files, which refuses some by their first bytes.
    std::ifstream stream(file, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(input)))) << file;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus,
                         testing::Values(Target{"safetensors", safetensors}, Target{"gguf", gguf},
                                         Target{"config", config}, Target{"tokenizer", tokenizer},
                                         Target{"chat_template", chat_template}),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace gyre::fuzz::corpus_test
