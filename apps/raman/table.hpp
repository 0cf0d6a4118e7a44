#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::raman {

/// How the lines of a table are cut and how its numbers are written.
struct Dialect {
  char separator;  ///< ' ': any run of blanks; '_': a comma with blanks behind it
  char decimal;
};

/// A text as rows of numbers and what stands between them.
struct Table {
  std::vector<std::string_view> lines;  ///< all of the text
  Dialect dialect{',', '.'};
  std::size_t width = 0;            ///< cells of a row; 0: no line holds two numbers
  std::vector<double> cells;        ///< [rows, width]; NaN for an empty cell
  std::vector<std::size_t> rows;    ///< the line of each row, counted from 0
  std::vector<std::size_t> others;  ///< lines that are neither rows, empty nor comments
  std::size_t first = 0;            ///< the first row that is no part of a heading

  [[nodiscard]] double cell(std::size_t row, std::size_t column) const { return cells[row * width + column]; }
  /// A line for a message: its number from 1 and its beginning.
  [[nodiscard]] std::string quoted(std::size_t line) const;
};

/// The cells of a line without the blanks and quotes around them.
std::vector<std::string_view> cut(std::string_view line, char separator);

/// Whether a line consists of numbers and what stands between them.
bool looks_like_numbers(std::string_view line);

/// Reads the lines of numbers as most of them can be. Lines that begin with # are comments.
Table read_table(std::string_view text);

/// Refuses a table with too many lines that should have been rows: all that are not below the first row, lines of
/// numbers above it when they are many, and `more`. Throws RejectedSpectrum with the first of them.
void require_mostly_rows(const Table& table, const std::vector<std::size_t>& more, std::string_view what);

}  // namespace gyre::raman
