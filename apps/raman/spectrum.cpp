#include "raman/spectrum.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numeric>

#include "format/json_object.hpp"
#include "text/utf8.hpp"

namespace gyre::raman {
namespace {

constexpr EnumName<Rejection> kNames[] = {{Rejection::unknown_format, "unknown_format"},
                                          {Rejection::unreadable, "unreadable"},
                                          {Rejection::too_large, "too_large"},
                                          {Rejection::bad_numbers, "bad_numbers"},
                                          {Rejection::unclear_columns, "unclear_columns"},
                                          {Rejection::not_raman, "not_raman"},
                                          {Rejection::too_few_points, "too_few_points"},
                                          {Rejection::not_finite, "not_finite"},
                                          {Rejection::flat, "flat"},
                                          {Rejection::duplicate, "duplicate"}};

constexpr EnumName<Rejection> kSentences[] = {
    {Rejection::unknown_format, "neither RRUFF text, JCAMP-DX nor a table of numbers"},
    {Rejection::unreadable, "the file cannot be read"},
    {Rejection::too_large, "larger than any spectrum"},
    {Rejection::bad_numbers, "lines that should be numbers are not, or contradict each other"},
    {Rejection::unclear_columns, "which columns are shift and intensity is not told"},
    {Rejection::not_raman, "another kind of spectrum, or an axis that is no Raman shift"},
    {Rejection::too_few_points, "too few points"},
    {Rejection::not_finite, "a value is not a finite number"},
    {Rejection::flat, "every intensity is the same"},
    {Rejection::duplicate, "the same specimen and points as an earlier file"}};

}  // namespace

std::string_view name_of(Rejection reason) { return gyre::name_of<Rejection>(kNames, reason); }

std::string_view explain(Rejection reason) { return gyre::name_of<Rejection>(kSentences, reason); }

void settle_points(Spectrum& spectrum) {
  const std::size_t count = std::min(spectrum.shifts.size(), spectrum.intensities.size());
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!std::all_of(spectrum.shifts.begin(), spectrum.shifts.end(), finite) ||
      !std::all_of(spectrum.intensities.begin(), spectrum.intensities.end(), finite)) {
    throw RejectedSpectrum{Rejection::not_finite, "a value is not a finite number"};
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return spectrum.shifts[a] < spectrum.shifts[b]; });
  std::vector<double> shifts;
  std::vector<double> intensities;
  for (std::size_t i = 0; i < count;) {
    const double shift = spectrum.shifts[order[i]];
    double sum = 0;
    std::size_t same = 0;
    for (; i < count && spectrum.shifts[order[i]] == shift; ++i, ++same) sum += spectrum.intensities[order[i]];
    shifts.push_back(shift);
    intensities.push_back(sum / static_cast<double>(same));
  }
  if (shifts.size() < kFewestPoints) {
    throw RejectedSpectrum{Rejection::too_few_points,
                           fmt::format("{} points; {} are the fewest", shifts.size(), kFewestPoints)};
  }
  const auto [low, high] = std::minmax_element(intensities.begin(), intensities.end());
  if (*low == *high) throw RejectedSpectrum{Rejection::flat, "every intensity is the same"};
  spectrum.shifts = std::move(shifts);
  spectrum.intensities = std::move(intensities);
}

void make_shifts(std::vector<double>& wavelengths, double nanometres, double laser) {
  constexpr double kPerCentimetre = 1e7;  // nm in 1 cm
  for (double& x : wavelengths) {
    x = x > 0 ? kPerCentimetre / laser - kPerCentimetre / (x * nanometres) : std::nan("");
  }
}

double laser_stated(std::string_view line) {
  constexpr double kShortest = 200;
  constexpr double kLongest = 2000;
  constexpr std::string_view kDigits = "0123456789.";
  const std::string text = lowered(line);
  const std::size_t at = std::min(text.find("laser"), text.find("excit"));
  if (at == std::string::npos) return 0;
  const auto number_at = [&](std::size_t from) {
    double value = 0;
    const auto [stop, failure] = std::from_chars(text.data() + from, text.data() + text.size(), value);
    return failure == std::errc() && value > kShortest && value < kLongest ? value : 0;
  };
  // A number with its unit: "785 nm".
  for (std::size_t unit = text.find("nm"); unit != std::string::npos; unit = text.find("nm", unit + 1)) {
    const std::size_t last = text.find_last_not_of(' ', unit == 0 ? 0 : unit - 1);
    if (last == std::string::npos || kDigits.find(text[last]) == std::string_view::npos) continue;
    const std::size_t before = text.find_last_not_of(kDigits, last);
    return number_at(before == std::string::npos ? 0 : before + 1);
  }
  if (holds(text, {"power", "mw", "time", "%", "intensity", "exposure"})) return 0;
  const std::size_t digit = text.find_first_of(kDigits.substr(0, 10), at);
  return digit == std::string::npos ? 0 : number_at(digit);
}

double nanometres_in(std::string_view axis) {
  const std::string name = lowered(axis);
  // "Raman shift from 785 nm, 1/cm" is no wavelength.
  if (holds(name, {"cm-1", "cm^-1", "1/cm", "/cm", "cm\u207b", "shift", "laser", "excit"})) return 0;
  if (holds(name, {"micromet", "micron", "\u00b5m", "\u03bcm"}) || holds_word(name, {"um"})) return 1e3;
  if (holds(name, {"angstr", "\u00e5ngstr"})) return 0.1;
  const bool wavelength = holds(
      name, {"wavelength", "wellenl", "longueur d", "longitud de onda", "lunghezza d", "lambda", "nanomet", "\u03bb"});
  return wavelength || holds_word(name, {"nm"}) ? 1 : 0;
}

bool of_other_technique(std::string_view axis) {
  const std::string name = lowered(axis);
  return holds(name, {"absorb", "absorpt", "transmi", "reflect", "extinction", "extinktion", "kubelka", "infrared",
                      "2theta", "2-theta", "2 theta", "energy"}) ||
         holds_word(name, {"ev", "mev", "kev", "hz", "ghz", "thz", "m/z", "ppm", "%t", "%r", "%tr"});
}

bool holds(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

bool holds_word(std::string_view text, std::initializer_list<std::string_view> words) {
  const auto letter = [&](std::size_t i) {
    return i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]));
  };
  for (const std::string_view word : words) {
    for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
      if ((at == 0 || !letter(at - 1)) && !letter(at + word.size())) return true;
    }
  }
  return false;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kWhite);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

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
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
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

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string text_in(std::string_view bytes) {
  using namespace std::string_view_literals;
  const bool little = bytes.starts_with("\xff\xfe"sv);
  std::string text;
  if (little || bytes.starts_with("\xfe\xff"sv)) {
    const auto unit = [&](std::size_t i) {
      const auto first = static_cast<unsigned char>(bytes[i]);
      const auto second = static_cast<unsigned char>(bytes[i + 1]);
      return static_cast<char32_t>(little ? first + 256 * second : 256 * first + second);
    };
    for (std::size_t i = 2; i + 1 < bytes.size(); i += 2) {
      char32_t c = unit(i);
      const bool high = c >= 0xd800 && c < 0xdc00 && i + 3 < bytes.size();
      if (high && unit(i + 2) >= 0xdc00 && unit(i + 2) < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (unit(i + 2) - 0xdc00);
        i += 2;
      }
      append_utf8(text, c >= 0xd800 && c < 0xe000 ? U'\ufffd' : c);
    }
  } else {
    text = bytes.substr(bytes.starts_with("\xef\xbb\xbf"sv) ? 3 : 0);
  }
  if (text.find('\0') != std::string::npos) {
    throw RejectedSpectrum{Rejection::unknown_format,
                           "it holds zero bytes: it is no text, or UTF-16 without its mark; save it as UTF-8"};
  }
  return text;
}

std::string as_utf8(std::string_view text) {
  if (first_invalid_utf8(text) == std::string_view::npos) return std::string(text);
  std::string out;
  for (const char c : text) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

}  // namespace gyre::raman
