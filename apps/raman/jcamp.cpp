#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "raman/formats.hpp"
#include "raman/infrared.hpp"

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
  std::size_t number = 0;  ///< of its first line in the file, from 1
};

std::string_view without_comment(std::string_view line) { return trimmed(line.substr(0, line.find("$$"))); }

/// The records up to the end of the first block that holds data.
std::map<std::string, Record> read_records(std::string_view text) {
  std::map<std::string, Record> records;
  bool data = false;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::string_view line = trimmed(take_line(text));
    ++number;
    const std::size_t equals = line.find('=');
    if (!line.starts_with("##") || equals == std::string_view::npos) continue;
    const std::string label = label_of(line.substr(2, equals - 2));
    if (label == "END" && data) break;
    // Blocks that follow a title of their own: what was said before belongs to the frame.
    Record record{as_utf8(without_comment(line.substr(equals + 1))), {}, number};
    const std::string_view from = text;
    while (!text.empty()) {
      std::string_view next = text;
      if (trimmed(take_line(next)).starts_with("##")) break;
      text = next;
      ++number;
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

bool digit_at(std::string_view text, std::size_t at) {
  return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0;
}

/// A number that begins with a pseudo-digit and goes on with plain digits.
double packed_number(std::string_view& line, int digit) {
  std::string text = std::to_string(std::abs(digit));
  while (digit_at(line, 0) || line.starts_with('.')) {
    text += line.front();
    line.remove_prefix(1);
  }
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return digit < 0 ? -value : value;
}

/// A plain number (AFFN). It ends at an E, which is a power of ten only where a sign and two or three digits follow
/// (JCAMP-DX 4.24, 5.3): in the packed forms E is the digit 5. With `loose` an E without a sign is a power too, where
/// no packed form can stand. `unit` receives what one in the last place is worth.
bool take_affn(std::string_view& line, bool loose, double& value, double* unit = nullptr) {
  std::size_t end = line.starts_with('+') || line.starts_with('-') ? 1 : 0;
  const std::size_t begin = end;
  while (digit_at(line, end)) ++end;
  std::size_t decimals = 0;
  if (end < line.size() && line[end] == '.') {
    ++end;
    for (; digit_at(line, end); ++end) ++decimals;
  }
  if (end - begin == (decimals == 0 && end > begin && line[end - 1] == '.' ? 1U : 0U)) return false;
  const std::string_view mantissa = line.substr(line.starts_with('+') ? 1 : 0, end - (line.starts_with('+') ? 1 : 0));
  std::from_chars(mantissa.data(), mantissa.data() + mantissa.size(), value);
  int power = 0;
  if (end < line.size() && (line[end] == 'E' || line[end] == 'e')) {
    std::size_t at = end + 1;
    const bool sign = at < line.size() && (line[at] == '+' || line[at] == '-');
    if (sign) ++at;
    std::size_t digits = 0;
    while (digits < 3 && digit_at(line, at + digits)) ++digits;
    if (digits >= (loose ? 1U : 2U) && (sign || loose)) {
      std::from_chars(line.data() + at, line.data() + at + digits, power);
      if (line[end + 1] == '-') power = -power;
      end = at + digits;
    }
  }
  value *= std::pow(10.0, power);
  if (unit != nullptr) *unit = std::pow(10.0, power - static_cast<int>(decimals));
  line.remove_prefix(end);
  return true;
}

void skip_separators(std::string_view& line) {
  while (!line.empty() && std::string_view(" ,\t;").find(line.front()) != std::string_view::npos) line.remove_prefix(1);
}

/// One value of a line; `packed` allows the pseudo-digits.
bool take_token(std::string_view& line, bool packed, Token& token) {
  skip_separators(line);
  if (line.empty()) return false;
  int digit = 0;
  if (packed && pseudo_digit(line.front(), token.kind, digit)) {
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
  if (!take_affn(line, !packed, token.value)) {
    reject(Rejection::bad_numbers, fmt::format("\"{}\" is no number of JCAMP-DX", as_utf8(line.substr(0, 20))));
  }
  return true;
}

/// The abscissa that a line of ordinates states, of the point with this index.
struct LineStart {
  double x;
  double unit;  ///< what one in the last place that was written is worth
  std::size_t point;
  std::size_t line;  ///< its number in the file
};

/// The ordinates of (X++(Y..Y)) lines.
class Ordinates {
 public:
  void add_line(std::string_view line, std::size_t number) {
    skip_separators(line);
    if (line.empty()) return;
    LineStart start{0, 1, 0, number};
    if (!take_affn(line, false, start.x, &start.unit)) {
      reject(Rejection::bad_numbers, fmt::format("line {} begins with no abscissa", number));
    }
    Token token{};
    bool first = true;
    while (take_token(line, true, token)) {
      if (first && token.kind != Token::Kind::value) {
        reject(Rejection::bad_numbers, fmt::format("line {} begins with a difference or a duplicate", number));
      }
      // After a difference, a line repeats the last ordinate so that readers can check it.
      const bool repeats = first && last_was_difference_;
      if (repeats) check(token.value, number);
      if (first) starts.push_back({start.x, start.unit, values.size() - (repeats ? 1 : 0), number});
      if (!repeats) add(token);
      first = false;
    }
  }

  std::vector<double> values;
  std::vector<LineStart> starts;

 private:
  void add(const Token& token) {
    switch (token.kind) {
      case Token::Kind::value:
        last_was_difference_ = false;
        push(token.value);
        return;
      case Token::Kind::difference:
        last_was_difference_ = true;
        difference_ = token.value;
        push(values.back() + token.value);
        return;
      case Token::Kind::duplicate:
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
  void check(double value, std::size_t number) const {
    const double scale = std::max(1.0, std::abs(value));
    if (std::abs(values.back() - value) > 1e-6 * scale) {
      reject(Rejection::bad_numbers, fmt::format("line {}: the check ordinate is {}, but the differences sum to {}",
                                                 number, value, values.back()));
    }
  }

  bool last_was_difference_ = false;
  double difference_ = 0;
};

/// A number of the header with what one in its last place is worth; none where the file has no such label.
struct Stated {
  double value;
  double unit;
};

std::optional<Stated> stated(const std::map<std::string, Record>& records, const std::string& label) {
  const auto found = records.find(label);
  if (found == records.end() || found->second.value.empty()) return {};
  std::string_view text = found->second.value;
  Stated number{0, 1};
  if (!take_affn(text, true, number.value, &number.unit) || !std::isfinite(number.value)) {
    reject(Rejection::bad_numbers, fmt::format("{} is \"{}\", which is no number", label, found->second.value));
  }
  return number;
}

double factor_of(const std::map<std::string, Record>& records, const std::string& label) {
  return stated(records, label).value_or(Stated{1, 1}).value;
}

void require_count(const std::map<std::string, Record>& records, std::size_t count) {
  const auto declared = stated(records, "NPOINTS");
  if (declared && declared->value != static_cast<double>(count)) {
    reject(Rejection::bad_numbers, fmt::format("NPOINTS is {}, but {} points follow", declared->value, count));
  }
}

/// The abscissas of `ordinates`: evenly from FIRSTX to LASTX, or by DELTAX.
struct Axis {
  double start = 0;
  double step = 0;
  double slack = 0;  ///< by how much the header's rounding may move it
};

Axis axis_of(const std::map<std::string, Record>& records, const Ordinates& ordinates) {
  const auto first = stated(records, "FIRSTX");
  const auto last = stated(records, "LASTX");
  const auto delta = stated(records, "DELTAX");
  const auto steps = static_cast<double>(ordinates.values.size() - 1);
  Axis axis;
  axis.start = first ? first->value : ordinates.starts.front().x * factor_of(records, "XFACTOR");
  axis.slack = first ? first->unit : 0;
  if (first && last && steps > 0) {
    axis.step = (last->value - first->value) / steps;
    axis.slack = std::max(axis.slack, last->unit);
    const double off = delta ? std::abs(std::abs(delta->value) - std::abs(axis.step)) : 0;
    if (delta && off > 0.5 * delta->unit + 0.01 * std::abs(axis.step)) {
      reject(Rejection::bad_numbers, fmt::format("DELTAX is {}, but {} points from FIRSTX {} to LASTX {} are {} apart",
                                                 delta->value, steps + 1, first->value, last->value, axis.step));
    }
    return axis;
  }
  if (!delta) reject(Rejection::bad_numbers, "neither FIRSTX and LASTX nor DELTAX is given");
  axis.step = delta->value;
  return axis;
}

/// Each line states its abscissa as a check: what the header makes of it must agree, but for rounding.
void require_agreement(const Ordinates& ordinates, const Axis& axis, double factor) {
  constexpr double kSlackSteps = 0.01;
  for (const LineStart& start : ordinates.starts) {
    const double stated = start.x * factor;
    const double made = axis.start + axis.step * static_cast<double>(start.point);
    const double slack = std::abs(start.unit * factor) + axis.slack + kSlackSteps * std::abs(axis.step);
    if (std::abs(stated - made) <= slack) continue;
    reject(Rejection::bad_numbers,
           fmt::format("line {}: its abscissa is {:g}, but FIRSTX, LASTX and DELTAX make it {:g}", start.line, stated,
                       made));
  }
}

void read_ordinates(const std::map<std::string, Record>& records, const Record& data, Spectrum& spectrum) {
  Ordinates ordinates;
  std::size_t number = data.number;
  for (std::string_view lines = data.lines; !lines.empty();) {
    ordinates.add_line(without_comment(take_line(lines)), ++number);
  }
  if (ordinates.values.empty()) reject(Rejection::too_few_points, "no data lines");
  require_count(records, ordinates.values.size());
  const Axis axis = axis_of(records, ordinates);
  require_agreement(ordinates, axis, factor_of(records, "XFACTOR"));
  const double factor = factor_of(records, "YFACTOR");
  for (std::size_t i = 0; i < ordinates.values.size(); ++i) {
    if (!std::isfinite(ordinates.values[i])) continue;  // "?"
    spectrum.shifts.push_back(axis.start + axis.step * static_cast<double>(i));
    spectrum.intensities.push_back(factor * ordinates.values[i]);
  }
}

void read_points(const std::map<std::string, Record>& records, const Record& data, Spectrum& spectrum) {
  const double x_factor = factor_of(records, "XFACTOR");
  const double y_factor = factor_of(records, "YFACTOR");
  std::size_t number = data.number;
  for (std::string_view lines = data.lines; !lines.empty();) {
    std::string_view line = without_comment(take_line(lines));
    ++number;
    Token x{};
    Token y{};
    while (take_token(line, false, x)) {
      if (!take_token(line, false, y)) {
        reject(Rejection::bad_numbers, fmt::format("line {}: an abscissa stands without its ordinate", number));
      }
      spectrum.shifts.push_back(x_factor * x.value);
      spectrum.intensities.push_back(y_factor * y.value);
    }
  }
  require_count(records, spectrum.shifts.size());
}

std::string text_of(const std::map<std::string, Record>& records, const std::string& label) {
  const auto found = records.find(label);
  return found == records.end() ? "" : found->second.value;
}

/// Refuses other kinds of spectra. Returns nm in one unit of x when that is a wavelength, 0 when it is a shift.
double unit_of_axis(const std::map<std::string, Record>& records) {
  const std::string kind = lowered(text_of(records, "DATATYPE"));
  if (!kind.empty() && !holds(kind, {"raman"}) && kind != "link") {
    reject(Rejection::not_raman, fmt::format("DATA TYPE is {}", text_of(records, "DATATYPE")));
  }
  const std::string ordinate = text_of(records, "YUNITS");
  if (of_other_technique(ordinate)) reject(Rejection::not_raman, fmt::format("YUNITS is {}", ordinate));
  const std::string abscissa = text_of(records, "XUNITS");
  const std::string unit = label_of(abscissa);
  if (unit.empty() || holds(unit, {"1CM", "CM1", "CM^1", "RAMAN", "WAVENUMBER"})) return 0;
  const double nanometres = nanometres_in(abscissa);
  if (nanometres > 0) return nanometres;
  reject(Rejection::not_raman, fmt::format("XUNITS is {}; Raman shifts are in 1/CM", abscissa));
}

double laser_of(const std::map<std::string, Record>& records) {
  for (const auto& [label, record] : records) {
    if (!holds(label, {"LASER", "EXCIT"})) continue;
    if (const double laser = laser_stated(fmt::format("{} {}", label, record.value)); laser > 0) return laser;
  }
  return 0;
}

}  // namespace

Spectrum read_jcamp(std::string_view text, bool infrared) {
  const auto records = read_records(text);
  Spectrum spectrum;
  const std::string kind = text_of(records, "DATATYPE");
  if (holds(lowered(kind), {"infrared"})) {
    if (!infrared) reject_infrared(fmt::format("DATA TYPE is {}", kind));
    spectrum.technique = Technique::infrared;
  }
  const bool raman = spectrum.technique == Technique::raman;
  const double nanometres = raman ? unit_of_axis(records) : 0;
  if (raman) spectrum.laser = laser_of(records);
  if (nanometres > 0 && spectrum.laser == 0) {
    reject(Rejection::not_raman, fmt::format("XUNITS is {} and the laser's wavelength is not stated, so that there are "
                                             "no Raman shifts",
                                             text_of(records, "XUNITS")));
  }
  spectrum.mineral = text_of(records, "TITLE");
  for (const char* label : {"NAMES", "CASNAME", "NAME"}) {
    if (const std::string name = text_of(records, label); !name.empty()) spectrum.mineral = name;
  }
  spectrum.specimen = text_of(records, "RRUFFID");
  spectrum.locality = text_of(records, "LOCALITY");
  spectrum.status = text_of(records, "STATUS");
  const auto data = records.find("XYDATA");
  if (data != records.end() && label_of(data->second.value).starts_with("(X++(Y..Y))")) {
    read_ordinates(records, data->second, spectrum);
  } else {
    const auto points = data != records.end()                       ? data
                        : records.find("XYPOINTS") != records.end() ? records.find("XYPOINTS")
                                                                    : records.find("PEAKTABLE");
    if (points == records.end()) reject(Rejection::unknown_format, "a JCAMP-DX file without XYDATA or XYPOINTS");
    if (!label_of(points->second.value).starts_with("(XY..XY)")) {
      reject(Rejection::unknown_format, fmt::format("data of the form {} are not known", points->second.value));
    }
    read_points(records, points->second, spectrum);
  }
  if (nanometres > 0) make_shifts(spectrum.shifts, nanometres, spectrum.laser);
  if (!raman) {
    make_wavenumbers(spectrum.shifts, text_of(records, "XUNITS"));
    make_absorbances(spectrum.intensities, text_of(records, "YUNITS"));
  }
  settle_points(spectrum);
  return spectrum;
}

}  // namespace gyre::raman
