#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"
#include "study/tasks/task.hpp"

namespace gyre::task_items_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Files with rows of tasks.
class TaskItems : public ::testing::Test {
 protected:
  /// The items of a file that holds this.
  [[nodiscard]] std::vector<TaskItem> items(const std::string& task, const std::string& content,
                                            std::size_t most = 100) const {
    write_text_atomically(folder_ / "data", content);
    return read_task(task_named(task), folder_ / "data", most);
  }
  [[nodiscard]] TaskItem item(const std::string& task, const std::string& row) const { return items(task, row).at(0); }
  void refuses(const std::string& task, const std::string& content, const std::string& why) const {
    EXPECT_THAT([&] { (void)items(task, content); }, ThrowsMessage<Error>(HasSubstr(why))) << content;
  }
  static std::vector<std::string> contexts(const TaskItem& item) {
    std::vector<std::string> all;
    for (const TaskChoice& choice : item.choices) all.push_back(choice.context);
    return all;
  }
  static std::vector<std::string> continuations(const TaskItem& item) {
    std::vector<std::string> all;
    for (const TaskChoice& choice : item.choices) all.push_back(choice.continuation);
    return all;
  }
  static std::vector<std::size_t> lengths(const TaskItem& item) {
    std::vector<std::size_t> all;
    for (const TaskChoice& choice : item.choices) all.push_back(choice.length);
    return all;
  }

  ScratchFolder folder_;
};

TEST_F(TaskItems, ArcAsksAQuestionAndEachAnswer) {
  const std::string hub =
      R"({"id": "x", "question": "Why?", "choices": {"text": ["No.", "Ça va"], "label": ["1", "2"]}, "answerKey": "2"})";
  const std::string ai2 =
      R"({"question": {"stem": "Why?", "choices": [{"text": "No.", "label": "A"}, {"text": "Ça va", "label": "B"}]}, "answerKey": "B"})";
  const std::string adapters =
      R"([{"instruction": "Please choose the correct answer to the question: Why?\n\nAnswer1: No. Answer2: Ça va\n\nAnswer format: answer1/answer2", "answer": "answer2"}])";
  for (const std::string& row : {hub, ai2, adapters}) {
    const TaskItem asked = item("arc_easy", row);
    EXPECT_EQ(asked.kind, TaskKind::choice);
    EXPECT_THAT(contexts(asked), ElementsAre("Question: Why?\nAnswer:", "Question: Why?\nAnswer:"));
    EXPECT_THAT(continuations(asked), ElementsAre(" No.", " Ça va"));
    EXPECT_THAT(lengths(asked), ElementsAre(3, 5));  // characters, of which ç is one
    EXPECT_EQ(asked.right, 1);
    EXPECT_EQ(asked.shown, "Question: Why?\nAnswer: Ça va");
  }
  EXPECT_THAT(contexts(item("arc_challenge", hub)), ElementsAre("Question: Why?\nAnswer:", "Question: Why?\nAnswer:"));
}

TEST_F(TaskItems, OpenBookQaAsksTheStemAlone) {
  const TaskItem asked = item(
      "openbookqa",
      R"({"question_stem": "Ice is", "choices": {"text": ["hot", "cold"], "label": ["A", "B"]}, "answerKey": " B"})");
  EXPECT_THAT(contexts(asked), ElementsAre("Ice is", "Ice is"));
  EXPECT_THAT(continuations(asked), ElementsAre(" hot", " cold"));
  EXPECT_EQ(asked.right, 1);
}

TEST_F(TaskItems, PiqaAsksForBothSolutions) {
  const std::string adapters =
      R"([{"instruction": "Please choose the correct solution to the question: boil water\n\nSolution1: a pot \n\nSolution2: a hat\n\nAnswer format: solution1/solution2", "answer": "solution1"}])";
  for (const std::string& row :
       {std::string(R"({"goal": "boil water", "sol1": "a pot", "sol2": "a hat", "label": 0})"),
        std::string(R"({"goal": "boil water", "sol1": "a pot", "sol2": "a hat", "label": "0"})"), adapters}) {
    const TaskItem asked = item("piqa", row);
    EXPECT_EQ(contexts(asked).front(), "Question: boil water\nAnswer:");
    EXPECT_THAT(continuations(asked), ElementsAre(" a pot", " a hat"));
    EXPECT_EQ(asked.right, 0);
  }
}

TEST_F(TaskItems, BoolQAsksNoOrYesBehindThePassage) {
  for (const std::string answer : {R"("label": 1)", R"("answer": true)"}) {
    const TaskItem asked = item("boolq", R"({"passage": "It rains.", "question": "is it wet", )" + answer + "}");
    EXPECT_EQ(contexts(asked).front(), "It rains.\nQuestion: is it wet?\nAnswer:");
    EXPECT_THAT(continuations(asked), ElementsAre(" no", " yes"));
    EXPECT_EQ(asked.right, 1);
  }
  const TaskItem bare = item(
      "boolq",
      R"([{"instruction": "Please answer the following question with true or false, question: is it wet?\n\nAnswer format: true/false", "answer": "false"}])");
  EXPECT_EQ(contexts(bare).front(), "\nQuestion: is it wet?\nAnswer:");
  EXPECT_EQ(bare.right, 0);
}

TEST_F(TaskItems, WinoGrandeAsksForWhatStandsBehindTheBlank) {
  const std::string adapters =
      R"([{"instruction": "Please choose the correct answer to fill in the blank to complete the given sentence: Ann met Bo but _ left.\n\nOption1: Ann Option2: Bo Answer format: option1/option2", "answer": "option2"}])";
  for (const std::string& row :
       {std::string(R"({"sentence": "Ann met Bo but _ left.", "option1": "Ann", "option2": "Bo", "answer": "2"})"),
        adapters}) {
    const TaskItem asked = item("winogrande", row);
    EXPECT_THAT(contexts(asked), ElementsAre("Ann met Bo but Ann", "Ann met Bo but Bo"));
    EXPECT_THAT(continuations(asked), ElementsAre(" left.", " left."));
    EXPECT_EQ(asked.right, 1);
    EXPECT_EQ(asked.shown, "Ann met Bo but Bo left.");
  }
}

TEST_F(TaskItems, LambadaAsksForTheLastWord) {
  for (const std::string file :
       {"he met the man\n\nshe ran\n", "{\"text\": \"he met the man\"}\n{\"text\": \"she ran\"}"}) {
    const std::vector<TaskItem> all = items("lambada", file);
    ASSERT_EQ(all.size(), 2);
    EXPECT_EQ(all[0].kind, TaskKind::words);
    EXPECT_THAT(contexts(all[0]), ElementsAre("he met the"));
    EXPECT_THAT(continuations(all[0]), ElementsAre(" man"));
    EXPECT_THAT(continuations(all[1]), ElementsAre(" ran"));
  }
  EXPECT_THAT(items("lambada", "a b\n\nc d").at(1).where, HasSubstr(", line 3"));
}

TEST_F(TaskItems, ProblemsAskForANumber) {
  const TaskItem gsm = item("gsm8k", R"({"question": "1+1?", "answer": "It is 2.\n#### 2"})");
  EXPECT_EQ(gsm.kind, TaskKind::number);
  EXPECT_THAT(contexts(gsm), ElementsAre("Question: 1+1?\nAnswer:"));
  EXPECT_EQ(gsm.reference, "It is 2.\n#### 2");
  EXPECT_EQ(gsm.shown, "Question: 1+1?\nAnswer: It is 2.\n#### 2");
  const TaskItem svamp = item("svamp", R"([{"Body": "Two cats", "Question": "How many? ", "Answer": 51.0}])");
  EXPECT_THAT(contexts(svamp), ElementsAre("Question: Two cats How many?\nAnswer:"));
  EXPECT_EQ(svamp.reference, "51");
  EXPECT_EQ(item("svamp", R"({"Body": "a", "Question": "b", "Answer": "12.5"})").reference, "12.5");
  for (const std::string row :
       {R"([{"sQuestion": " How many? ", "lSolutions": [39.0]}])",
        R"([{"sQuestion": " How many? ", "lSolutions": ["39"]}])", R"({"question": "How many?", "final_ans": "39"})"}) {
    EXPECT_THAT(contexts(item("multiarith", row)), ElementsAre("Question: How many?\nAnswer:"));
    EXPECT_EQ(item("addsub", row).reference, "39");
  }
}

TEST_F(TaskItems, BigBenchPutsTheInputBetweenThePrefixesOfItsFile) {
  const std::string examples = R"("examples": [{"input": "1+1", "target_scores": {"3": 0, "2": 1}}])";
  const TaskItem plain = item("bigbench", "{" + examples + "}");
  // Choices stand in the order of the alphabet.
  EXPECT_EQ(contexts(plain).front(), "Q: 1+1\n  choice: 2\n  choice: 3\nA:");
  EXPECT_THAT(continuations(plain), ElementsAre(" 2", " 3"));
  EXPECT_EQ(plain.right, 0);
  const TaskItem other = item("bigbench", R"({"task_prefix": "Add. ", "example_input_prefix": "I: ",
      "example_output_prefix": "\nO: ", "append_choices_to_input": false, )" +
                                              examples + "}");
  EXPECT_EQ(contexts(other).front(), "Add. I: 1+1\nO:");
  const TaskItem words = item("bigbench", R"({"examples": [{"input": "1+1", "target": ["two", "2"]}]})");
  EXPECT_EQ(words.kind, TaskKind::words);
  EXPECT_THAT(contexts(words), ElementsAre("Q: 1+1\nA:"));
  EXPECT_THAT(continuations(words), ElementsAre(" two"));
  refuses("bigbench",
          R"({"examples": [{"input": "a", "target": "b"}, {"input": "a", "target_scores": {"b": 1, "c": 0}}]})",
          "row 2: it is scored by multiple_choice, the first row by loglikelihood");
}

TEST_F(TaskItems, ShotsStandBeforeEveryOtherQuestion) {
  const std::string file = R"({"goal": "a", "sol1": "b", "sol2": "c", "label": 1}
{"goal": "d", "sol1": "e", "sol2": "f", "label": 0})";
  const std::vector<TaskItem> all = with_shots(items("piqa", file), 1);
  ASSERT_EQ(all.size(), 1);
  EXPECT_EQ(contexts(all[0]).at(1), "Question: a\nAnswer: c\n\nQuestion: d\nAnswer:");
  EXPECT_THAT([&] { (void)with_shots(items("piqa", file), 2); },
              ThrowsMessage<Error>(HasSubstr("2 items, and 2 of them are shown")));
}

TEST_F(TaskItems, OnlyTheFirstRowsAreRead) {
  EXPECT_EQ(items("lambada", "a b\nc d\ne f", 2).size(), 2);
  EXPECT_EQ(items("piqa", "{\"goal\": \"a\", \"sol1\": \"b\", \"sol2\": \"c\", \"label\": 1}\nno row", 1).size(), 1);
}

TEST_F(TaskItems, AnUnknownTaskIsToldAllNames) {
  EXPECT_THAT([] { (void)task_named("arc"); },
              ThrowsMessage<Error>(AllOf(HasSubstr("no task \"arc\""), HasSubstr("arc_easy, arc_challenge, openbookqa, "
                                                                                 "piqa, boolq, winogrande, lambada"))));
}

TEST_F(TaskItems, AFileOfAnotherTaskIsNamed) {
  const std::string piqa = R"({"goal": "a", "sol1": "b", "sol2": "c", "label": 1})";
  refuses("boolq", piqa,
          "data, line 1: this is no row of boolq (passage, question, label or answer); it is one of piqa");
  refuses("gsm8k", R"([{"sQuestion": "a", "lSolutions": [1]}])", "row 1: this is no row of gsm8k");
  refuses("gsm8k", "plain text", "this is no JSON");
  refuses("piqa", R"({"a": 1})", "the key \"goal\" is missing; piqa has rows of goal, sol1, sol2, label");
}

TEST_F(TaskItems, BadFilesAreRefusedWithTheirPlace) {
  refuses("piqa", "", "the file is empty");
  refuses("piqa", " \n", "the file is empty");
  refuses("piqa", "[]", "there are no rows");
  refuses("piqa", "[1]", "row 1: expected a JSON object, found number");
  refuses("piqa", R"({"rows": []
})",
          "an object without \"examples\"");
  refuses("piqa", R"({"examples": {}})", "examples");
  const std::string good = R"({"goal": "a", "sol1": "b", "sol2": "c", "label": 1})";
  refuses("piqa", good + "\n{\"goal\": ", "line 2: not valid JSON");
  refuses("piqa", good + "\n" + R"({"goal": "a", "sol1": "b", "label": 1})", "line 2: the key \"sol2\" is missing");
  refuses("piqa", R"({"goal": "a", "sol1": "b", "sol2": "c", "label": -1})", "label is -1; it must be 0 to 1");
  refuses("piqa", R"({"goal": "a", "sol1": "b", "sol2": "", "label": 1})", "answer 2 is empty");
  refuses("winogrande", R"({"sentence": "no", "option1": "a", "option2": "b", "answer": "1"})", "no blank");
  refuses("winogrande", R"({"sentence": "_ no", "option1": "a", "option2": "b", "answer": ""})", "answer is \"\"");
  refuses("arc_easy", R"({"question": "a", "choices": {"text": ["b", "c"], "label": ["A"]}, "answerKey": "A"})",
          "1 labels for 2 choices");
  refuses("arc_easy", R"({"question": "a", "choices": {"text": ["b", "c"], "label": ["A", "B"]}, "answerKey": "E"})",
          "answerKey is \"E\"; it is none of the labels A, B");
  refuses("arc_easy", R"([{"instruction": "What?", "answer": "a"}])", "the instruction does not begin with");
  refuses("lambada", "word", "needs two words");
  refuses("gsm8k", R"({"question": "a", "answer": "2"})", "no \"#### \"");
  refuses("svamp", R"([{"Body": "a", "Question": "b", "Answer": "many"}])", "Answer must be a number, found \"many\"");
  refuses("bigbench", R"({"examples": [{"input": "a"}]})", "neither target_scores nor target");
  refuses("lambada", "a \xff", "UTF-8");
}

}  // namespace
}  // namespace gyre::task_items_test
