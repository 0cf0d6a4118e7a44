#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "study/tasks/task_row.hpp"

namespace gyre {

/// How an answer is found and judged. In brackets what lm-evaluation-harness calls it.
enum class TaskKind {
  choice,  ///< the likeliest of several answers (multiple_choice)
  words,   ///< whether greedy decoding would write the answer (loglikelihood)
  number,  ///< the number in a text that is generated (generate_until)
};
std::string_view name_of(TaskKind kind);

/// A text and what may stand behind it.
struct TaskChoice {
  std::string context;
  std::string continuation;  ///< of a number nothing: it is generated
  std::size_t length = 1;    ///< characters of the answer by itself, by which acc_norm divides
};

/// What one row of a task's file asks.
struct TaskItem {
  std::string where;  ///< file, and line or row
  TaskKind kind = TaskKind::choice;
  std::vector<TaskChoice> choices = {};  ///< one, but for TaskKind::choice
  std::size_t right = 0;                 ///< the choice that is right
  std::string reference = {};            ///< of a number: what it is compared with
  std::string shown = {};                ///< question and answer, as they stand before another question
};

struct Task;

/// The items of a file, asked as a task.
struct TaskFile {
  const Task* task = nullptr;
  std::string file;
  std::vector<TaskItem> items;
};

/// A benchmark: what its rows look like, and how they become questions.
struct Task {
  std::string_view name;
  std::string_view rows;    ///< the keys of its rows, for messages
  bool normed = false;      ///< whether acc_norm is among its results
  bool plain_text = false;  ///< whether its file may be lines of plain text
  TaskItem (*item)(const TaskRow& row) = nullptr;
};

/// Every task, in the order of their list.
const std::vector<Task>& tasks();
/// Throws Error listing all of them where there is none of this name.
const Task& task_named(std::string_view name);

/// The items of a file, the first `most` of them. Throws Error naming file and line where a row is not one of the
/// task's, and the tasks whose row it is.
std::vector<TaskItem> read_task(const Task& task, const std::filesystem::path& file, std::size_t most);

/// Takes the first `count` items away and shows them, with their answers, before the question of every other. Throws
/// Error when none is left.
std::vector<TaskItem> with_shots(std::vector<TaskItem> items, std::size_t count);

}  // namespace gyre
