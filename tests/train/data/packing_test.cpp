#include "train/packing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "scratch_folder.hpp"
#include "train/prepared_data.hpp"

namespace gyre::packing_test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

// 6 and 5 begin rows of ten; 4 fits behind 6 exactly, one 3 behind 5, the other 3 begins a row, and 2 fills up the
// second.
TEST(BestFitDecreasing, PutsEachItemIntoTheFullestRowThatHasRoom) {
  EXPECT_THAT(pack_best_fit(std::vector<std::size_t>{3, 5, 2, 6, 4, 3}, 10),
              ElementsAre(ElementsAre(3, 4), ElementsAre(1, 0, 2), ElementsAre(5)));
  EXPECT_THAT(pack_best_fit(std::vector<std::size_t>{4, 4}, 4), ElementsAre(ElementsAre(0), ElementsAre(1)));
  EXPECT_TRUE(pack_best_fit({}, 4).empty());
}

TEST(BestFitDecreasing, OfAShuffleHoldsEveryItemOnceAndIsDrawnFromTheSeed) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 1000; ++i) lengths.push_back(1 + i * i % 37);
  const std::vector<RowItems> rows = pack_shuffled(lengths, 64, 5, 128);
  std::multiset<std::size_t> seen;
  for (const RowItems& row : rows) {
    std::size_t filled = 0;
    for (const std::size_t item : row) {
      seen.insert(item);
      filled += lengths[item];
    }
    EXPECT_LE(filled, 64U);
  }
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_EQ(std::set<std::size_t>(seen.begin(), seen.end()).size(), 1000U);
  EXPECT_EQ(pack_shuffled(lengths, 64, 5, 128), rows);
  EXPECT_NE(pack_shuffled(lengths, 64, 6, 128), rows);
  const std::size_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::size_t{0});
  EXPECT_LE(rows.size(), tokens / 64 + 1000 / 128 + 2);  // a row of each buffer may stay half empty
}

TrainConfig packed(int sequence, int batch) {
  TrainConfig config;
  config.layout = DataLayout::answers;
  config.packing = true;
  config.sequence = sequence;
  config.batch = batch;
  return config;
}

AnswerExample numbered(std::int32_t i, std::size_t length) {
  AnswerExample example{std::vector<std::int32_t>(length, i), std::vector<std::int32_t>(length, -1)};
  example.targets.back() = 10 + i;
  return example;
}

TEST(PackedRows, KeepDocumentsApart) {
  const TrainingData data(packed(6, 2), {numbered(9, 1)}, {numbered(1, 2), numbered(2, 3), numbered(3, 4)});
  const std::vector<Batch> batches = data.validation_batches();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].rows, 2);
  EXPECT_EQ(batches[0].columns, 6);
  EXPECT_THAT(batches[0].inputs, ElementsAre(3, 3, 3, 3, 1, 1, 2, 2, 2, 0, 0, 0));
  EXPECT_THAT(batches[0].targets, ElementsAre(-1, -1, -1, 13, -1, 11, -1, -1, 12, -1, -1, -1));
  EXPECT_THAT(batches[0].documents, ElementsAre(0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1));
}

TEST(PackedRows, AreGoneThroughInPasses) {
  std::vector<AnswerExample> training;
  for (std::int32_t i = 0; i < 7; ++i) training.push_back(numbered(i, 3));
  const TrainingData data(packed(3, 2), training, {numbered(9, 1)});  // seven rows of one example
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> second;
  for (int step = 1; step <= 7; ++step) {
    const Batch batch = data.training_batch(4, step);
    EXPECT_EQ(batch.inputs, data.training_batch(4, step).inputs);
    for (const int row : {0, 3}) {
      auto& pass = first.size() < 7 ? first : second;
      pass.push_back(batch.inputs[static_cast<std::size_t>(row)]);
    }
  }
  EXPECT_NE(first, second);
  EXPECT_THAT(first, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(second, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6));
}

class SupervisedData : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& lines) {
    std::ofstream(scratch_ / "d.jsonl", std::ios::binary) << lines;
    return scratch_ / "d.jsonl";
  }
  static TrainConfig chat_config(int sequence) {
    TrainConfig config;
    config.layout = DataLayout::chat;
    config.vocabulary = VocabularyKind::bytes;
    config.sequence = sequence;
    config.validation_share = 0.5F;
    return config;
  }
  TrainingData encode(const TrainConfig& config, const std::string& lines) {
    return encode_source(config, read_source(write(lines), config), bytes_, scratch_.path(), &chat_);
  }

  ScratchFolder scratch_;
  Tokenizer bytes_ = Tokenizer::bytes();
  ChatTemplate chat_{
      "{% for m in messages %}{{ m.role[0] }}{{ m.content }};{% endfor %}"
      "{% if add_generation_prompt %}a{% endif %}",
      "", "", "t.jinja"};
};

constexpr const char* kFour =
    "{\"prompt\":\"A\",\"answer\":\"B\"}\n{\"prompt\":\"A\",\"answer\":\"CC\"}\n"
    "{\"prompt\":\"A\",\"answer\":\"B\"}\n{\"prompt\":\"D\",\"answer\":\"EEEE\"}\n";

// uA;aB; has the tokens u A ; a B ; of which the last two are learned, in five places.
TEST_F(SupervisedData, OfChatsAreReportedOn) {
  const TrainConfig config = chat_config(8);
  const TrainingData data = encode(config, kFour);
  const DataReport& report = data.report();
  EXPECT_EQ(report.layout, "chat");
  EXPECT_EQ(report.read, 4U);
  EXPECT_EQ(report.repeated, 1U);
  EXPECT_EQ(report.contradicting, 1U);
  EXPECT_EQ(report.shared_groups, 0U);
  EXPECT_EQ(report.shared_prompts, 0U);
  // Either prompt may be the one that validates.
  const bool a_trains = report.training.examples == 3;
  const PartReport& a = a_trains ? report.training : report.validation;
  const PartReport& d = a_trains ? report.validation : report.training;
  EXPECT_EQ(a.examples, a_trains ? 3U : 2U);  // repeats do not validate
  EXPECT_EQ(a.tokens, a_trains ? 16U : 11U);
  EXPECT_EQ(a.learned, a_trains ? 7U : 5U);
  EXPECT_EQ(a.lengths.least, 5);
  EXPECT_EQ(a.lengths.most, 6);
  EXPECT_EQ(a.rows, a.examples);
  EXPECT_EQ(d.tokens, 8U);
  EXPECT_EQ(d.learned, 5U);
  EXPECT_EQ(d.lengths.median, 8);
  EXPECT_EQ(d.filled, 1);
  const json numbers = to_json(report);
  EXPECT_EQ(numbers.at("prompts_with_different_answers"), 1);
  EXPECT_EQ(numbers.at("validation").at("learned_tokens"), report.validation.learned);
  EXPECT_THAT(lines_of(report),
              ElementsAre(HasSubstr("4 examples read; 1 repeated word for word, 1 prompts with different answers"),
                          HasSubstr("training: "), HasSubstr("validation: ")));
}

TEST_F(SupervisedData, OfChatsLearnTheAssistantAlone) {
  const Batch batch =
      encode(chat_config(8), "{\"prompt\":\"A\",\"answer\":\"B\"}\n{\"prompt\":\"D\",\"answer\":\"B\"}\n")
          .validation_batches()
          .at(0);
  ASSERT_EQ(batch.columns, 5);
  const auto id = [this](const char* text) { return std::int64_t{bytes_.encode(text)[0]}; };
  EXPECT_THAT(batch.targets, ElementsAre(-1, -1, -1, id("B"), id(";")));
  EXPECT_TRUE(batch.documents.empty());
}

TEST_F(SupervisedData, ThatAreTooLongAreRefusedDroppedOrCut) {
  TrainConfig config = chat_config(7);
  const std::string lines = std::string(kFour) + "{\"prompt\":\"D\",\"answer\":\"F\"}\n";
  EXPECT_THAT(refusal([&] { encode(config, lines); }),
              AllOf(HasSubstr("the data, line 4: an example has 9 tokens; training.sequence allows 8"),
                    HasSubstr("training.truncate")));
  const auto both = [](const DataReport& report, std::size_t PartReport::*count) {
    return report.training.*count + report.validation.*count;
  };
  config.truncate = Truncation::drop;
  const DataReport dropped = encode(config, lines).report();
  EXPECT_EQ(both(dropped, &PartReport::dropped), 1U);
  EXPECT_EQ(both(dropped, &PartReport::cut), 0U);
  config.truncate = Truncation::cut;
  const DataReport cut = encode(config, lines).report();
  EXPECT_EQ(both(cut, &PartReport::dropped), 0U);
  EXPECT_EQ(both(cut, &PartReport::cut), 1U);
  EXPECT_EQ(std::max(cut.training.lengths.most, cut.validation.lengths.most), 7);
  config.sequence = 3;  // no example has its answer so early
  EXPECT_THAT(refusal([&] { encode(config, lines); }), HasSubstr("0 examples for training"));
}

TEST_F(SupervisedData, NeedATemplateOrAnEndTokenThatIsThere) {
  const TrainConfig chats = chat_config(8);
  const SourceData source = read_source(write(kFour), chats);
  EXPECT_THAT(refusal([&] { encode_source(chats, source, bytes_, scratch_.path()); }), HasSubstr("no chat template"));
  EXPECT_THAT(refusal([&] { make_tokenizer(chats, source); }), HasSubstr("needs a model that has a chat template"));
  TrainConfig answers = chats;
  answers.layout = DataLayout::answers;
  answers.end_token = "<|end|>";
  EXPECT_THAT(refusal([&] { encode(answers, kFour); }), HasSubstr("no added token \"<|end|>\""));
}

TEST_F(SupervisedData, MayHaveOtherKeys) {
  TrainConfig config = chat_config(8);
  config.layout = DataLayout::answers;
  config.keys = {"q", "a", "id"};
  const SourceData source = read_source(write("{\"q\":\"A\",\"a\":\"B\",\"id\":1}\n{\"q\":\"C\",\"a\":\"D\",\"id\":1}"
                                              "\n{\"q\":\"E\",\"a\":\"F\",\"id\":2}\n"),
                                        config);
  EXPECT_EQ(source.examples.training.size() + source.examples.validation.size(), 3U);
  EXPECT_NE(source.examples.training.size(), 0U);
  EXPECT_EQ(source.examples.training.size() % 2 + source.examples.validation.size() % 2, 1U);  // 1 and 1 stay together
  EXPECT_EQ(source.counts.shared_groups, 0U);
}

// A group is split as a whole; the same prompt may then stand on both sides, which is told.
TEST(DataReport, TellsWhatIsOnBothSides) {
  const std::vector<ReadExample> examples = {
      {"p", "a", "1", false}, {"p", "a", "2", true}, {"q", "a", "1", true}, {"p", "b", "3", false}};
  const DataReport report = report_on(examples);
  EXPECT_EQ(report.repeated, 1U);
  EXPECT_EQ(report.contradicting, 1U);
  EXPECT_EQ(report.shared_groups, 1U);
  EXPECT_EQ(report.shared_prompts, 1U);
}

TEST(DataKeys, AreReadAndRefusedWhereTheLayoutHasNoUseForThem) {
  const TrainConfig config = parse_train_config({{"layout", "chat"},
                                                 {"prompt_key", "question"},
                                                 {"answer_key", "reply"},
                                                 {"split_key", "id"},
                                                 {"turns", "last"},
                                                 {"truncate", "cut"},
                                                 {"packing", true}},
                                                "t");
  EXPECT_EQ(config.layout, DataLayout::chat);
  EXPECT_EQ(config.keys.prompt, "question");
  EXPECT_EQ(config.keys.answer, "reply");
  EXPECT_EQ(config.keys.split, "id");
  EXPECT_EQ(config.turns, LearnedTurns::last);
  EXPECT_EQ(config.truncate, Truncation::cut);
  EXPECT_TRUE(config.packing);
  EXPECT_EQ(to_json(parse_train_config(to_json(config), "t")), to_json(config));
  for (const auto& [layout, key, value] :
       std::vector<std::tuple<std::string, std::string, json>>{{"text", "packing", true},
                                                               {"text", "split_key", "id"},
                                                               {"text", "prompt_key", "q"},
                                                               {"text", "answer_key", "a"},
                                                               {"text", "truncate", "cut"},
                                                               {"text", "turns", "last"},
                                                               {"answers", "turns", "last"},
                                                               {"chat", "end_token", "</s>"}}) {
    EXPECT_THAT(refusal([&] {
                  parse_train_config({{"layout", layout}, {key, value}}, "t");
                }),
                HasSubstr("t: layout " + layout + " does not read " + key));
  }
  EXPECT_THAT(refusal([] {
                parse_train_config({{"layout", "chat"}, {"answer_key", "prompt"}}, "t");
              }),
              HasSubstr("give two different keys"));
}

}  // namespace
}  // namespace gyre::packing_test
