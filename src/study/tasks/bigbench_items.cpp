#include "base/error.hpp"
#include "format/json_object.hpp"
#include "study/tasks/item_parts.hpp"
#include "study/tasks/task_items.hpp"

namespace gyre {
namespace {

std::string answer_of(const TaskRow& row) {
  const nlohmann::json& target = row.json.at("target");
  if (target.is_string()) return target.get<std::string>();
  if (!target.is_array() || target.empty()) throw Error("{}: target must be text or a list of texts", row.where);
  return texts_of(target, "target", row.where).front();
}

}  // namespace

TaskItem bigbench_item(const TaskRow& row) {
  if (!row.around) throw Error("{}: a task of BIG-bench is an object with a list of \"examples\"", row.where);
  const JsonObject file(*row.around, row.where);
  const JsonObject object(row.json, row.where);
  std::string context =
      file.text("task_prefix", "") + file.text("example_input_prefix", "\nQ: ") + object.text("input");
  const bool choices = object.has("target_scores");
  if (!choices && !object.has("target")) throw Error("{}: there is neither target_scores nor target", row.where);
  std::vector<std::string> answers;
  std::size_t right = 0;
  if (choices) {
    const JsonObject scores = object.object("target_scores");
    double best = 0;
    for (const auto& [answer, score] : row.json.at("target_scores").items()) {
      if (!score.is_number()) throw Error("{}: target_scores must be numbers, found {}", row.where, score.dump());
      if (answers.empty() || score.get<double>() > best) {
        best = score.get<double>();
        right = answers.size();
      }
      answers.push_back(answer);
    }
    if (file.boolean("append_choices_to_input", true)) {
      for (const std::string& answer : answers) context += file.text("choice_prefix", "\n  choice: ") + answer;
    }
  }
  context = without_blanks(context + file.text("example_output_prefix", "\nA: "));
  if (choices) return choice_item(row.where, context, answers, right);
  const std::string answer = answer_of(row);
  if (answer.empty()) throw Error("{}: target is empty", row.where);
  TaskItem item{row.where, TaskKind::words};
  item.choices.push_back({context, " " + answer, characters(answer)});
  item.shown = context + " " + answer;
  return item;
}

}  // namespace gyre
