#include "raman/formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace gyre::raman {
namespace {

/// More bad lines than this share of the data lines, and the file is not understood.
constexpr double kBadLineShare = 0.02;

bool blank(char c) { return c == ' ' || c == '\t'; }

void skip_blanks(std::string_view& text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

/// "shift separator intensity", and nothing else but white space. Further columns are refused unless `more`.
bool take_pair(std::string_view line, std::string_view separators, bool more, Spectrum& into) {
  double shift = 0;
  double intensity = 0;
  if (!take_number(line, shift)) return false;
  skip_blanks(line);
  if (!line.empty() && separators.find(line.front()) != std::string_view::npos) line.remove_prefix(1);
  if (!take_number(line, intensity)) return false;
  skip_blanks(line);
  const bool end = line.empty() || (more && separators.find(line.front()) != std::string_view::npos);
  if (!end) return false;
  into.shifts.push_back(shift);
  into.intensities.push_back(intensity);
  return true;
}

void require_mostly_numbers(std::size_t good, std::size_t bad, const std::string& first_bad) {
  if (static_cast<double>(bad) <= kBadLineShare * static_cast<double>(good + bad)) return;
  throw RejectedSpectrum{Rejection::bad_numbers,
                         fmt::format("{} of {} data lines are not a pair of numbers, the first \"{}\"", bad, good + bad,
                                     first_bad.substr(0, 60))};
}

void set_header(Spectrum& spectrum, const std::string& key, std::string_view value) {
  std::string text = as_utf8(trimmed(value));
  if (key == "NAMES" || key == "NAME")
    spectrum.mineral = std::move(text);
  else if (key == "RRUFFID")
    spectrum.specimen = std::move(text);
  else if (key == "LOCALITY")
    spectrum.locality = std::move(text);
  else if (key == "STATUS")
    spectrum.status = std::move(text);
  else if (key.find("LASER") != std::string::npos || key.find("WAVELENGTH") != std::string::npos) {
    std::string_view number = text;
    double laser = 0;
    if (take_number(number, laser) && laser > 100 && laser < 3000) spectrum.laser = laser;
  }
}

/// Values between semicolons or tabs may have a decimal comma: "1,5;20,25".
std::string with_points(std::string_view line) {
  std::string text(line);
  std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

}  // namespace

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos) {
    text = {};
    return line;
  }
  const bool pair = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
  text.remove_prefix(end + (pair ? 2 : 1));
  return line;
}

bool take_number(std::string_view& text, double& value) {
  std::string_view rest = text;
  skip_blanks(rest);
  if (rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest.front() == '+') return false;
  const auto [stop, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (failure != std::errc() && failure != std::errc::result_out_of_range) return false;
  const std::string_view taken = rest.substr(0, static_cast<std::size_t>(stop - rest.data()));
  if (failure == std::errc::result_out_of_range) {
    value = taken.find_last_of('-') > 0 && taken.find_last_of('-') < taken.size() ? 0 : HUGE_VAL;
  }
  rest.remove_prefix(taken.size());
  // Fortran's double exponent, which from_chars stops at.
  if (!rest.empty() && (rest.front() == 'D' || rest.front() == 'd')) {
    std::string_view exponent = rest.substr(1);
    if (exponent.starts_with('+')) exponent.remove_prefix(1);
    int power = 0;
    const auto [end, bad] = std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
    if (bad == std::errc() && std::abs(power) <= 300) {
      value *= std::pow(10.0, power);
      rest = exponent.substr(static_cast<std::size_t>(end - exponent.data()));
    }
  }
  text = rest;
  return true;
}

Spectrum read_rruff(std::string_view text) {
  Spectrum spectrum;
  std::size_t bad = 0;
  std::string first_bad;
  while (!text.empty()) {
    const std::string_view line = trimmed(take_line(text));
    if (line.empty()) continue;
    if (line.starts_with("##")) {
      const std::size_t equals = line.find('=');
      const std::string key = upper(trimmed(line.substr(2, equals == std::string_view::npos ? equals : equals - 2)));
      if (key == "END") break;
      if (equals != std::string_view::npos) set_header(spectrum, key, line.substr(equals + 1));
      continue;
    }
    if (take_pair(line, ",;", false, spectrum)) continue;
    // Ahead of the first point, a line of words is a header that ran over.
    if (spectrum.shifts.empty()) continue;
    if (bad++ == 0) first_bad = as_utf8(line);
  }
  require_mostly_numbers(spectrum.shifts.size(), bad, first_bad);
  settle_points(spectrum);
  return spectrum;
}

Spectrum read_columns(std::string_view text) {
  Spectrum spectrum;
  std::size_t bad = 0;
  std::string first_bad;
  while (!text.empty()) {
    const std::string_view line = trimmed(take_line(text));
    if (line.empty() || line.front() == '#') continue;
    const bool decimal_comma =
        line.find(',') != std::string_view::npos && line.find_first_of(";\t") != std::string_view::npos;
    const bool taken =
        decimal_comma ? take_pair(with_points(line), ";\t", true, spectrum) : take_pair(line, ",;\t", true, spectrum);
    if (taken || spectrum.shifts.empty()) continue;
    if (bad++ == 0) first_bad = as_utf8(line);
  }
  if (spectrum.shifts.empty()) throw RejectedSpectrum{Rejection::unknown_format, "no line holds two numbers"};
  require_mostly_numbers(spectrum.shifts.size(), bad, first_bad);
  settle_points(spectrum);
  return spectrum;
}

Spectrum read_spectrum(std::string_view text) {
  if (text.size() > kMostBytes) {
    throw RejectedSpectrum{Rejection::too_large, fmt::format("{} bytes; {} are the most", text.size(), kMostBytes)};
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  const std::string head = upper(text.substr(0, 4096));
  if (head.find("##JCAMP") != std::string::npos) return read_jcamp(text);
  if (head.find("##RRUFFID") != std::string::npos || head.find("##NAMES") != std::string::npos) return read_rruff(text);
  if (head.find("##XYDATA") != std::string::npos || head.find("##XYPOINTS") != std::string::npos) {
    return read_jcamp(text);
  }
  if (text.find('\0') != std::string_view::npos) {
    throw RejectedSpectrum{Rejection::unknown_format, "it is not a text"};
  }
  return text.starts_with("##") ? read_rruff(text) : read_columns(text);
}

}  // namespace gyre::raman
