#include "raman/infrared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "raman/spectrum.hpp"

namespace gyre::raman {

std::string sign_of_infrared(std::string_view text, std::string_view name) {
  const std::string_view file = name.substr(name.find_last_of('/') + 1);
  if (holds(lowered(file), {"__infrared__"})) return fmt::format("its name is {}", as_utf8(file));
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = trimmed(take_line(rest));
    const std::size_t equals = line.find('=');
    if (!line.starts_with("##") || equals == std::string_view::npos) continue;
    const std::string key = lowered(trimmed(line.substr(2, equals - 2)));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if ((key == "data type" || key == "datatype") && holds(lowered(value), {"infrared"})) {
      return fmt::format("DATA TYPE is {}", as_utf8(value));
    }
  }
  return {};
}

void reject_infrared(const std::string& why) {
  throw RejectedSpectrum{
      Rejection::not_raman,
      fmt::format("{}; infrared spectra serve pretraining alone and are read where \"pretraining\" in "
                  "the config of a training says \"infrared\": true",
                  why)};
}

void make_absorbances(std::vector<double>& values, const std::string& units) {
  constexpr double kLeast = 1e-4;
  constexpr double kMost = 2;  // noise and bad references lift full transmittance, but not that far
  const std::string name = lowered(units);
  if (holds(name, {"absorb"})) return;
  if (!holds(name, {"transmi"}) && !holds_word(name, {"%t"})) {
    throw RejectedSpectrum{
        Rejection::not_raman,
        fmt::format("YUNITS is {}; infrared spectra are read in ABSORBANCE, TRANSMITTANCE and % TRANSMITTANCE",
                    units.empty() ? "not there" : units)};
  }
  const bool percent = holds(name, {"%", "percent"});
  for (double& value : values) {
    const double share = percent ? value / 100 : value;
    if (share > kMost) {
      throw RejectedSpectrum{Rejection::bad_numbers,
                             fmt::format("YUNITS is {}: its values are shares of {}, but one is {:g}", units,
                                         percent ? "100" : "1", value)};
    }
    value = std::isfinite(share) ? -std::log10(std::max(share, kLeast)) : std::nan("");
  }
}

void make_wavenumbers(std::vector<double>& values, const std::string& units) {
  constexpr double kPerCentimetre = 1e7;  // nm in 1 cm
  std::string unit = lowered(units);
  std::erase_if(unit, [](char c) { return c == ' ' || c == '-' || c == '/' || c == '^'; });
  if (unit.empty() || holds(unit, {"1cm", "cm1", "wavenumber"})) return;
  const double nanometres = nanometres_in(units);
  if (nanometres <= 0) {
    throw RejectedSpectrum{Rejection::not_raman,
                           fmt::format("XUNITS is {}; infrared spectra are read over 1/CM and micrometres", units)};
  }
  for (double& x : values) x = x > 0 ? kPerCentimetre / (x * nanometres) : std::nan("");
}

}  // namespace gyre::raman
