#pragma once

#include "study/tasks/task.hpp"

namespace gyre {

// Each turns a row into a question, in the words in which lm-evaluation-harness (github.com/EleutherAI, its YAML files
// of tasks) puts it, and throws Error naming the row where a key is missing or says nothing. Rows are those of the
// data sets on the Hugging Face hub, or of the files that LLM-Adapters (arXiv 2304.01933) and Zero-shot-CoT
// (arXiv 2205.11916) publish.

/// "Question: …\nAnswer:" and each answer behind a space.
TaskItem arc_item(const TaskRow& row);
/// The question alone, and each answer behind a space.
TaskItem openbookqa_item(const TaskRow& row);
/// "Question: …\nAnswer:" and both solutions.
TaskItem piqa_item(const TaskRow& row);
/// "passage\nQuestion: …?\nAnswer:" and no or yes. A row without a passage has an empty first line.
TaskItem boolq_item(const TaskRow& row);
/// Partial scoring (arXiv 1806.02847): the blank filled by each option, and what stands behind it as the continuation.
TaskItem winogrande_item(const TaskRow& row);
/// All words but the last, and that word.
TaskItem lambada_item(const TaskRow& row);
/// "Question: …\nAnswer:", and a text whose number is compared.
TaskItem gsm8k_item(const TaskRow& row);
TaskItem svamp_item(const TaskRow& row);
TaskItem equation_item(const TaskRow& row);
/// BIG-bench (arXiv 2206.04615): the input between the prefixes that the file gives, choices behind it where the file
/// wants them (in the order of the alphabet; BIG-bench itself draws one); the choices of target_scores as answers, the
/// first with the highest score being right, or the target as words.
TaskItem bigbench_item(const TaskRow& row);

}  // namespace gyre
