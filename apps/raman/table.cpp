#include "raman/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "raman/spectrum.hpp"

namespace gyre::raman {
namespace {

/// More bad lines than this share of the data lines, and the file is not understood.
constexpr double kBadLineShare = 0.02;
/// So few rows ahead of a gap are numbers in a heading.
constexpr std::size_t kHeadingRows = 3;
constexpr double kEmpty = std::numeric_limits<double>::quiet_NaN();

bool blank(char c) { return c == ' ' || c == '\t'; }

/// Of those that read the same number of lines the first is taken.
constexpr std::array<Dialect, 9> kDialects = {
    {{';', '.'}, {';', ','}, {'\t', '.'}, {'\t', ','}, {'_', ','}, {',', '.'}, {' ', '.'}, {' ', ','}, {',', ','}}};

bool separates(std::string_view line, std::size_t at, char separator) {
  if (separator == ' ') return blank(line[at]);
  if (separator == '_') return line[at] == ',' && at + 1 < line.size() && blank(line[at + 1]);
  return line[at] == separator;
}

std::string_view unquoted(std::string_view cell) {
  const bool quoted = cell.size() >= 2 && cell.front() == '"' && cell.back() == '"';
  return quoted ? trimmed(cell.substr(1, cell.size() - 2)) : cell;
}

bool is_number(std::string_view cell, char decimal, double& value) {
  std::string with_point;
  if (decimal == ',') {
    if (cell.find('.') != std::string_view::npos) return false;
    const std::size_t comma = cell.find(',');
    if (comma != std::string_view::npos) {
      const auto digit = [&](std::size_t i) {
        return i < cell.size() && std::isdigit(static_cast<unsigned char>(cell[i])) != 0;
      };
      if (comma == 0 || !digit(comma - 1) || !digit(comma + 1)) return false;
      with_point = cell;
      with_point[comma] = '.';
      cell = with_point;
    }
  }
  if (!take_number(cell, value) || !cell.empty()) return false;
  if (std::isnan(value)) value = HUGE_VAL;  // not finite all the same, and no empty cell
  return true;
}

/// The numbers of a line with NaN for empty cells; none when a cell is something else or fewer than two hold numbers.
std::optional<std::vector<double>> numbers_of(std::string_view line, const Dialect& dialect) {
  std::vector<double> values;
  std::size_t filled = 0;
  for (const std::string_view cell : cut(line, dialect.separator)) {
    double value = kEmpty;
    if (!cell.empty()) {
      if (!is_number(cell, dialect.decimal, value)) return {};
      // Between commas, "1,000" in quotes is rather a thousand than one.
      const std::size_t comma = cell.find(',');
      if (dialect.separator == ',' && comma != std::string_view::npos && cell.size() == comma + 4) return {};
      ++filled;
    }
    values.push_back(value);
  }
  if (filled < 2) return {};
  return values;
}

/// Chooses the dialect that reads most of the lines of numbers, and the width that most of them have.
void choose_dialect(Table& table, const std::vector<std::size_t>& of_numbers) {
  constexpr std::size_t kSample = 400;
  const std::size_t stride = of_numbers.size() / kSample + 1;
  std::size_t most = 0;
  for (const Dialect& dialect : kDialects) {
    std::map<std::size_t, std::size_t> widths;
    std::size_t good = 0;
    for (std::size_t i = 0; i < of_numbers.size(); i += stride) {
      const auto numbers = numbers_of(table.lines[of_numbers[i]], dialect);
      if (!numbers) continue;
      ++good;
      ++widths[numbers->size()];
    }
    if (good <= most) continue;
    most = good;
    table.dialect = dialect;
    table.width = std::max_element(widths.begin(), widths.end(), [](const auto& a, const auto& b) {
                    return a.second < b.second;
                  })->first;
  }
}

/// Rows ahead of a gap that are few, with more rows behind it, are numbers of a heading. Empty lines are gaps unless
/// they stand between all rows.
void leave_out_heading(Table& table) {
  const auto& rows = table.rows;
  std::vector<std::size_t> gaps;  // rows that something stands ahead of
  std::size_t empty = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i] == rows[i - 1] + 1) continue;
    gaps.push_back(i);
    empty += rows[i] == rows[i - 1] + 2 && trimmed(table.lines[rows[i - 1] + 1]).empty() ? 1 : 0;
  }
  if (2 * empty > rows.size()) return;
  gaps.push_back(rows.size());
  std::size_t longest = 0;
  for (std::size_t g = 0; g < gaps.size(); ++g) longest = std::max(longest, gaps[g] - (g == 0 ? 0 : gaps[g - 1]));
  if (longest <= kHeadingRows) return;
  for (std::size_t g = 0; gaps[g] - table.first <= kHeadingRows; ++g) table.first = gaps[g];
}

}  // namespace

std::vector<std::string_view> cut(std::string_view line, char separator) {
  std::vector<std::string_view> cells;
  std::size_t begin = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || !separates(line, i, separator))) continue;
    const std::string_view cell = unquoted(trimmed(line.substr(begin, i - begin)));
    if (separator != ' ' || !cell.empty()) cells.push_back(cell);
    begin = i + 1;
  }
  return cells;
}

bool looks_like_numbers(std::string_view line) {
  return line.find_first_of("0123456789") != std::string_view::npos &&
         line.find_first_not_of("0123456789+-.,;eEdD \t\"") == std::string_view::npos;
}

std::string Table::quoted(std::size_t line) const {
  constexpr std::size_t kShown = 60;
  return fmt::format("line {}: \"{}\"", line + 1, as_utf8(trimmed(lines[line])).substr(0, kShown));
}

Table read_table(std::string_view text) {
  Table table;
  std::vector<std::size_t> of_numbers;
  while (!text.empty()) {
    table.lines.push_back(take_line(text));
    const std::string_view line = trimmed(table.lines.back());
    if (line.empty() || line.front() == '#') continue;
    const bool number = std::string_view("0123456789+-.\"").find(line.front()) != std::string_view::npos;
    if (number || line.front() == ';' || line.front() == ',') of_numbers.push_back(table.lines.size() - 1);
  }
  choose_dialect(table, of_numbers);
  std::size_t next = 0;
  for (std::size_t i = 0; i < table.lines.size(); ++i) {
    const std::string_view line = trimmed(table.lines[i]);
    const bool number = next < of_numbers.size() && of_numbers[next] == i;
    if (number) ++next;
    if (line.empty() || line.front() == '#') continue;
    const auto numbers = number ? numbers_of(table.lines[i], table.dialect) : std::nullopt;
    if (!numbers || numbers->size() != table.width) {
      table.others.push_back(i);
      continue;
    }
    table.rows.push_back(i);
    table.cells.insert(table.cells.end(), numbers->begin(), numbers->end());
  }
  leave_out_heading(table);
  return table;
}

void require_mostly_rows(const Table& table, const std::vector<std::size_t>& more, std::string_view what) {
  std::vector<std::size_t> above;
  std::vector<std::size_t> bad = more;
  for (const std::size_t line : table.others) {
    if (!table.rows.empty() && line > table.rows[table.first])
      bad.push_back(line);
    else if (looks_like_numbers(table.lines[line]))
      above.push_back(line);
  }
  if (table.rows.empty() || above.size() > kHeadingRows) bad.insert(bad.end(), above.begin(), above.end());
  const std::size_t all = table.rows.size() - table.first + bad.size() - more.size();
  if (bad.empty() || static_cast<double>(bad.size()) <= kBadLineShare * static_cast<double>(all)) return;
  throw RejectedSpectrum{Rejection::bad_numbers,
                         fmt::format("{} of {} data lines are not {}, the first is {}", bad.size(), all, what,
                                     table.quoted(*std::min_element(bad.begin(), bad.end())))};
}

}  // namespace gyre::raman
