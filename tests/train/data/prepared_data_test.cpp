#include "train/prepared_data.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/hash.hpp"
#include "scratch_folder.hpp"

namespace gyre::prepared_data_test {
namespace {

class Source : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) {
    std::ofstream(scratch_ / name, std::ios::binary) << content;
    return scratch_ / name;
  }

  static TrainConfig config_of(DataLayout layout, VocabularyKind vocabulary, float share) {
    TrainConfig config;
    config.layout = layout;
    config.vocabulary = vocabulary;
    config.validation_share = share;
    config.bpe_size = 260;
    config.sequence = 8;
    return config;
  }

  static bool knows(const Tokenizer& tokenizer, const std::string& word) { return tokenizer.encode(word).size() == 1; }

  ScratchFolder scratch_;
};

// Half of the text is one word, the other half, which validates, another.
TEST_F(Source, ABpeVocabularyLearnsFromTheTrainingPartOfATextAlone) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "zyx ";
  for (int i = 0; i < 300; ++i) text += "q k ";
  const TrainConfig config = config_of(DataLayout::text, VocabularyKind::bpe, 0.75F);
  const Tokenizer tokenizer = make_tokenizer(config, read_source(write("t.txt", text), config));
  EXPECT_TRUE(knows(tokenizer, "zyx"));
  EXPECT_FALSE(knows(tokenizer, " q"));
  EXPECT_FALSE(knows(tokenizer, " k"));
}

TEST_F(Source, ABpeVocabularyLearnsFromTheTrainingExamplesAlone) {
  const TrainConfig config = config_of(DataLayout::answers, VocabularyKind::bpe, 0.5F);
  std::string lines;
  for (const char* prompt : {"one", "two"}) {
    lines += std::string(R"({"prompt":")") + prompt + R"( )" + prompt + R"(","answer":"answer of )" + prompt + "\"}\n";
  }
  const SourceData source = read_source(write("e.jsonl", lines), config);
  ASSERT_EQ(source.examples.training.size(), 1U);
  ASSERT_EQ(source.examples.validation.size(), 1U);
  TrainConfig large = config;
  large.bpe_size = 2000;
  const Tokenizer tokenizer = make_tokenizer(large, source);
  EXPECT_TRUE(knows(tokenizer, " " + source.examples.training[0].prompt.substr(0, 3)));
  EXPECT_FALSE(knows(tokenizer, " " + source.examples.validation[0].prompt.substr(0, 3)));
}

// Prompt and answer are encoded apart: a merge of both would never be used.
TEST_F(Source, NoMergeReachesFromAPromptIntoItsAnswer) {
  TrainConfig config = config_of(DataLayout::answers, VocabularyKind::bpe, 0.5F);
  config.bpe_size = 2000;
  const SourceData source = read_source(
      write("e.jsonl", "{\"prompt\":\"ab\",\"answer\":\"ab\"}\n{\"prompt\":\"cd\",\"answer\":\"cd\"}\n"), config);
  const std::string word = source.examples.training[0].prompt;
  const Tokenizer tokenizer = make_tokenizer(config, source);
  EXPECT_TRUE(knows(tokenizer, word));
  EXPECT_EQ(tokenizer.encode(word + word).size(), 2U);
}

TEST_F(Source, AVocabularyOfCharactersHoldsThoseOfBothParts) {
  const TrainConfig text = config_of(DataLayout::text, VocabularyKind::characters, 0.5F);
  EXPECT_EQ(make_tokenizer(text, read_source(write("t.txt", "aabbccdd"), text)).size(), 4);
  const TrainConfig answers = config_of(DataLayout::answers, VocabularyKind::characters, 0.5F);
  const auto file = write("e.jsonl", "{\"prompt\":\"ab\",\"answer\":\"c\"}\n{\"prompt\":\"de\",\"answer\":\"f\"}\n");
  EXPECT_EQ(make_tokenizer(answers, read_source(file, answers)).size(), 6);
}

TEST_F(Source, TheLastPartOfATextValidates) {
  TrainConfig config = config_of(DataLayout::text, VocabularyKind::characters, 0.25F);
  config.sequence = 4;
  config.evaluate_windows = 9;
  const SourceData source = read_source(write("t.txt", "abcdefghijklmnopqrstuvwxyzABCDEF"), config);
  const Tokenizer tokenizer = make_tokenizer(config, source);
  const TrainingData data = encode_source(config, source, tokenizer, scratch_.path());
  EXPECT_EQ(data.training_tokens(), 24);
  const std::vector<Batch> batches = data.validation_batches();
  ASSERT_EQ(batches.size(), 1U);
  ASSERT_EQ(batches[0].rows, 1);
  const std::vector<std::int32_t> ids(batches[0].inputs.begin(), batches[0].inputs.end());
  EXPECT_EQ(tokenizer.decode(ids), "yzAB");
}

TEST_F(Source, TheDigestOfATextIsItsHash) {
  const std::string text = "some text";
  const TrainConfig config = config_of(DataLayout::text, VocabularyKind::bytes, 0.1F);
  EXPECT_EQ(read_source(write("t.txt", text), config).digest, sha256(std::as_bytes(std::span(text))));
}

TEST_F(Source, TheDigestOfExamplesChangesWithEachOfTheirParts) {
  const TrainConfig config = config_of(DataLayout::answers, VocabularyKind::bytes, 0.5F);
  const std::string second = "\n{\"prompt\":\"x\",\"answer\":\"y\"}\n";
  const auto digest = [&](const std::string& lines) { return read_source(write("e.jsonl", lines), config).digest; };
  const std::string plain = digest(R"({"prompt":"ab","answer":"c"})" + second);
  EXPECT_EQ(digest(R"({"answer":"c", "prompt":"ab"})" + second), plain);  // the same examples, written otherwise
  for (const std::string other :
       {R"({"prompt":"a","answer":"bc"})", R"({"prompt":"ab","answer":"d"})",
        R"({"prompt":"ab","answer":"c","level":1})", R"({"prompt":"ab","answer":"c","labels":" x"})"}) {
    EXPECT_NE(digest(other + second), plain) << other;
  }
}

TEST_F(Source, TheDigestOfATokenizerIsThatOfItsFile) {
  const Tokenizer tokenizer = Tokenizer::characters("abc");
  tokenizer.save(scratch_ / "tokenizer.json");
  std::ifstream file(scratch_ / "tokenizer.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(digest_of(tokenizer), sha256(std::as_bytes(std::span(text))));
  EXPECT_NE(digest_of(tokenizer), digest_of(Tokenizer::characters("abd")));
}

}  // namespace
}  // namespace gyre::prepared_data_test
