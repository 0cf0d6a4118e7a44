#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "study/tasks/task_row.hpp"

namespace gyre {

/// What an instruction of LLM-Adapters' files asks, without the words around it.
struct Instruction {
  std::string question;
  std::vector<std::string> answers;  ///< without the blanks around them
  std::size_t right = 0;
};

bool has_instruction(const TaskRow& row);
/// Takes "LEAD question Answer1: … Answer2: … Answer format: answer1/answer2" apart, where `word` is "Answer". With an
/// empty word the answers are the labels of the format. Throws Error when the instruction is another.
Instruction read_instruction(const TaskRow& row, std::string_view lead, std::string_view word);

}  // namespace gyre
