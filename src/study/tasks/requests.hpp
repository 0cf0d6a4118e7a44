#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "study/tasks/task.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// Tokens whose probability is asked, and those they stand behind.
struct TaskRequest {
  std::vector<std::int32_t> context;       ///< never empty; begins with what begins every text of the model
  std::vector<std::int32_t> continuation;  ///< of a text to generate nothing
  std::size_t dropped = 0;                 ///< tokens that were taken off the context's beginning
};

/// Both texts as tokens, as lm-evaluation-harness cuts them: blanks that end the context go to the continuation, whose
/// tokens are those that the two together have behind as many as the context has by itself. What is longer than
/// `window` tokens loses its beginning. Throws Error naming `where` when nothing is left on either side, or the
/// continuation alone does not fit.
TaskRequest choice_request(const TaskChoice& choice, const Tokenizer& tokenizer, int window, const std::string& where);

/// The tokens of a context that `answer_tokens` are generated behind.
TaskRequest generation_request(const std::string& context, const Tokenizer& tokenizer, int window, int answer_tokens,
                               const std::string& where);

}  // namespace gyre
