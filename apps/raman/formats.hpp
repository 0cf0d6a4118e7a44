#pragma once

#include <string_view>

#include "raman/spectrum.hpp"

namespace gyre::raman {

/// What is known of a file besides its bytes, and what is wanted of it.
struct ReadOptions {
  bool infrared = false;       ///< whether infrared spectra are read; they are told by Spectrum::technique
  std::string_view name = {};  ///< of the file: names of RRUFF files tell the technique
};

// Readers of one file's content. Each throws RejectedSpectrum; what they return has settled points.

/// RRUFF text: lines ##KEY=value, then "shift, intensity" lines in any order, perhaps ended by ##END=.
/// `infrared`: that is what it is, absorbance unless a header YUNITS says transmittance.
Spectrum read_rruff(std::string_view text, bool infrared = false);

/// JCAMP-DX 4.24/5.01 (McDonald and Wilks 1988; Lampen et al. 1999): XYDATA=(X++(Y..Y)) as AFFN or in the packed,
/// squeezed, difference and duplicate forms, XYPOINTS and PEAK TABLE=(XY..XY). A file of several blocks gives its first
/// spectrum. Abscissas and counts that contradict each other are refused, and so are spectra that are not Raman ones;
/// with `infrared` those are read too whose DATA TYPE is INFRARED SPECTRUM, in absorbance or transmittance.
Spectrum read_jcamp(std::string_view text, bool infrared = false);

/// A table of numbers between semicolons, tabs, commas or blanks, with decimal points or commas; lines ahead of it are
/// headings, and lines that begin with # are comments. Columns are chosen by the names above them; two columns without
/// names are shift and intensity. Shifts go one way, up or down.
Spectrum read_columns(std::string_view text);

/// The reader that fits what the bytes of a file look like. Throws RejectedSpectrum.
Spectrum read_spectrum(std::string_view bytes, const ReadOptions& options = {});

}  // namespace gyre::raman
