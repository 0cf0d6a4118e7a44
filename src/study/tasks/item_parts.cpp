#include "study/tasks/item_parts.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gyre {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

std::vector<std::string> texts_of(const nlohmann::json& list, std::string_view key, const std::string& where) {
  std::vector<std::string> texts;
  for (const nlohmann::json& one : list) {
    if (!one.is_string()) throw Error("{}: {} must be texts, found {}", where, key, one.type_name());
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

TaskItem choice_item(const std::string& where, const std::string& context, const std::vector<std::string>& answers,
                     std::size_t right) {
  if (answers.size() < 2)
    throw Error("{}: a question needs two answers or more, and this has {}", where, answers.size());
  TaskItem item{where, TaskKind::choice};
  item.right = right;
  for (const std::string& answer : answers) {
    if (answer.empty()) throw Error("{}: answer {} is empty", where, item.choices.size() + 1);
    item.choices.push_back({context, " " + answer, characters(answer)});
  }
  item.shown = context + " " + answers[right];
  return item;
}

}  // namespace gyre
