#include "study/tasks/instruction.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr std::string_view kFormat = "Answer format:";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// "answer1/answer2" by its parts.
std::vector<std::string> labels_of(std::string_view text) {
  std::vector<std::string> labels;
  for (text = trimmed(text); !text.empty();) {
    const std::string_view label = text.substr(0, text.find('/'));
    labels.emplace_back(label);
    text.remove_prefix(std::min(text.size(), label.size() + 1));
  }
  return labels;
}

/// The question, and what stands behind "Answer1: ", "Answer2: " and so on.
void split_answers(std::string_view text, std::string_view word, std::size_t count, const std::string& where,
                   Instruction& result) {
  std::size_t end = 0;
  for (std::size_t i = 1; i <= count; ++i) {
    const std::string mark = fmt::format("{}{}:", word, i);
    const std::size_t at = text.find(mark, end);
    if (at == std::string_view::npos) throw Error("{}: the instruction has no \"{}\"", where, mark);
    const std::string_view before = trimmed(text.substr(end, at - end));
    if (i == 1) {
      result.question = before;
    } else {
      result.answers.emplace_back(before);
    }
    end = at + mark.size();
  }
  result.answers.emplace_back(trimmed(text.substr(end)));
}

}  // namespace

bool has_instruction(const TaskRow& row) { return row.json.contains("instruction"); }

Instruction read_instruction(const TaskRow& row, std::string_view lead, std::string_view word) {
  const JsonObject object(row.json, row.where);
  const std::string whole = object.text("instruction");
  const std::string answer = object.text("answer");
  std::string_view text = whole;
  if (!text.starts_with(lead)) throw Error("{}: the instruction does not begin with \"{}\"", row.where, lead);
  text.remove_prefix(lead.size());
  const std::size_t format = text.rfind(kFormat);
  if (format == std::string_view::npos) throw Error("{}: the instruction has no \"{}\"", row.where, kFormat);
  Instruction result;
  const std::vector<std::string> labels = labels_of(text.substr(format + kFormat.size()));
  if (word.empty()) {
    result.question = trimmed(text.substr(0, format));
    result.answers = labels;
  } else {
    split_answers(text.substr(0, format), word, labels.size(), row.where, result);
  }
  const auto right = std::find(labels.begin(), labels.end(), answer);
  if (right == labels.end()) {
    throw Error("{}: answer is \"{}\"; it is none of {}", row.where, answer, fmt::join(labels, ", "));
  }
  result.right = static_cast<std::size_t>(right - labels.begin());
  return result;
}

}  // namespace gyre
