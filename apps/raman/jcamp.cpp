#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "raman/formats.hpp"

namespace gyre::raman {
namespace {

/// A duplicate count may claim any number of points: no spectrum has more than this.
constexpr std::size_t kMostPoints = std::size_t{1} << 22;

[[noreturn]] void reject(Rejection reason, const std::string& detail) { throw RejectedSpectrum{reason, detail}; }

/// A duplicate count as a whole number, of a size that the limit on points can still refuse.
std::size_t count_of(double value) {
  return static_cast<std::size_t>(std::clamp(value, 0.0, static_cast<double>(kMostPoints) + 2));
}

/// Labels are compared without blanks, slashes, dashes and underscores, in capitals (JCAMP-DX 4.24, 3.2).
std::string label_of(std::string_view text) {
  std::string label;
  for (const char c : text) {
    if (c == ' ' || c == '-' || c == '/' || c == '_' || c == '\t') continue;
    label += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return label;
}

/// One labelled record: its first line's value and, for data, the lines that follow.
struct Record {
  std::string value;
  std::string_view lines;
};

std::string_view without_comment(std::string_view line) { return trimmed(line.substr(0, line.find("$$"))); }

/// The records up to the end of the first block that holds data.
std::map<std::string, Record> read_records(std::string_view text) {
  std::map<std::string, Record> records;
  bool data = false;
  while (!text.empty()) {
    const std::string_view line = trimmed(take_line(text));
    const std::size_t equals = line.find('=');
    if (!line.starts_with("##") || equals == std::string_view::npos) continue;
    const std::string label = label_of(line.substr(2, equals - 2));
    if (label == "END" && data) break;
    // Blocks that follow a title of their own: what was said before belongs to the frame.
    Record record{as_utf8(without_comment(line.substr(equals + 1))), {}};
    const std::string_view from = text;
    while (!text.empty()) {
      std::string_view next = text;
      if (trimmed(take_line(next)).starts_with("##")) break;
      text = next;
    }
    record.lines = from.substr(0, from.size() - text.size());
    data = data || label == "XYDATA" || label == "XYPOINTS" || label == "PEAKTABLE";
    records.insert_or_assign(label, std::move(record));
  }
  return records;
}

/// One value of the ASDF forms.
struct Token {
  enum class Kind { value, difference, duplicate } kind;
  double value;
};

/// The digit that a pseudo-digit stands for, and its sign; none for other characters.
bool pseudo_digit(char c, Token::Kind& kind, int& digit) {
  const auto within = [&](char first, char last, Token::Kind which, int from, int step) {
    if (c < first || c > last) return false;
    kind = which;
    digit = from + step * (c - first);
    return true;
  };
  return within('@', 'I', Token::Kind::value, 0, 1) || within('a', 'i', Token::Kind::value, -1, -1) ||
         within('%', '%', Token::Kind::difference, 0, 1) || within('J', 'R', Token::Kind::difference, 1, 1) ||
         within('j', 'r', Token::Kind::difference, -1, -1) || within('S', 'Z', Token::Kind::duplicate, 1, 1) ||
         within('s', 's', Token::Kind::duplicate, 9, 1);
}

/// A number that begins with a pseudo-digit and goes on with plain digits.
double packed_number(std::string_view& line, int digit) {
  std::string text = std::to_string(std::abs(digit));
  while (!line.empty() && (std::isdigit(static_cast<unsigned char>(line.front())) != 0 || line.front() == '.')) {
    text += line.front();
    line.remove_prefix(1);
  }
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return digit < 0 ? -value : value;
}

bool take_token(std::string_view& line, Token& token) {
  while (!line.empty() && (line.front() == ' ' || line.front() == ',' || line.front() == '\t' || line.front() == ';')) {
    line.remove_prefix(1);
  }
  if (line.empty()) return false;
  int digit = 0;
  if (pseudo_digit(line.front(), token.kind, digit)) {
    line.remove_prefix(1);
    token.value = packed_number(line, digit);
    return true;
  }
  token.kind = Token::Kind::value;
  if (line.front() == '?') {  // "no valid value here"
    line.remove_prefix(1);
    token.value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (!take_number(line, token.value)) {
    reject(Rejection::bad_numbers, fmt::format("\"{}\" is no number of JCAMP-DX", as_utf8(line.substr(0, 20))));
  }
  return true;
}

/// The ordinates of (X++(Y..Y)) lines. `starts` receives the abscissa of each line with the index of its first point.
class Ordinates {
 public:
  void add_line(std::string_view line) {
    double x = 0;
    Token token{};
    if (!take_token(line, token)) return;
    x = token.value;
    bool first = true;
    while (take_token(line, token)) {
      // After a difference, a line repeats the last ordinate so that readers can check it.
      if (first && last_was_difference_ && token.kind == Token::Kind::value) {
        check(token.value);
        starts.emplace_back(x, values.size() - 1);
      } else {
        if (first) starts.emplace_back(x, values.size());
        add(token);
      }
      first = false;
    }
  }

  std::vector<double> values;
  std::vector<std::pair<double, std::size_t>> starts;

 private:
  void add(const Token& token) {
    switch (token.kind) {
      case Token::Kind::value:
        last_was_difference_ = false;
        push(token.value);
        return;
      case Token::Kind::difference:
        require_earlier();
        last_was_difference_ = true;
        difference_ = token.value;
        push(values.back() + token.value);
        return;
      case Token::Kind::duplicate:
        require_earlier();
        // "S" is once, the value that stands there already; a difference is repeated as a difference.
        for (std::size_t times = count_of(token.value); times > 1; --times) {
          push(last_was_difference_ ? values.back() + difference_ : values.back());
        }
        return;
    }
  }

  void push(double value) {
    if (values.size() >= kMostPoints) reject(Rejection::too_large, fmt::format("more than {} points", kMostPoints));
    values.push_back(value);
  }
  void require_earlier() const {
    if (values.empty()) reject(Rejection::bad_numbers, "the data begin with a difference or a duplicate");
  }
  void check(double value) const {
    const double scale = std::max(1.0, std::abs(value));
    if (std::abs(values.back() - value) > 1e-6 * scale) {
      reject(Rejection::bad_numbers, fmt::format("point {}: the check ordinate is {}, but the differences sum to {}",
                                                 values.size(), value, values.back()));
    }
  }

  bool last_was_difference_ = false;
  double difference_ = 0;
};

double number_of(const std::map<std::string, Record>& records, const std::string& label, double otherwise) {
  const auto found = records.find(label);
  if (found == records.end()) return otherwise;
  std::string_view text = found->second.value;
  double value = 0;
  return take_number(text, value) ? value : otherwise;
}

void read_ordinates(const std::map<std::string, Record>& records, std::string_view lines, Spectrum& spectrum) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Ordinates ordinates;
  while (!lines.empty()) ordinates.add_line(without_comment(take_line(lines)));
  const std::size_t count = ordinates.values.size();
  const double first = number_of(records, "FIRSTX", kNone);
  const double last = number_of(records, "LASTX", kNone);
  const double declared = number_of(records, "NPOINTS", static_cast<double>(count));
  if (declared != static_cast<double>(count)) {
    reject(Rejection::bad_numbers, fmt::format("NPOINTS is {}, but {} points follow", declared, count));
  }
  double start = first;
  double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0;
  if (!std::isfinite(first) || !std::isfinite(last)) {
    if (ordinates.starts.empty()) reject(Rejection::too_few_points, "no data lines");
    start = ordinates.starts.front().first * number_of(records, "XFACTOR", 1);
    step = number_of(records, "DELTAX", kNone);
    if (!std::isfinite(step)) reject(Rejection::bad_numbers, "neither FIRSTX and LASTX nor DELTAX is given");
  }
  const double factor = number_of(records, "YFACTOR", 1);
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(ordinates.values[i])) continue;  // "?"
    spectrum.shifts.push_back(start + step * static_cast<double>(i));
    spectrum.intensities.push_back(factor * ordinates.values[i]);
  }
}

void read_points(const std::map<std::string, Record>& records, std::string_view lines, Spectrum& spectrum) {
  const double x_factor = number_of(records, "XFACTOR", 1);
  const double y_factor = number_of(records, "YFACTOR", 1);
  while (!lines.empty()) {
    std::string_view line = without_comment(take_line(lines));
    Token x{};
    Token y{};
    while (take_token(line, x)) {
      if (!take_token(line, y)) reject(Rejection::bad_numbers, "an abscissa stands without its ordinate");
      spectrum.shifts.push_back(x_factor * x.value);
      spectrum.intensities.push_back(y_factor * y.value);
    }
  }
}

std::string text_of(const std::map<std::string, Record>& records, const std::string& label) {
  const auto found = records.find(label);
  return found == records.end() ? "" : found->second.value;
}

}  // namespace

Spectrum read_jcamp(std::string_view text) {
  const auto records = read_records(text);
  const std::string units = label_of(text_of(records, "XUNITS"));
  if (!units.empty() && units != "1CM" && units != "CM1" && units != "CM^1" &&
      units.find("RAMAN") == std::string::npos) {
    reject(Rejection::unknown_format,
           fmt::format("XUNITS is {}; Raman shifts are in 1/CM", text_of(records, "XUNITS")));
  }
  Spectrum spectrum;
  spectrum.mineral = text_of(records, "TITLE");
  for (const char* label : {"NAMES", "CASNAME", "NAME"}) {
    if (const std::string name = text_of(records, label); !name.empty()) spectrum.mineral = name;
  }
  spectrum.specimen = text_of(records, "RRUFFID");
  spectrum.locality = text_of(records, "LOCALITY");
  const auto data = records.find("XYDATA");
  if (data != records.end() && label_of(data->second.value).starts_with("(X++(Y..Y))")) {
    read_ordinates(records, data->second.lines, spectrum);
  } else {
    const auto points = data != records.end()                       ? data
                        : records.find("XYPOINTS") != records.end() ? records.find("XYPOINTS")
                                                                    : records.find("PEAKTABLE");
    if (points == records.end()) reject(Rejection::unknown_format, "a JCAMP-DX file without XYDATA or XYPOINTS");
    if (!label_of(points->second.value).starts_with("(XY..XY)")) {
      reject(Rejection::unknown_format, fmt::format("data of the form {} are not known", points->second.value));
    }
    read_points(records, points->second.lines, spectrum);
  }
  settle_points(spectrum);
  return spectrum;
}

}  // namespace gyre::raman
