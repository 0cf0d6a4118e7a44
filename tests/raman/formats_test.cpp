#include "raman/formats.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace gyre::raman {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;

/// Data lines "shift, intensity" for so many points from 100 up, with the line end given.
std::string lines(int points, const std::string& end = "\n", const std::string& separator = ", ") {
  std::string text;
  for (int i = 0; i < points; ++i) {
    text += fmt::format("{:.4f}{}{:.7E}{}", 100 + 0.5 * i, separator, 10.0 + i % 7, end);
  }
  return text;
}

/// A header as rruff.info writes it.
std::string header() {
  return "##NAMES=Quartz\n##RRUFFID=R040031\n##IDEAL CHEMISTRY=SiO_2_\n##LOCALITY=Spruce Claim, King County, "
         "Washington, USA\n##OWNER=RRUFF\n##STATUS=The identification of this mineral has been confirmed by X-ray "
         "diffraction.\n##URL=rruff.info/R040031\n";
}

template <typename Reader>
RejectedSpectrum rejection_of(const Reader& reader, std::string_view text) {
  try {
    reader(text);
  } catch (const RejectedSpectrum& rejection) {
    return rejection;
  }
  ADD_FAILURE() << "accepted";
  return {Rejection::duplicate, "accepted"};
}

TEST(RruffText, GivesHeadersAndPoints) {
  const Spectrum spectrum = read_rruff(header() + lines(40) + "##END=\n");
  EXPECT_EQ(spectrum.mineral, "Quartz");
  EXPECT_EQ(spectrum.specimen, "R040031");
  EXPECT_EQ(spectrum.locality, "Spruce Claim, King County, Washington, USA");
  EXPECT_THAT(spectrum.status, HasSubstr("X-ray"));
  ASSERT_EQ(spectrum.shifts.size(), 40U);
  EXPECT_EQ(spectrum.shifts[3], 101.5);
  EXPECT_EQ(spectrum.intensities[3], 13);
}

TEST(RruffText, IsReadWhateverItsLinesEndWith) {
  for (const std::string end : {"\n", "\r\n", "\r", "  \r\n"}) {
    EXPECT_EQ(read_rruff(header() + lines(40, end)).shifts.size(), 40U);
  }
}

TEST(RruffText, NeedsNoEndAndStopsAtOne) {
  EXPECT_EQ(read_rruff(header() + lines(40)).shifts.size(), 40U);
  EXPECT_EQ(read_rruff(header() + lines(40) + "##END=\n\n\n9999, 1\n").shifts.back(), 119.5);
}

TEST(RruffText, ToleratesHeadersWithoutAValueAndThoseThatRunOver) {
  const Spectrum spectrum =
      read_rruff("##NAMES=Acanthite\n##LOCALITY\n##DESCRIPTION=Black, sectile\ncrystals on matrix\n" + lines(40));
  EXPECT_EQ(spectrum.mineral, "Acanthite");
  EXPECT_EQ(spectrum.locality, "");
  EXPECT_EQ(spectrum.shifts.size(), 40U);
}

TEST(RruffText, KeepsNegativeIntensities) {
  EXPECT_EQ(read_rruff(header() + "50.0, -3.5\n" + lines(40)).intensities.front(), -3.5);
}

TEST(RruffText, SortsPointsAndTakesTheMeanOfThoseThatShareAShift) {
  const Spectrum spectrum = read_rruff(header() + lines(40) + "50.0, 2\n50.0, 4\n100.0, 20\n");
  EXPECT_EQ(spectrum.shifts.front(), 50);
  EXPECT_EQ(spectrum.intensities.front(), 3);
  EXPECT_EQ(spectrum.intensities[1], 15);  // 10 and 20 at 100
  EXPECT_EQ(spectrum.shifts.size(), 41U);
  EXPECT_TRUE(std::is_sorted(spectrum.shifts.begin(), spectrum.shifts.end()));
}

TEST(RruffText, TakesOldEncodingsForLatin1) {
  EXPECT_EQ(read_rruff("##LOCALITY=V\xe4rmland, Sweden\n" + lines(40)).locality, "Värmland, Sweden");
}

TEST(RruffText, IsRejectedForAReason) {
  EXPECT_EQ(rejection_of(read_rruff, header()).reason, Rejection::too_few_points);
  EXPECT_EQ(rejection_of(read_rruff, header() + lines(31)).reason, Rejection::too_few_points);
  std::string flat;
  for (int i = 0; i < 40; ++i) flat += fmt::format("{}, 5\n", i);
  EXPECT_EQ(rejection_of(read_rruff, header() + flat).reason, Rejection::flat);
  EXPECT_EQ(rejection_of(read_rruff, header() + lines(40) + "130, nan\n").reason, Rejection::not_finite);
  EXPECT_EQ(rejection_of(read_rruff, header() + lines(40) + "130, 1e999\n").reason, Rejection::not_finite);
  const RejectedSpectrum words = rejection_of(read_rruff, header() + lines(40) + "one, two\nthree, four\n");
  EXPECT_EQ(words.reason, Rejection::bad_numbers);
  EXPECT_THAT(words.detail, HasSubstr("one, two"));
}

TEST(RruffText, ForgivesOneBadLineAmongMany) {
  EXPECT_EQ(read_rruff(header() + lines(200) + "300, \n").shifts.size(), 200U);
}

TEST(Columns, AreReadWithEverySeparator) {
  for (const std::string separator : {",", ", ", ";", "\t", "   ", " ; "}) {
    EXPECT_EQ(read_columns("shift" + separator + "counts\n" + lines(40, "\n", separator)).shifts.size(), 40U)
        << separator;
  }
}

TEST(Columns, MayHaveDecimalCommasCommentsAndFurtherColumns) {
  std::string text = "# made by hand\nWellenzahl;Intensität;Fehler\n";
  for (int i = 0; i < 40; ++i) text += fmt::format("{},5;{},25;0,1\n", 100 + i, i);
  const Spectrum spectrum = read_columns(text);
  EXPECT_EQ(spectrum.shifts[2], 102.5);
  EXPECT_EQ(spectrum.intensities[2], 2.25);
}

TEST(Columns, WithoutTwoNumbersInAnyLineAreOfNoKnownFormat) {
  EXPECT_EQ(rejection_of(read_columns, "a letter\nto a friend\n").reason, Rejection::unknown_format);
  EXPECT_EQ(rejection_of(read_columns, "").reason, Rejection::unknown_format);
}

std::string jcamp(const std::string& data, int points, double first = 100, double last = 139) {
  return fmt::format(
      "##TITLE=Calcite $$ a comment\n##JCAMP-DX=4.24\n##DATA TYPE=RAMAN SPECTRUM\n##XUNITS=1/CM\n"
      "##YUNITS=ARBITRARY UNITS\n##XFACTOR=1\n##YFACTOR=0.5\n##FIRSTX={}\n##LASTX={}\n##NPOINTS={}\n{}"
      "##END=\n",
      first, last, points, data);
}

/// What 40 points 2, 4, 8, 2, 4, 8 … become with a factor of one half.
void expect_pattern(const Spectrum& spectrum) {
  ASSERT_EQ(spectrum.shifts.size(), 40U);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_THAT(spectrum.shifts[i], DoubleNear(100 + static_cast<double>(i), 1e-9));
    EXPECT_EQ(spectrum.intensities[i], i % 3 == 0 ? 1 : (i % 3 == 1 ? 2 : 4));
  }
}

TEST(Jcamp, ReadsPlainOrdinates) {
  std::string data = "##XYDATA=(X++(Y..Y))\n";
  for (int line = 0; line < 4; ++line) {
    data += std::to_string(100 + 10 * line);
    for (int i = 0; i < 10; ++i) {
      const int k = (10 * line + i) % 3;
      data += k == 0 ? " 2" : (k == 1 ? " +4" : " 8.0");
    }
    data += "\n";
  }
  const Spectrum spectrum = read_jcamp(jcamp(data, 40));
  expect_pattern(spectrum);
  EXPECT_EQ(spectrum.mineral, "Calcite");
}

TEST(Jcamp, ReadsSqueezedAndPackedOrdinates) {
  std::string data = "##XYDATA=(X++(Y..Y))\n";
  for (int line = 0; line < 4; ++line) {
    data += std::to_string(100 + 10 * line);
    for (int i = 0; i < 10; ++i) {
      const int k = (10 * line + i) % 3;
      data += line % 2 == 0 ? (k == 0 ? "B" : (k == 1 ? "D" : "H")) : (k == 0 ? "+2" : (k == 1 ? "+4" : "+8"));
    }
    data += "\n";
  }
  expect_pattern(read_jcamp(jcamp(data, 40)));
}

TEST(Jcamp, ReadsDifferencesWithTheirCheckAndDuplicates) {
  // 2, 4, 8 by differences +2, +4, -6; the next line repeats the last ordinate.
  std::string data = "##XYDATA=(X++(Y..Y))\n100B";
  for (int i = 1; i < 20; ++i) data += i % 3 == 0 ? "o" : (i % 3 == 1 ? "K" : "M");
  data += "\n119D";  // point 19 is the second of its three
  for (int i = 20; i < 40; ++i) data += i % 3 == 0 ? "o" : (i % 3 == 1 ? "K" : "M");
  data += "\n";
  expect_pattern(read_jcamp(jcamp(data, 40)));
  std::string wrong = data;
  wrong.replace(wrong.find("119D"), 4, "119C");
  EXPECT_THAT(rejection_of(read_jcamp, jcamp(wrong, 40)).detail, HasSubstr("check"));
  // 3 once, then 29 times the same; a difference of one ten times.
  const Spectrum steps = read_jcamp(jcamp("##XYDATA=(X++(Y..Y))\n100CU0JS0\n", 40));
  EXPECT_EQ(steps.intensities[29], 1.5);
  EXPECT_EQ(steps.intensities[39], 6.5);
}

TEST(Jcamp, ReadsPairs) {
  std::string data = "##XYPOINTS=(XY..XY)\n";
  for (int i = 0; i < 40; ++i)
    data += fmt::format("{}, {}{}", 100 + i, i % 3 == 0 ? 2 : (i % 3 == 1 ? 4 : 8), i % 4 == 3 ? "\n" : "; ");
  expect_pattern(read_jcamp(jcamp(data, 40)));
}

TEST(Jcamp, IsRejectedForAReason) {
  const std::string data = "##XYDATA=(X++(Y..Y))\n100 1 2 3\n";
  EXPECT_THAT(rejection_of(read_jcamp, jcamp(data, 40)).detail, HasSubstr("NPOINTS is 40"));
  EXPECT_EQ(
      rejection_of(read_jcamp, jcamp("##XYDATA=(X++(Y..Y))\n100A" + std::string(1, 'Z') + "99999999\n", 40)).reason,
      Rejection::too_large);
  EXPECT_EQ(rejection_of(read_jcamp, jcamp("##XYDATA=(X++(Y..Y))\n100J\n", 40)).reason, Rejection::bad_numbers);
  EXPECT_EQ(rejection_of(read_jcamp, jcamp("##XYDATA=(X++(R..R))\n100 1\n", 40)).reason, Rejection::unknown_format);
  EXPECT_EQ(rejection_of(read_jcamp, "##JCAMP-DX=4.24\n##END=\n").reason, Rejection::unknown_format);
  EXPECT_THAT(rejection_of(read_jcamp, "##JCAMP-DX=4.24\n##XUNITS=NANOMETERS\n").detail, HasSubstr("NANOMETERS"));
}

TEST(Format, IsToldFromTheContent) {
  EXPECT_EQ(read_spectrum("\xef\xbb\xbf" + header() + lines(40)).mineral, "Quartz");
  EXPECT_EQ(read_spectrum(lines(40)).shifts.size(), 40U);
  EXPECT_EQ(rejection_of(read_spectrum, std::string("\x89PNG\0\0", 6)).reason, Rejection::unknown_format);
  EXPECT_EQ(rejection_of(read_spectrum, std::string(kMostBytes + 1, '1')).reason, Rejection::too_large);
}

}  // namespace
}  // namespace gyre::raman
