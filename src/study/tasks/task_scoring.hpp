#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/language.hpp"
#include "study/evaluation.hpp"
#include "study/tasks/task.hpp"

namespace gyre {

/// How likely an answer was.
struct AnswerScore {
  double log_likelihood = 0;  ///< nats, of all its tokens
  std::int64_t tokens = 0;
  bool greedy = false;  ///< whether each of them was the likeliest
};

/// What one rule made of one item.
struct TaskOutcome {
  std::vector<AnswerScore> answers;  ///< of each choice; of a number none
  std::size_t chosen = 0;            ///< the choice of the highest log-likelihood, the first of equals
  std::size_t chosen_normed = 0;     ///< the same by nats per character
  std::string text;                  ///< that was generated, before what ends it
  double loops = 0;                  ///< over the looped groups, of the passes that tell an answer's tokens
  double tokens = 0;                 ///< those tokens, of all answers
  /// Loops of each group, by the passes that asked the rule, the question's too: how often each vector came.
  std::map<std::vector<int>, double> depths = {};
  std::size_t dropped = 0;  ///< tokens that the longest of its contexts lost at its beginning
  double milliseconds = 0;
};

struct TaskOptions {
  EvaluationOptions run;
  int answer_tokens = 256;  ///< most that are generated
};

/// Scores an item. Without a rule at full depth, a context at once and each answer at once; with one token by token,
/// the context's as prompt_exit says. Answers behind the same context share its keys and values. Throws Error naming
/// the item where it does not fit or logits are not finite.
TaskOutcome score_item(Engine& engine, const Language& language, const TaskItem& item, const TaskOptions& options,
                       BoundedExit* exit);

}  // namespace gyre
