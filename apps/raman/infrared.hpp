#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::raman {

/// What tells that a text with "##" headers, or a table, is an infrared spectrum: the name that RRUFF gives to its
/// files, Quartz__R040031-1__Infrared__…, or a header DATA TYPE. Empty: nothing does.
std::string sign_of_infrared(std::string_view text, std::string_view name);

/// Throws RejectedSpectrum for an infrared spectrum where none is read, with the key that makes it be; `why` says what
/// tells that it is one.
[[noreturn]] void reject_infrared(const std::string& why);

/// Ordinates as absorbances, by what YUNITS says that they are. Transmittance T becomes -log10 T; what lets through
/// less than one in ten thousand counts as letting through that. Throws RejectedSpectrum for what is neither, and for
/// shares that reach far beyond one, as those do that are of a hundred after all.
void make_absorbances(std::vector<double>& values, const std::string& units);

/// Abscissas as wavenumbers in 1/cm, by what XUNITS says that they are: 1/CM (also where it says nothing) or a
/// wavelength. Throws RejectedSpectrum for others.
void make_wavenumbers(std::vector<double>& values, const std::string& units);

}  // namespace gyre::raman
