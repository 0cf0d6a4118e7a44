#include "study/tasks/task_row.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_blank(std::string_view text) { return text.find_first_not_of(kBlanks) == std::string_view::npos; }

/// Calls each(line, number) for the lines that are not blank, numbered from 1, until it returns false.
template <typename Each>
void for_each_line(std::string_view text, Each each) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (is_blank(line)) continue;
    line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
    if (!each(line, number)) return;
  }
}

std::vector<TaskRow> rows_of_lines(std::string_view text, const std::string& file, bool plain, std::size_t most) {
  std::vector<TaskRow> rows;
  for_each_line(text, [&](std::string_view line, int number) {
    if (rows.size() == most) return false;
    TaskRow row{fmt::format("{}, line {}", file, number), {}};
    row.json = plain ? nlohmann::json{{"text", line}} : parse_json(line, row.where);
    rows.push_back(std::move(row));
    return true;
  });
  return rows;
}

std::vector<TaskRow> rows_of_list(nlohmann::json&& list, const std::string& file, std::size_t most,
                                  const std::shared_ptr<const nlohmann::json>& around) {
  std::vector<TaskRow> rows;
  for (nlohmann::json& row : list) {
    if (rows.size() == most) break;
    rows.push_back({fmt::format("{}, row {}", file, rows.size() + 1), std::move(row), around});
  }
  return rows;
}

/// Whether the first line is an object of its own that holds no others.
bool is_json_lines(std::string_view text, const std::string& file) {
  std::string_view first;
  for_each_line(text, [&](std::string_view line, int /*number*/) {
    first = line;
    return false;
  });
  if (!nlohmann::json::accept(first)) return false;
  return !parse_json(first, file).contains("examples");
}

std::vector<TaskRow> rows_of_object(std::string_view text, const std::string& file, std::size_t most) {
  nlohmann::json object = parse_json(text, file);
  const JsonObject checked(object, file);
  if (!checked.has("examples")) {
    throw Error("{}: an object without \"examples\"; a task's file is a JSON list, JSON lines, or has that key", file);
  }
  nlohmann::json list = checked.array("examples");
  object.erase("examples");
  return rows_of_list(std::move(list), file, most, std::make_shared<const nlohmann::json>(std::move(object)));
}

std::vector<TaskRow> rows_of_text(std::string_view text, const std::string& file, bool plain_text, std::size_t most) {
  switch (text.front()) {
    case '[':
      return rows_of_list(parse_json(text, file), file, most, {});
    case '{':
      return is_json_lines(text, file) ? rows_of_lines(text, file, false, most) : rows_of_object(text, file, most);
    default:
      if (plain_text) return rows_of_lines(text, file, true, most);
      throw Error("{}: this is no JSON; a task's file is a JSON list, JSON lines, or an object with \"examples\"",
                  file);
  }
}

}  // namespace

std::vector<TaskRow> read_rows(const std::filesystem::path& file, bool plain_text, std::size_t most) {
  const MappedFile mapped(file);
  std::string_view text = mapped.text();
  require_utf8(text, file.string());
  if (is_blank(text)) throw Error("{}: the file is empty", file.string());
  const std::size_t begin = text.find_first_not_of(kBlanks);
  // A plain text keeps the spaces that begin its first line.
  const bool json = text[begin] == '[' || text[begin] == '{';
  if (json) text = text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
  std::vector<TaskRow> rows = rows_of_text(text, file.string(), plain_text, most);
  if (rows.empty()) throw Error("{}: there are no rows", file.string());
  for (const TaskRow& row : rows) JsonObject(row.json, row.where);
  return rows;
}

}  // namespace gyre
