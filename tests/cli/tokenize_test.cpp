#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/program.hpp"
#include "format/gguf.hpp"
#include "scratch_folder.hpp"

namespace gyre::tokenize_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class Tokenize : public ::testing::Test {
 protected:
  Tokenize() {
    fs::create_directories(folder());
    write_text_atomically(folder() / "tokenizer.json", kTokenizer);
    write_text_atomically(folder() / "tokenizer_config.json",
                          R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"})");
  }

  [[nodiscard]] fs::path folder() const { return scratch_ / "model"; }

  static std::string output(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "tokenize");
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  }

  static void expect_refused(std::vector<std::string> arguments, const std::string& says) {
    arguments.insert(arguments.begin(), "tokenize");
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 2);
    EXPECT_THAT(run.err, HasSubstr(says));
    EXPECT_EQ(run.out, "");
  }

  static constexpr const char* kTokenizer =
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}, "decoder": {"type": "Fuse"},
          "added_tokens": [{"id": 3, "content": "<s>", "special": true}]})";
  ScratchFolder scratch_;
};

TEST_F(Tokenize, PrintsTokensOfAFolderAFileAndAGgufFile) {
  const std::string expected = "      2  \"ab\"\n      0  \"a\"\n";
  EXPECT_EQ(output({"-t", folder().string(), "aba"}), expected);
  EXPECT_EQ(output({"-t", (folder() / "tokenizer.json").string(), "aba"}), expected);
  const fs::path gguf = scratch_ / "m.gguf";
  write_gguf(gguf,
             std::vector<GgufEntry>{{"tokenizer.ggml.model", std::string("gpt2")},
                                    {"tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "ab"}},
                                    {"tokenizer.ggml.merges", std::vector<std::string>{"a b"}}},
             {});
  EXPECT_EQ(output({"-t", gguf.string(), "aba"}), expected);
  fs::rename(gguf, scratch_ / "blob");  // as the cache of Hugging Face names it
  EXPECT_EQ(output({"-t", (scratch_ / "blob").string(), "aba"}), expected);
}

TEST_F(Tokenize, AFolderSurroundsATextAsItsConfigurationSays) {
  EXPECT_EQ(output({"-t", folder().string(), "--surround", "a"}), "      3  \"<s>\"\n      0  \"a\"\n");
  EXPECT_EQ(output({"-t", (folder() / "tokenizer.json").string(), "--surround", "a"}), "      0  \"a\"\n");
}

TEST_F(Tokenize, PrintsJson) {
  const Json json = Json::parse(output({"-t", folder().string(), "--json", "aba"}));
  EXPECT_EQ(json, Json::parse(R"({"ids": [2, 0], "pieces": ["ab", "a"], "text": "aba"})"));
  EXPECT_EQ(Json::parse(output({"-t", folder().string(), "--json", ""}))["ids"], Json::array());
}

TEST_F(Tokenize, AsksForOneTextAndForFlagsThatGoTogether) {
  expect_refused({"-t", folder().string()}, "no text; give one, or --json-lines");
  expect_refused({"-t", folder().string(), "--json-lines", "a"}, "a text and --json-lines");
  expect_refused({"-t", folder().string(), "--json-lines", "--json"}, "--json");
  expect_refused({"-t", folder().string(), "--lower-case", "a"}, "--lower-case");
  expect_refused({"-t", (scratch_ / "none").string(), "a"}, "none");
}

/// The inputs of faults found in use, if this machine has them.
class SharedCases : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("GYRE_SHARED");
    cases_ = (given != nullptr ? fs::path(given) : fs::path(GYRE_TEST_DIR) / ".." / ".." / "shared") / "cases";
    if (!fs::exists(cases_)) GTEST_SKIP() << "no " << cases_ << "; set GYRE_SHARED to the folder that holds cases";
  }

  [[nodiscard]] std::string at(const std::string& name) const { return (cases_ / name).string(); }

  [[nodiscard]] Json generate(const std::string& model, std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"generate", "-m", at(model), "--temperature", "0", "--json"});
    const ProgramRun run = run_gyre(flags);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.status == 0 ? Json::parse(run.out) : Json();
  }

  void expect_refused(std::vector<std::string> arguments, const std::vector<std::string>& says) const {
    const ProgramRun run = run_gyre(arguments);
    EXPECT_EQ(run.status, 2);
    for (const std::string& text : says) EXPECT_THAT(run.err, HasSubstr(text));
  }

  fs::path cases_;
};

TEST_F(SharedCases, TextsBeginAsTheModelWantsIt) {
  EXPECT_EQ(generate("gguf-llama3-bos-by-default/model.gguf", {"-p", "hi", "-n", "1"})["prompt_tokens"], 3);
  EXPECT_EQ(generate("gguf-spm-default-ids/model.gguf", {"-p", "hi", "-n", "1"}).contains("prompt_tokens"), true);
  EXPECT_EQ(generate("hf-add-bos-token", {"-p", "hi", "-n", "1"})["prompt_tokens"], 3);
}

TEST_F(SharedCases, AGenerationEndsWithTheTurn) {
  const Json json = generate("gguf-never-stops/model.gguf", {"--chat", "-p", "hi", "-n", "6"});
  EXPECT_EQ(json["stop_reason"], "end_token");
  EXPECT_EQ(json["text"], "");
}

TEST_F(SharedCases, WhatCannotBeReadSaysWhatItIs) {
  expect_refused({"generate", "-m", at("gguf-no-merges/model.gguf"), "-p", "the", "-n", "1"},
                 {"tokenizer.ggml.merges"});
  expect_refused({"info", "-m", at("hf-lfs-pointer")}, {"model.safetensors", "Git LFS pointer"});
  expect_refused({"info", "-m", at("safetensors-duplicate-key")}, {"tensor lm_head.weight", "twice"});
  const ProgramRun run = run_gyre({"info", "-m", at("hub-cache-root/models--org--tiny")});
  EXPECT_THAT(run.out + run.err, HasSubstr("snapshots/abc123"));
  if (fs::is_symlink(cases_ / "hub-cache-root/models--org--tiny/snapshots/abc123/config.json")) {
    EXPECT_EQ(run.status, 0) << run.err;
  } else {
    EXPECT_THAT(run.err, HasSubstr("the text of a link"));
  }
  EXPECT_EQ(run_gyre({"tokenize", "-t", at("tokenize-gguf/model.gguf"), "hi"}).status, 0);
}

TEST_F(SharedCases, AnyPartOfAModelRunsIt) {
  const Json first = generate("gguf-split/m-00001-of-00002.gguf", {"-p", "hi", "-n", "4"});
  const Json second = generate("gguf-split/m-00002-of-00002.gguf", {"-p", "hi", "-n", "4"});
  EXPECT_EQ(first["tokens"].size(), 4U);
  for (const char* key : {"text", "prompt_tokens"}) EXPECT_EQ(first[key], second[key]) << key;
  const ProgramRun run = run_gyre({"tokenize", "-t", at("gguf-split/m-00002-of-00002.gguf"), "hi"});
  EXPECT_EQ(run.status, 0) << run.err;
}

TEST_F(SharedCases, TokensAreThoseOfThePythonPackage) {
  const std::map<std::string, std::vector<int>> expected = {
      {"tok-byte-level-not-last", {64, 257, 18, 19, 65, 220, 257, 18, 19, 20, 220, 87, 0, 220, 16, 11, 256, 15}},
      {"tok-han-script", {1, 2, 3, 4, 5}},
      {"tok-open-interval", {5, 3}},
      {"tok-unicode-escape", {4, 3}},
      {"tok-whitespace-marks", {1, 10, 6}}};
  for (const auto& [name, ids] : expected) {
    std::ifstream lines(cases_ / name / "text.jsonl");
    std::string line;
    ASSERT_TRUE(std::getline(lines, line)) << name;
    const std::string text = Json::parse(line).get<std::string>();
    const ProgramRun run = run_gyre({"tokenize", "-t", at(name + "/tokenizer.json"), "--json", text});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(Json::parse(run.out)["ids"].get<std::vector<int>>(), ids) << name;
  }
}

}  // namespace
}  // namespace gyre::tokenize_test
