#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre::raman {

/// One Raman spectrum and what its file says about the specimen. Texts that the file lacks are empty.
struct Spectrum {
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
  unknown_format,  ///< neither RRUFF text, JCAMP-DX nor two columns
  unreadable,      ///< the file or the member of an archive cannot be read
  too_large,
  bad_numbers,  ///< lines that should be pairs of numbers are not
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

/// `text` without white space at both ends.
std::string_view trimmed(std::string_view text);

/// `text` as UTF-8: bytes that are not UTF-8 are taken for Latin-1, as old files have them.
std::string as_utf8(std::string_view text);

}  // namespace gyre::raman
