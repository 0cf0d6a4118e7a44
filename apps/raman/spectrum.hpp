#pragma once

#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre::raman {

/// What was measured. An infrared spectrum has wavenumbers for shifts and absorbances for intensities.
enum class Technique { raman, infrared };

/// One spectrum and what its file says about the specimen. Texts that the file lacks are empty.
struct Spectrum {
  Technique technique = Technique::raman;
  std::string source;  ///< the file, or "archive.zip: member"
  std::string mineral;
  std::string specimen;  ///< RRUFF id, or what else names the piece that was measured
  std::string locality;
  std::string status;              ///< how the identification was confirmed
  double laser = 0;                ///< nm; 0: not known
  std::vector<double> shifts;      ///< 1/cm, ascending, each once
  std::vector<double> intensities; /**< one a shift, arbitrary units */
};

/// Why a file gave no spectrum.
enum class Rejection {
  unknown_format,  ///< neither RRUFF text, JCAMP-DX nor a table of numbers
  unreadable,      ///< the file or the member of an archive cannot be read
  too_large,
  bad_numbers,      ///< lines that should be numbers are not, or contradict each other or the header
  unclear_columns,  ///< it is not told which columns are shift and intensity
  not_raman,        ///< another kind of spectrum, or an axis that is no Raman shift and cannot be made one
  too_few_points,
  not_finite,  ///< the format cannot be followed to finite numbers
  flat,        ///< every intensity is the same
  duplicate,   ///< the same specimen and the same points as an earlier file
};

std::string_view name_of(Rejection reason);
/// One sentence for a person.
std::string_view explain(Rejection reason);

/// Thrown by the readers of single formats; `detail` says what and where.
struct RejectedSpectrum : std::exception {
  RejectedSpectrum(Rejection why, std::string what_exactly) : reason(why), detail(std::move(what_exactly)) {}
  [[nodiscard]] const char* what() const noexcept override { return detail.c_str(); }

  Rejection reason;
  std::string detail;
};

/// Fewer points than this are no spectrum.
inline constexpr std::size_t kFewestPoints = 32;
/// More than any spectrometer gives; larger files are refused unread.
inline constexpr std::size_t kMostBytes = std::size_t{32} << 20;

/// Sorts the points by shift and makes one of those that share a shift (their mean). Throws RejectedSpectrum for too
/// few points, points that are not finite, and flat spectra.
void settle_points(Spectrum& spectrum);

/// Raman shifts in 1/cm from wavelengths: 1e7 / laser - 1e7 / wavelength, with both in nm once the wavelengths are
/// multiplied by `nanometres`. Wavelengths that are not above zero become NaN.
void make_shifts(std::vector<double>& wavelengths, double nanometres, double laser);

/// The laser's wavelength (nm) that a line of a header states, such as "Laser: 785 nm"; 0 when it states none. Powers
/// and times are no wavelengths.
double laser_stated(std::string_view line);

/// nm in the unit of an axis that is a wavelength, such as "Wavelength (nm)" or "MICROMETERS"; 0: it is none.
double nanometres_in(std::string_view axis);

/// Whether the name of an axis is of what no Raman spectrum has: absorbance, transmittance, energies, frequencies.
bool of_other_technique(std::string_view axis);

/// Whether any of `words` stands in `text` as a word: no letter before or behind it.
bool holds_word(std::string_view text, std::initializer_list<std::string_view> words);
/// Whether any of `parts` stands in `text`.
bool holds(std::string_view text, std::initializer_list<std::string_view> parts);

/// `text` without white space at both ends.
std::string_view trimmed(std::string_view text);

/// One line of `text`, which is shortened by it; without the line's end, "\n", "\r\n" or "\r".
std::string_view take_line(std::string_view& text);

/// Reads a number at the start of `text`, after blanks, and shortens it by both. Returns false when there is none.
/// Forms of spreadsheets and Fortran are known: "+1.5", "1.5D-3".
bool take_number(std::string_view& text, double& value);

/// `text` in small letters, ASCII alone.
std::string lowered(std::string_view text);

/// The text that the bytes of a file stand for: UTF-16 with its mark becomes UTF-8, and a mark of UTF-8 goes. Throws
/// RejectedSpectrum for bytes that are no text, which hold zeros.
std::string text_in(std::string_view bytes);

/// `text` as UTF-8: bytes that are not UTF-8 are taken for Latin-1, as old files have them.
std::string as_utf8(std::string_view text);

}  // namespace gyre::raman
