#include "train/data.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/error.hpp"
#include "base/random.hpp"
#include "scratch_folder.hpp"

namespace gyre::data_test {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTraining = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kValidation = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Every letter stands once in the text, so that a window tells where it begins.
class TextData : public testing::Test {
 protected:
  TextData() { TokenFile::write(file(), letters_, kTraining, kValidation); }

  [[nodiscard]] std::filesystem::path file() const { return scratch_ / "tokens.bin"; }
  [[nodiscard]] TrainingData data(const TrainConfig& config) const { return {config, TokenFile(file())}; }

  /// A row of `ids` as letters.
  [[nodiscard]] std::string row_of(const std::vector<std::int64_t>& ids, const Batch& batch, int row) const {
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < batch.columns; ++i) {
      tokens.push_back(static_cast<std::int32_t>(ids[static_cast<std::size_t>(row * batch.columns + i)]));
    }
    return letters_.decode(tokens);
  }

  ScratchFolder scratch_;
  Tokenizer letters_ = Tokenizer::characters(std::string(kTraining) + std::string(kValidation));
};

TrainConfig windows_of(int sequence, int batch) {
  TrainConfig config;
  config.sequence = sequence;
  config.batch = batch;
  return config;
}

TEST_F(TextData, IsKeptAsTheTokensOfBothParts) {
  const TokenFile tokens(file());
  EXPECT_EQ(tokens.training_size(), 26);
  EXPECT_EQ(tokens.validation_size(), 26);
  std::vector<std::int64_t> ids(4);
  tokens.copy(24, ids);
  EXPECT_EQ(letters_.decode(std::vector<std::int32_t>(ids.begin(), ids.end())), "yzAB");
  EXPECT_EQ(data(windows_of(7, 1)).training_tokens(), 26);
}

// 26 letters hold 20 windows of seven; the target of the last position is an eighth letter, so 19 windows train.
TEST_F(TextData, TrainingWindowsReachFromTheFirstToTheLastTrainingTokenAndNoFurther) {
  const TrainingData source = data(windows_of(7, 4));
  std::set<std::string> inputs;
  for (int step = 1; step <= 200; ++step) {
    const Batch batch = source.training_batch(1, step);
    ASSERT_EQ(batch.rows, 4);
    ASSERT_EQ(batch.columns, 7);
    for (int row = 0; row < 4; ++row) {
      const std::string input = row_of(batch.inputs, batch, row);
      const std::size_t begin = kTraining.find(input);
      ASSERT_NE(begin, std::string_view::npos) << input;
      ASSERT_EQ(row_of(batch.targets, batch, row), kTraining.substr(begin + 1, 7));
      inputs.insert(input);
    }
  }
  EXPECT_EQ(inputs.size(), 19U);
  EXPECT_TRUE(inputs.contains("abcdefg"));
  EXPECT_TRUE(inputs.contains("stuvwxy"));
}

TEST_F(TextData, ABatchIsDrawnFromSeedAndStep) {
  const TrainingData source = data(windows_of(7, 3));
  Random random(combine_seeds(5, 12));
  const Batch batch = source.training_batch(5, 12);
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(row_of(batch.inputs, batch, row), kTraining.substr(random.below(19), 7));
  }
  EXPECT_NE(source.training_batch(5, 13).inputs, batch.inputs);
  EXPECT_NE(source.training_batch(6, 12).inputs, batch.inputs);
  EXPECT_EQ(source.training_batch(5, 12).inputs, batch.inputs);
}

TEST_F(TextData, RanksDivideTheRowsThatOneProcessWouldDraw) {
  const Batch whole = data(windows_of(7, 6)).training_batch(5, 12);
  EXPECT_EQ(whole.counted, 42);
  for (const int rank : {0, 1, 2}) {
    const Batch own = data(windows_of(7, 2)).training_batch(5, 12, {rank, 3});
    EXPECT_EQ(own.rows, 2);
    EXPECT_EQ(own.counted, 42);
    for (const int row : {0, 1}) {
      EXPECT_EQ(row_of(own.inputs, own, row), row_of(whole.inputs, whole, rank + 3 * row));
      EXPECT_EQ(row_of(own.targets, own, row), row_of(whole.targets, whole, rank + 3 * row));
    }
  }
}

// 25 targets in windows of seven are three whole windows.
TEST_F(TextData, ValidationWindowsStandSideBySideInTheValidationPart) {
  const std::vector<Batch> batches = data(windows_of(7, 2)).validation_batches();
  ASSERT_EQ(batches.size(), 2U);
  ASSERT_EQ(batches[0].rows, 2);
  ASSERT_EQ(batches[1].rows, 1);
  EXPECT_EQ(row_of(batches[0].inputs, batches[0], 0), "ABCDEFG");
  EXPECT_EQ(row_of(batches[0].targets, batches[0], 0), "BCDEFGH");
  EXPECT_EQ(row_of(batches[0].inputs, batches[0], 1), "HIJKLMN");
  EXPECT_EQ(row_of(batches[1].inputs, batches[1], 0), "OPQRSTU");
  EXPECT_EQ(row_of(batches[1].targets, batches[1], 0), "PQRSTUV");
}

TEST_F(TextData, TheLastTargetMayBeTheLastTokenOfAll) {
  const std::vector<Batch> batches = data(windows_of(5, 9)).validation_batches();
  ASSERT_EQ(batches.size(), 1U);
  ASSERT_EQ(batches[0].rows, 5);
  EXPECT_EQ(row_of(batches[0].targets, batches[0], 4), "VWXYZ");
}

TEST_F(TextData, FewerWindowsAreSpreadOverTheValidationPart) {
  TrainConfig config = windows_of(4, 9);  // six whole windows
  config.evaluate_windows = 3;
  const std::vector<Batch> batches = data(config).validation_batches();
  ASSERT_EQ(batches.size(), 1U);
  ASSERT_EQ(batches[0].rows, 3);
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(row_of(batches[0].inputs, batches[0], row), kValidation.substr(static_cast<std::size_t>(8 * row), 4));
  }
}

TEST_F(TextData, MustHoldAWindowInEitherPart) {
  EXPECT_NO_THROW(data(windows_of(25, 1)));
  EXPECT_THROW(data(windows_of(26, 1)), Error);
  TokenFile::write(file(), letters_, kTraining, "ABCDE");
  EXPECT_NO_THROW(data(windows_of(4, 1)));
  EXPECT_THROW(data(windows_of(5, 1)), Error);
}

TEST_F(TextData, ATokenFileThatIsCutShortIsRefused) {
  std::filesystem::resize_file(file(), std::filesystem::file_size(file()) - 1);
  EXPECT_THROW(TokenFile{file()}, Error);
}

TEST(WideTokens, AreKeptWhole) {
  const ScratchFolder scratch;
  std::string text;  // 65,536 characters and one more: ids beyond 16 bits
  const auto add = [&text](unsigned c) {
    text += static_cast<char>(0xF0U | (c >> 18U));
    for (const unsigned shift : {12U, 6U, 0U}) text += static_cast<char>(0x80U | ((c >> shift) & 0x3FU));
  };
  for (unsigned c = 0x10000; c <= 0x20000; ++c) add(c);
  const Tokenizer tokenizer = Tokenizer::characters(text);
  ASSERT_EQ(tokenizer.size(), 65537);
  const std::string last = text.substr(text.size() - 4);
  TokenFile::write(scratch / "tokens.bin", tokenizer, last, text.substr(0, 4));
  std::vector<std::int64_t> ids(2);
  TokenFile(scratch / "tokens.bin").copy(0, ids);
  EXPECT_EQ(ids, (std::vector<std::int64_t>{tokenizer.encode(last)[0], tokenizer.encode(text.substr(0, 4))[0]}));
  EXPECT_GT(std::max(ids[0], ids[1]), 65535);
}

class EncodedExample : public testing::Test {
 protected:
  [[nodiscard]] std::int32_t id(const std::string& character) const { return digits_.encode(character).at(0); }

  Tokenizer digits_ = Tokenizer::characters("0123456789+=");
};

// The last character of the prompt has the answer's first as its target; the prompt itself is not learned.
TEST_F(EncodedExample, HasLossOnTheAnswerAlone) {
  const AnswerExample encoded = encode_example({"7+5=", "12", 1, ""}, digits_);
  EXPECT_EQ(encoded.inputs, digits_.encode("7+5=1"));
  EXPECT_EQ(encoded.targets, (std::vector{-1, -1, -1, id("1"), id("2")}));
}

TEST_F(EncodedExample, HasLossWhereItsLabelsAsk) {
  const AnswerExample encoded = encode_example({"1+2+4=", "7", 2, "  3 7 "}, digits_);
  EXPECT_EQ(encoded.inputs, digits_.encode("1+2+4="));
  EXPECT_EQ(encoded.targets, (std::vector{-1, -1, id("3"), -1, id("7"), id("7")}));
}

TEST_F(EncodedExample, WithLabelsOfAnotherLengthIsRefused) {
  EXPECT_THROW(encode_example({"1+2=", "3", 1, "  3"}, digits_), Error);
}

TEST_F(EncodedExample, NamesTheLineWithACharacterThatTheVocabularyLacks) {
  Example example{"1+2=", "x", 1, ""};
  example.line = 7;
  EXPECT_THAT([&] { encode_example(example, digits_); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("the data, line 7: the character \"x\"")));
}

AnswerExample example_of(std::vector<std::int32_t> inputs, std::vector<std::int32_t> targets) {
  return {std::move(inputs), std::move(targets)};
}

class ExampleData : public testing::Test {
 protected:
  ExampleData() {
    config_.sequence = 4;
    config_.batch = 2;
  }

  /// Example i has the inputs i, i … of which the last has a target.
  static AnswerExample numbered(int i, int length) {
    std::vector<std::int32_t> targets(static_cast<std::size_t>(length), -1);
    targets.back() = 10 + i;
    return example_of(std::vector<std::int32_t>(static_cast<std::size_t>(length), i), targets);
  }

  TrainConfig config_;
};

TEST_F(ExampleData, RowsAreFilledUpWithPositionsThatCarryNoLoss) {
  const TrainingData data(config_, {numbered(1, 2)}, {numbered(2, 1), numbered(3, 3)});
  const std::vector<Batch> batches = data.validation_batches();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].columns, 3);
  EXPECT_EQ(batches[0].inputs, (std::vector<std::int64_t>{2, 0, 0, 3, 3, 3}));
  EXPECT_EQ(batches[0].targets, (std::vector<std::int64_t>{12, -1, -1, -1, -1, 13}));
  EXPECT_EQ(data.training_tokens(), 2);
}

TEST_F(ExampleData, EitherPartGivesItsOwnExamplesAlone) {
  std::vector<AnswerExample> training;
  std::vector<AnswerExample> validation;
  for (int i = 0; i < 7; ++i) (i < 5 ? training : validation).push_back(numbered(i, 1));
  const TrainingData data(config_, training, validation);
  std::set<std::int64_t> seen;
  for (int step = 1; step <= 100; ++step) {
    for (const std::int64_t id : data.training_batch(3, step).inputs) seen.insert(id);
  }
  EXPECT_EQ(seen, (std::set<std::int64_t>{0, 1, 2, 3, 4}));
  const std::vector<Batch> batches = data.validation_batches();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].inputs, (std::vector<std::int64_t>{5, 6}));
}

TEST_F(ExampleData, RowsOfAllRanksAreFilledUpToOneWidthAndTheirTargetsCounted) {
  config_.batch = 2;
  const std::vector<AnswerExample> training = {numbered(1, 1), numbered(2, 4), numbered(3, 2)};
  const TrainingData halves(config_, training, {numbered(9, 1)});
  config_.batch = 4;
  const TrainingData wholes(config_, training, {numbered(9, 1)});
  for (int step = 1; step <= 20; ++step) {
    const Batch whole = wholes.training_batch(3, step);
    EXPECT_EQ(whole.counted, std::count_if(whole.targets.begin(), whole.targets.end(), [](auto t) { return t >= 0; }));
    for (const int rank : {0, 1}) {
      const Batch own = halves.training_batch(3, step, {rank, 2});
      EXPECT_EQ(own.columns, whole.columns);
      EXPECT_EQ(own.counted, whole.counted);
      const auto columns = static_cast<std::size_t>(whole.columns);
      for (std::size_t i = 0; i < own.inputs.size(); ++i) {
        const std::size_t row = static_cast<std::size_t>(rank) + 2 * (i / columns);
        EXPECT_EQ(own.inputs[i], whole.inputs[row * columns + i % columns]);
        EXPECT_EQ(own.targets[i], whole.targets[row * columns + i % columns]);
      }
    }
  }
}

TEST_F(ExampleData, FewerValidationExamplesAreSpreadOverTheirPart) {
  std::vector<AnswerExample> validation;
  for (int i = 0; i < 9; ++i) validation.push_back(numbered(i, 1));
  config_.evaluate_windows = 3;
  const std::vector<Batch> batches = TrainingData(config_, {numbered(20, 1)}, validation).validation_batches();
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[0].inputs, (std::vector<std::int64_t>{0, 3}));
  EXPECT_EQ(batches[1].inputs, (std::vector<std::int64_t>{6}));
}

TEST_F(ExampleData, WithoutEitherPartOrTooLongIsRefused) {
  EXPECT_THROW(TrainingData(config_, {}, {numbered(1, 1)}), Error);
  EXPECT_THROW(TrainingData(config_, {numbered(1, 1)}, {}), Error);
  EXPECT_NO_THROW(TrainingData(config_, {numbered(1, 1)}, {numbered(2, 4)}));
  EXPECT_THROW(TrainingData(config_, {numbered(1, 1)}, {numbered(2, 5)}), Error);
}

}  // namespace
}  // namespace gyre::data_test
