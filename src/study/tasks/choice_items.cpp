#include <algorithm>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "study/tasks/instruction.hpp"
#include "study/tasks/item_parts.hpp"
#include "study/tasks/task_items.hpp"

namespace gyre {
namespace {

constexpr std::string_view kAskForAnswer = "Please choose the correct answer to the question: ";
constexpr std::string_view kAskForSolution = "Please choose the correct solution to the question: ";
constexpr std::string_view kAskForOption =
    "Please choose the correct answer to fill in the blank to complete the given sentence: ";
constexpr std::string_view kAskForTruth = "Please answer the following question with true or false, question: ";

/// Answers and their labels: {"text": […], "label": […]}, or [{"text", "label"}, …].
Instruction labelled_answers(const nlohmann::json& choices, const std::string& key, const std::string& where) {
  Instruction result;
  std::vector<std::string> labels;
  if (choices.is_object()) {
    const JsonObject object(choices, where + ", choices");
    result.answers = texts_of(object.array("text"), "choices.text", where);
    labels = texts_of(object.array("label"), "choices.label", where);
  } else if (choices.is_array()) {
    for (const nlohmann::json& one : choices) {
      const JsonObject object(one, where + ", choices");
      result.answers.push_back(object.text("text"));
      labels.push_back(object.text("label"));
    }
  } else {
    throw Error("{}: choices must be an object or a list, found {}", where, choices.type_name());
  }
  if (labels.size() != result.answers.size()) {
    throw Error("{}: {} labels for {} choices", where, labels.size(), result.answers.size());
  }
  const auto right =
      std::find(labels.begin(), labels.end(), key.substr(std::min(key.size(), key.find_first_not_of(' '))));
  if (right == labels.end()) {
    throw Error("{}: answerKey is \"{}\"; it is none of the labels {}", where, key, fmt::join(labels, ", "));
  }
  result.right = static_cast<std::size_t>(right - labels.begin());
  return result;
}

/// A question of the hub's files, whose question stands under `question`, of AI2's own, or of LLM-Adapters'.
Instruction science_question(const TaskRow& row, std::string_view question) {
  if (has_instruction(row)) return read_instruction(row, kAskForAnswer, "Answer");
  const JsonObject object(row.json, row.where);
  if (object.has("question") && row.json.at("question").is_object()) {
    const JsonObject inner(row.json.at("question"), row.where + ", question");
    Instruction result = labelled_answers(inner.array("choices"), object.text("answerKey"), row.where);
    result.question = inner.text("stem");
    return result;
  }
  const std::string text = object.text(question);
  if (!object.has("choices")) throw Error("{}: the key \"choices\" is missing", row.where);
  Instruction result = labelled_answers(row.json.at("choices"), object.text("answerKey"), row.where);
  result.question = text;
  return result;
}

/// Which of `count` answers a number under `key` names, counted from `first`; the hub has some numbers as text.
std::size_t number_of_answer(const JsonObject& object, const TaskRow& row, std::string_view key, int first, int count) {
  int number = -1;
  if (row.json.contains(key) && row.json.at(key).is_string()) {
    const std::string text = object.text(key);
    if (text.size() == 1) number = text.front() - '0';
  } else {
    number = object.integer(key, -1, 1 << 20);
  }
  if (number < first || number >= first + count) {
    throw Error("{}: {} is {}; it must be {} to {} (test parts are published without answers)", row.where, key,
                row.json.at(key).dump(), first, first + count - 1);
  }
  return static_cast<std::size_t>(number - first);
}

}  // namespace

TaskItem arc_item(const TaskRow& row) {
  const Instruction asked = science_question(row, "question");
  return choice_item(row.where, "Question: " + asked.question + "\nAnswer:", asked.answers, asked.right);
}

TaskItem openbookqa_item(const TaskRow& row) {
  const Instruction asked = science_question(row, "question_stem");
  return choice_item(row.where, asked.question, asked.answers, asked.right);
}

TaskItem piqa_item(const TaskRow& row) {
  Instruction asked;
  if (has_instruction(row)) {
    asked = read_instruction(row, kAskForSolution, "Solution");
  } else {
    const JsonObject object(row.json, row.where);
    asked = {object.text("goal"), {object.text("sol1"), object.text("sol2")}, 0};
    asked.right = number_of_answer(object, row, "label", 0, 2);
  }
  return choice_item(row.where, "Question: " + asked.question + "\nAnswer:", asked.answers, asked.right);
}

TaskItem boolq_item(const TaskRow& row) {
  std::string passage;
  std::string question;
  bool yes = false;
  if (has_instruction(row)) {
    const Instruction asked = read_instruction(row, kAskForTruth, "");
    question = asked.question;
    if (question.ends_with('?')) question.pop_back();
    yes = asked.answers[asked.right] == "true";
  } else {
    const JsonObject object(row.json, row.where);
    passage = object.text("passage");
    question = object.text("question");
    yes = object.has("answer") ? object.boolean("answer") : number_of_answer(object, row, "label", 0, 2) == 1;
  }
  return choice_item(row.where, passage + "\nQuestion: " + question + "?\nAnswer:", {"no", "yes"}, yes ? 1 : 0);
}

TaskItem winogrande_item(const TaskRow& row) {
  Instruction asked;
  if (has_instruction(row)) {
    asked = read_instruction(row, kAskForOption, "Option");
  } else {
    const JsonObject object(row.json, row.where);
    asked = {object.text("sentence"), {object.text("option1"), object.text("option2")}, 0};
    asked.right = number_of_answer(object, row, "answer", 1, 2);
  }
  const std::size_t blank = asked.question.find('_');
  if (blank == std::string::npos) throw Error("{}: the sentence has no blank, _", row.where);
  const std::string rest(without_blanks(std::string_view(asked.question).substr(blank + 1)));
  if (rest.empty()) throw Error("{}: nothing stands behind the blank", row.where);
  TaskItem item{row.where, TaskKind::choice};
  item.right = asked.right;
  for (const std::string& option : asked.answers) {
    item.choices.push_back({asked.question.substr(0, blank) + option, " " + rest, characters(rest)});
  }
  item.shown = item.choices[item.right].context + item.choices[item.right].continuation;
  return item;
}

}  // namespace gyre
