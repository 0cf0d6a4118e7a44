#include <cmath>
#include <cstdint>
#include <exception>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "study/tasks/item_parts.hpp"
#include "study/tasks/task_items.hpp"

namespace gyre {
namespace {

TaskItem number_item(const TaskRow& row, const std::string& question, const std::string& answer) {
  TaskItem item{row.where, TaskKind::number};
  item.choices.push_back({"Question: " + question + "\nAnswer:", "", 1});
  item.reference = answer;
  item.shown = item.choices.front().context + " " + answer;
  return item;
}

/// 39.0 or "39.0" as 39.
std::string number_text(const nlohmann::json& json, std::string_view key, const std::string& where) {
  double number = NAN;
  if (json.is_number()) number = json.get<double>();
  if (json.is_string()) {
    const std::string text = json.get<std::string>();
    std::size_t end = 0;
    try {
      number = std::stod(text, &end);
    } catch (const std::exception&) {
      end = std::string::npos;
    }
    if (end != text.size()) number = NAN;
  }
  if (!std::isfinite(number)) throw Error("{}: {} must be a number, found {}", where, key, json.dump());
  constexpr double kExact = 9007199254740992.0;  // 2^53: whole numbers up to here are written as such
  if (number == std::floor(number) && std::abs(number) <= kExact) {
    return fmt::format("{}", static_cast<std::int64_t>(number));
  }
  return fmt::format("{}", number);
}

const nlohmann::json& value_of(const TaskRow& row, std::string_view key) {
  if (!row.json.contains(key)) throw Error("{}: the key \"{}\" is missing", row.where, key);
  return row.json.at(key);
}

}  // namespace

TaskItem lambada_item(const TaskRow& row) {
  const std::string text = JsonObject(row.json, row.where).text("text");
  const std::size_t space = text.rfind(' ');
  if (space == std::string::npos || without_blanks(text.substr(0, space)).empty() || space + 1 == text.size()) {
    throw Error("{}: a passage needs two words or more, and must not end with a space", row.where);
  }
  TaskItem item{row.where, TaskKind::words};
  item.choices.push_back({text.substr(0, space), text.substr(space), characters(text.substr(space + 1))});
  // The harness puts a space between question and answer, and this answer brings one of its own.
  item.shown = item.choices.front().context + " " + item.choices.front().continuation;
  return item;
}

TaskItem gsm8k_item(const TaskRow& row) {
  const JsonObject object(row.json, row.where);
  const std::string question = object.text("question");
  const std::string answer = object.text("answer");
  if (answer.find("#### ") == std::string::npos)
    throw Error("{}: the answer has no \"#### \" before its number", row.where);
  return number_item(row, question, answer);
}

TaskItem svamp_item(const TaskRow& row) {
  const JsonObject object(row.json, row.where);
  const std::string body(without_blanks(object.text("Body")));
  const std::string question(without_blanks(object.text("Question")));
  return number_item(row, body + " " + question, number_text(value_of(row, "Answer"), "Answer", row.where));
}

TaskItem equation_item(const TaskRow& row) {
  const JsonObject object(row.json, row.where);
  if (!object.has("sQuestion")) {
    const std::string question(without_blanks(object.text("question")));
    return number_item(row, question, number_text(value_of(row, "final_ans"), "final_ans", row.where));
  }
  const nlohmann::json& solutions = object.array("lSolutions");
  if (solutions.size() != 1) throw Error("{}: lSolutions must hold one number, found {}", row.where, solutions.size());
  const std::string question(without_blanks(object.text("sQuestion")));
  return number_item(row, question, number_text(solutions.front(), "lSolutions", row.where));
}

}  // namespace gyre
