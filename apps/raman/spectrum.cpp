#include "raman/spectrum.hpp"

#include <algorithm>
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
                                          {Rejection::too_few_points, "too_few_points"},
                                          {Rejection::not_finite, "not_finite"},
                                          {Rejection::flat, "flat"},
                                          {Rejection::duplicate, "duplicate"}};

constexpr EnumName<Rejection> kSentences[] = {
    {Rejection::unknown_format, "neither RRUFF text, JCAMP-DX nor two columns of numbers"},
    {Rejection::unreadable, "the file cannot be read"},
    {Rejection::too_large, "larger than any spectrum"},
    {Rejection::bad_numbers, "lines that should be numbers are not"},
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

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kWhite);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

std::string as_utf8(std::string_view text) {
  if (first_invalid_utf8(text) == std::string_view::npos) return std::string(text);
  std::string out;
  for (const char c : text) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

}  // namespace gyre::raman
