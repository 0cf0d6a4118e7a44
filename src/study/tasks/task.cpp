#include "study/tasks/task.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "study/tasks/task_items.hpp"

namespace gyre {
namespace {

bool reads(const Task& task, const TaskRow& row) {
  try {
    task.item(row);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// The tasks that take this row for one of theirs.
std::vector<std::string_view> tasks_that_read(const TaskRow& row) {
  std::vector<std::string_view> names;
  for (const Task& task : tasks()) {
    if (reads(task, row)) names.push_back(task.name);
  }
  return names;
}

}  // namespace

std::string_view name_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::choice:
      return "multiple_choice";
    case TaskKind::words:
      return "loglikelihood";
    case TaskKind::number:
      return "generate_until";
  }
  return "?";
}

const std::vector<Task>& tasks() {
  constexpr std::string_view kScience = "question, choices {text, label}, answerKey";
  constexpr std::string_view kEquations = "sQuestion, lSolutions, or question, final_ans";
  static const std::vector<Task> all = {
      {"arc_easy", kScience, true, false, arc_item},
      {"arc_challenge", kScience, true, false, arc_item},
      {"openbookqa", "question_stem, choices {text, label}, answerKey", true, false, openbookqa_item},
      {"piqa", "goal, sol1, sol2, label", true, false, piqa_item},
      {"boolq", "passage, question, label or answer", false, false, boolq_item},
      {"winogrande", "sentence, option1, option2, answer", false, false, winogrande_item},
      {"lambada", "text, or lines of plain text", false, true, lambada_item},
      {"gsm8k", "question, answer with ####", false, false, gsm8k_item},
      {"svamp", "Body, Question, Answer", false, false, svamp_item},
      {"multiarith", kEquations, false, false, equation_item},
      {"addsub", kEquations, false, false, equation_item},
      {"singleeq", kEquations, false, false, equation_item},
      {"bigbench", "examples with input, and target_scores or target", false, false, bigbench_item},
  };
  return all;
}

const Task& task_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Task& task : tasks()) {
    if (task.name == name) return task;
    names.push_back(task.name);
  }
  throw Error("there is no task \"{}\"; choose one of {}", name, fmt::join(names, ", "));
}

std::vector<TaskItem> read_task(const Task& task, const std::filesystem::path& file, std::size_t most) {
  const std::vector<TaskRow> rows = read_rows(file, task.plain_text, most);
  std::vector<TaskItem> items;
  for (const TaskRow& row : rows) {
    try {
      items.push_back(task.item(row));
    } catch (const Error& failure) {
      const std::vector<std::string_view> others = tasks_that_read(row);
      if (others.empty()) throw Error("{}; {} has rows of {}", failure.what(), task.name, task.rows);
      throw Error("{}: this is no row of {} ({}); it is one of {}", row.where, task.name, task.rows,
                  fmt::join(others, ", "));
    }
    if (items.back().kind != items.front().kind) {
      throw Error("{}: it is scored by {}, the first row by {}; give them in two files", row.where,
                  name_of(items.back().kind), name_of(items.front().kind));
    }
  }
  return items;
}

std::vector<TaskItem> with_shots(std::vector<TaskItem> items, std::size_t count) {
  if (count == 0) return items;
  if (count >= items.size()) {
    throw Error("there are {} items, and {} of them are shown as examples; none is left to ask", items.size(), count);
  }
  std::string shown;
  for (std::size_t i = 0; i < count; ++i) shown += items[i].shown + "\n\n";
  items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count));
  for (TaskItem& item : items) {
    for (TaskChoice& choice : item.choices) choice.context.insert(0, shown);
  }
  return items;
}

}  // namespace gyre
