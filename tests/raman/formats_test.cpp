#include "raman/formats.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace gyre::raman::formats_test {
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

const auto rruff_text = [](std::string_view text) { return read_rruff(text); };
const auto jcamp_text = [](std::string_view text) { return read_jcamp(text); };
const auto spectrum_text = [](std::string_view text) { return read_spectrum(text); };

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
  EXPECT_EQ(rejection_of(rruff_text, header()).reason, Rejection::too_few_points);
  EXPECT_EQ(rejection_of(rruff_text, header() + lines(31)).reason, Rejection::too_few_points);
  std::string flat;
  for (int i = 0; i < 40; ++i) flat += fmt::format("{}, 5\n", i);
  EXPECT_EQ(rejection_of(rruff_text, header() + flat).reason, Rejection::flat);
  EXPECT_EQ(rejection_of(rruff_text, header() + lines(40) + "130, nan\n").reason, Rejection::not_finite);
  EXPECT_EQ(rejection_of(rruff_text, header() + lines(40) + "130, 1e999\n").reason, Rejection::not_finite);
  const RejectedSpectrum words = rejection_of(rruff_text, header() + lines(40) + "one, two\nthree, four\n");
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
  EXPECT_THAT(rejection_of(jcamp_text, jcamp(wrong, 40)).detail, HasSubstr("check"));
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
  EXPECT_THAT(rejection_of(jcamp_text, jcamp(data, 40)).detail, HasSubstr("NPOINTS is 40"));
  EXPECT_EQ(
      rejection_of(jcamp_text, jcamp("##XYDATA=(X++(Y..Y))\n100A" + std::string(1, 'Z') + "99999999\n", 40)).reason,
      Rejection::too_large);
  EXPECT_EQ(rejection_of(jcamp_text, jcamp("##XYDATA=(X++(Y..Y))\n100J\n", 40)).reason, Rejection::bad_numbers);
  EXPECT_EQ(rejection_of(jcamp_text, jcamp("##XYDATA=(X++(R..R))\n100 1\n", 40)).reason, Rejection::unknown_format);
  EXPECT_EQ(rejection_of(jcamp_text, "##JCAMP-DX=4.24\n##END=\n").reason, Rejection::unknown_format);
  EXPECT_THAT(rejection_of(jcamp_text, "##JCAMP-DX=4.24\n##XUNITS=NANOMETERS\n").detail, HasSubstr("NANOMETERS"));
}

/// "label" before "value" for each line of 40 points from 100 up, with one band.
std::string table(const std::string& head, const std::function<std::string(int)>& row, int points = 40) {
  std::string text = head;
  for (int i = 0; i < points; ++i) text += row(i) + "\n";
  return text;
}

int band(int i) { return 50 + (i == 20 ? 400 : i % 3); }

/// What `text` is read as, or why it is not: "40 points from 100 to 139, 450 at 120".
std::string reading_of(const std::string& text) {
  try {
    const Spectrum spectrum = read_spectrum(text);
    const auto top = std::max_element(spectrum.intensities.begin(), spectrum.intensities.end());
    return fmt::format("{} points from {:g} to {:g}, {:g} at {:g}", spectrum.shifts.size(), spectrum.shifts.front(),
                       spectrum.shifts.back(), *top,
                       spectrum.shifts[static_cast<std::size_t>(top - spectrum.intensities.begin())]);
  } catch (const RejectedSpectrum& rejection) {
    return fmt::format("{}: {}", name_of(rejection.reason), rejection.detail);
  }
}

constexpr const char* kForty = "40 points from 100 to 139, 450 at 120";

TEST(Columns, AreChosenByTheirNames) {
  const auto four = [](int i) { return fmt::format("{};{};{};{}", i, 791.2 + 0.6 * i, 100 + i, band(i)); };
  EXPECT_EQ(reading_of(table("Pixel;Wavelength;Raman Shift;Intensity\n", four)), kForty);
  EXPECT_EQ(reading_of(table("Pixel;Wavelength\nPixel;Wavelength;Raman Shift;Counts\n;nm;1/cm;cnt\n\n", four)), kForty);
  EXPECT_EQ(reading_of(table("Intensity\tRaman shift (cm-1)\n",
                             [](int i) { return fmt::format("{}\t{}", band(i), 100 + i); })),
            kForty);
  EXPECT_EQ(reading_of(table("\"Wellenzahl\",\"Intensit\u00e4t\",\"Fehler\"\n",
                             [](int i) { return fmt::format("{},{},0.1", 100 + i, band(i)); })),
            kForty);
  // The layout of B&W Tek: raw and corrected intensities, cells that are empty, a separator at the end.
  EXPECT_EQ(reading_of(table(
                "Date;today\nlaser_wavelength;785\nPixel;Wavelength;Wavenumber;Raman Shift;Dark #1;Raw data "
                "#1;Dark Subtracted #1;%TR #1;Absorbance #1;\n",
                [](int i) {
                  return fmt::format("{};790.{};12753;{};7;9;{};  ;  ;", i, i, i < 5 ? "  " : std::to_string(95 + i),
                                     i == 25 ? 450 : i);
                },
                45)),
            kForty);
  EXPECT_EQ(reading_of(table("#Wave\t\t#Intensity\n", [](int i) { return fmt::format("{}\t\t{}", 100 + i, band(i)); })),
            kForty);
}

TEST(Columns, ThatNobodyNamedAreRefusedWhenTheyAreMoreThanTwo) {
  const auto three = [](int i) { return fmt::format("{},{},{}", i, 100 + i, band(i)); };
  EXPECT_THAT(reading_of(table("", three)), HasSubstr("unclear_columns"));
  EXPECT_THAT(reading_of(table("a,b,c\n", three)), HasSubstr("unclear_columns: which columns"));
  EXPECT_THAT(reading_of(table("a,b,c\n", three)), HasSubstr("the 3 columns are: a, b, c"));
  EXPECT_THAT(reading_of(table("Raman shift,Counts 1,Counts 2\n",
                               [](int i) { return fmt::format("{},{},{}", 100 + i, band(i), i); })),
              HasSubstr("more than one column may be the intensity"));
  EXPECT_THAT(reading_of(table("Pixel,Counts\n", [](int i) { return fmt::format("{},{}", i, band(i)); })),
              HasSubstr("unclear_columns: no column holds shifts"));
}

TEST(Columns, OfOtherKindsOfSpectraAreRefusedByName) {
  const auto two = [](int i) { return fmt::format("{}\t{}", 700 + i, band(i)); };
  EXPECT_THAT(reading_of(table("Wavenumber (cm-1)\tAbsorbance\n", two)), HasSubstr("not_raman: the columns are"));
  EXPECT_THAT(reading_of(table("Energy (eV)\tCounts\n", two)), HasSubstr("not_raman"));
  EXPECT_THAT(reading_of(table("Wavelength (nm)\tIntensity\n", two)), HasSubstr("not_raman: the axis is a wavelength"));
  EXPECT_THAT(reading_of(table("nm\tcounts\n", two)), HasSubstr("not_raman: the axis is a wavelength"));
  EXPECT_THAT(reading_of(table("Wavelength in nm and counts of today\n", two)), HasSubstr("not_raman"));
  EXPECT_THAT(reading_of(table("Raman shift (nm)\tIntensity\n", two)), HasSubstr("not_raman"));
}

TEST(Columns, OfWavelengthsBecomeShiftsWhereTheLaserIsStated) {
  const auto row = [](int i) { return fmt::format("{}\t{}", 800 + i, band(i)); };
  for (const char* head :
       {"Laser: 785 nm\nWavelength (nm)\tIntensity\n", "laser_wavelength\t785\nWavelength\tIntensity\n",
        "Laser power 300 mW\nExcitation 785 nm\nWavelength [nm]\tCounts\n"}) {
    const Spectrum spectrum = read_spectrum(table(head, row));
    EXPECT_EQ(spectrum.laser, 785);
    EXPECT_NEAR(spectrum.shifts.front(), 1e7 / 785 - 1e7 / 800, 1e-9);  // 238.85
    EXPECT_NEAR(spectrum.shifts.back(), 1e7 / 785 - 1e7 / 839, 1e-9);
    EXPECT_EQ(spectrum.intensities[20], 450);
  }
  const Spectrum micrometres = read_spectrum(table("Laser: 785 nm\nWavelength (micrometer)\tCounts\n", [](int i) {
    return fmt::format("{:.3f}\t{}", 0.8 + 0.001 * i, band(i));
  }));
  EXPECT_NEAR(micrometres.shifts.front(), 1e7 / 785 - 1e7 / 800, 1e-6);
  EXPECT_EQ(laser_stated("Laser power 300"), 0);
  EXPECT_EQ(laser_stated("Wavelength 785 nm"), 0);
  EXPECT_EQ(laser_stated("Laser: 532.1 nm, 20 mW"), 532.1);
}

TEST(Columns, LeaveNumbersOfTheHeadingOut) {
  const auto row = [](int i) { return fmt::format("{}\t{}", 100 + i, band(i)); };
  EXPECT_EQ(reading_of(table("Laser nm / seconds\n532\t5\n\n", row)), kForty);
  EXPECT_EQ(reading_of(table("53\t5\n\n", row)), kForty);  // ascends into the table, behind a gap
  EXPECT_EQ(reading_of(table("532\t5\n", row)), kForty);   // no gap, but the shifts turn there
  EXPECT_EQ(reading_of(table("53\t5\nshift\tcounts\n", row)), kForty);
  EXPECT_EQ(reading_of(table("1\t2\n3\t4\n5\t6\n\n", row)), kForty);
  EXPECT_EQ(reading_of(table("", row) + "\n\n"), kForty);
  // An empty line behind every row is no gap.
  EXPECT_EQ(reading_of(table("", [](int i) { return fmt::format("{}\t{}\n", 100 + i, band(i)); })), kForty);
  // Neither is one between two pieces that are long.
  EXPECT_EQ(reading_of(table("", [](int i) { return fmt::format("{}{}\t{}", i == 10 ? "\n" : "", 100 + i, band(i)); })),
            kForty);
}

TEST(Columns, GoOneWay) {
  EXPECT_EQ(reading_of(table("", [](int i) { return fmt::format("{} {}", 139 - i, band(39 - i)); })), kForty);
  EXPECT_EQ(reading_of(table("", [](int i) { return fmt::format("{} {}", 100 + i / 2 * 2, band(20)); })).substr(0, 4),
            "too_");
  const std::string twice = table(
      "", [](int i) { return fmt::format("{} {}", 100 + i % 40, band(i % 40)); }, 80);
  EXPECT_THAT(reading_of(twice), HasSubstr("bad_numbers: 40 of 80 data lines"));
  EXPECT_THAT(reading_of(twice), HasSubstr("one way"));
  EXPECT_THAT(reading_of(twice), HasSubstr("line 41"));
}

TEST(Columns, HaveOneDecimalMark) {
  for (const std::string between : {";", "\t", ", ", "  "}) {
    EXPECT_EQ(reading_of(table("", [&](int i) { return fmt::format("{},0{}{},0", 100 + i, between, band(i)); })),
              kForty)
        << between;
  }
  EXPECT_THAT(reading_of(table("", [](int i) { return fmt::format("1.{:03},5;{}", i, band(i)); })),
              HasSubstr("bad_numbers: 40 of 40 data lines"));
  EXPECT_THAT(reading_of(table("", [](int i) { return fmt::format("{},5;{}.5", i, band(i)); })),
              HasSubstr("bad_numbers"));
  EXPECT_EQ(reading_of(table("", [](int i) { return fmt::format("\"{},0\",\"{},00\"", 100 + i, band(i)); })), kForty);
  EXPECT_THAT(reading_of(table("", [](int i) { return fmt::format("\"1,{:03}\",{}", i, band(i)); })),
              HasSubstr("bad_numbers"));
  EXPECT_THAT(reading_of(table("", [](int) { return "words, and more of them"; })), HasSubstr("unknown_format"));
}

TEST(RruffText, IsReadWithDecimalCommasAndRefusedWithThreeColumns) {
  EXPECT_EQ(reading_of(table(header(), [](int i) { return fmt::format("{},0, {},0", 100 + i, band(i)); })), kForty);
  const std::string three =
      reading_of(table(header(), [](int i) { return fmt::format("{}, {}, 0.5", 100 + i, band(i)); }));
  EXPECT_THAT(three, HasSubstr("bad_numbers: 3 columns"));
  EXPECT_THAT(three, HasSubstr("line 8: \"100, 50, 0.5\""));
  EXPECT_THAT(reading_of(table(header(), [](int) { return "a, b"; })),
              HasSubstr("bad_numbers: no line is a pair of numbers, the first is line 8"));
  EXPECT_THAT(reading_of(header() + "1.000,5;3\n1.001,5;3\n"), HasSubstr("bad_numbers: 2 of 2 data lines"));
}

TEST(RruffText, LeavesPairsAheadOfAHeaderOut) {
  const std::string data = table("", [](int i) { return fmt::format("{}, {}", 100 + i, band(i)); });
  EXPECT_EQ(reading_of("##NAMES=Quartz\n##DESCRIPTION=measured at\n532, 5\n##STATUS=ok\n" + data), kForty);
  EXPECT_EQ(reading_of("##NAMES=Quartz\n##DESCRIPTION=with\n532, 5\nof both\n" + data), kForty);
}

TEST(Jcamp, TakesEForADigitUnlessASignAndTwoDigitsFollow) {
  // E0 is 50, e5 is -55; behind the abscissa too. D and d are 4 and -4.
  std::string squeezed = "##XYDATA=(X++(Y..Y))\n";
  for (int line = 0; line < 4; ++line) squeezed += fmt::format("{}E0D1e5d2E0E0E0E0E0E0\n", 100 + 10 * line);
  const Spectrum packed = read_jcamp(jcamp(squeezed, 40));
  EXPECT_EQ(packed.intensities[10], 25);
  EXPECT_EQ(packed.intensities[11], 20.5);
  EXPECT_EQ(packed.intensities[12], -27.5);
  EXPECT_EQ(packed.intensities[13], -21);
  std::string plain = "##XYDATA=(X++(Y..Y))\n";
  for (int line = 0; line < 4; ++line)
    plain += fmt::format("{}E+00 1.5E+01-2.5E-001 3 4 5 6 7 8 9 10\n", 100 + 10 * line);
  const Spectrum powers = read_jcamp(jcamp(plain, 40));
  EXPECT_EQ(powers.intensities[0], 7.5);
  EXPECT_EQ(powers.intensities[1], -0.125);
  // Where nothing is packed, a power needs no sign.
  std::string pairs = "##XYPOINTS=(XY..XY)\n";
  for (int i = 0; i < 40; ++i) pairs += fmt::format("{}, {}E1\n", 100 + i, i);
  EXPECT_EQ(read_jcamp(jcamp(pairs, 40)).intensities[3], 15);
}

TEST(Jcamp, ReadsDifferencesBehindTheAbscissa) {
  // 50, 50, 51, 57, 81 and so on: J is +1, O is +6, K4 is +24; the next line repeats the last ordinate.
  std::string data = "##XYDATA=(X++(Y..Y))\n100E0%JOK4%%%%%\n";
  for (int line = 1; line < 4; ++line) data += fmt::format("{}H1%%%%%%%%%%\n", 99 + 10 * line);
  const Spectrum spectrum = read_jcamp(jcamp(data, 40));
  ASSERT_EQ(spectrum.shifts.size(), 40U);
  EXPECT_EQ(spectrum.intensities[1], 25);
  EXPECT_EQ(spectrum.intensities[2], 25.5);
  EXPECT_EQ(spectrum.intensities[3], 28.5);
  EXPECT_EQ(spectrum.intensities[39], 40.5);
}

/// Four lines of ten ordinates with these abscissas.
std::string four_lines(const std::vector<double>& starts) {
  std::string data = "##XYDATA=(X++(Y..Y))\n";
  for (const double x : starts) data += fmt::format("{} 1 2 3 4 5 6 7 8 9 10\n", x);
  return data;
}

TEST(Jcamp, HoldsTheAbscissasOfItsLinesAgainstTheHeader) {
  const std::string good = four_lines({100, 110, 120, 130});
  EXPECT_EQ(read_jcamp(jcamp(good, 40)).shifts[39], 139);
  const RejectedSpectrum last = rejection_of(jcamp_text, jcamp(good, 40, 100, 9999));
  EXPECT_EQ(last.reason, Rejection::bad_numbers);
  EXPECT_THAT(last.detail, HasSubstr("line 13: its abscissa is 110, but FIRSTX, LASTX and DELTAX make it 2638.2"));
  EXPECT_THAT(rejection_of(jcamp_text, jcamp(good, 40, 90, 139)).detail, HasSubstr("line 12: its abscissa is 100"));
  EXPECT_THAT(rejection_of(jcamp_text, jcamp(four_lines({100, 110, 125, 130}), 40)).detail, HasSubstr("line 14"));
  // Abscissas that were rounded are no contradiction, nor are those in units of XFACTOR.
  EXPECT_EQ(read_jcamp(jcamp(four_lines({100, 105, 109, 114}), 40, 100.25, 118.6)).shifts.size(), 40U);
  std::string scaled = jcamp(four_lines({1000, 1100, 1200, 1300}), 40);
  scaled.replace(scaled.find("XFACTOR=1"), 9, "XFACTOR=0.1");
  EXPECT_EQ(read_jcamp(scaled).shifts[39], 139);
  // Descending.
  EXPECT_EQ(read_jcamp(jcamp(four_lines({139, 129, 119, 109}), 40, 139, 100)).intensities[0], 5);
  // A spacing that does not fit, and one in place of LASTX.
  EXPECT_THAT(rejection_of(jcamp_text, jcamp("##DELTAX=2\n" + good, 40)).detail, HasSubstr("DELTAX is 2"));
  std::string spaced = jcamp("##DELTAX=1\n" + good, 40);
  spaced.erase(spaced.find("##LASTX"), std::string("##LASTX=139\n").size());
  EXPECT_EQ(read_jcamp(spaced).shifts[39], 139);
  spaced.replace(spaced.find("DELTAX=1"), 8, "DELTAX=3");
  EXPECT_THAT(rejection_of(jcamp_text, spaced).detail, HasSubstr("line 13: its abscissa is 110"));
}

TEST(Jcamp, HoldsCountsAndNumbersOfTheHeaderToWhatTheySay) {
  EXPECT_THAT(rejection_of(jcamp_text, jcamp(four_lines({100, 110, 120, 130}), 41)).detail,
              HasSubstr("NPOINTS is 41, but 40 points follow"));
  std::string pairs = "##XYPOINTS=(XY..XY)\n";
  for (int i = 0; i < 40; ++i) pairs += fmt::format("{}, {}\n", 100 + i, i);
  EXPECT_THAT(rejection_of(jcamp_text, jcamp(pairs, 39)).detail, HasSubstr("NPOINTS is 39"));
  std::string odd = jcamp(four_lines({100, 110, 120, 130}), 40);
  odd.replace(odd.find("LASTX=139"), 9, "LASTX=end");
  EXPECT_THAT(rejection_of(jcamp_text, odd).detail, HasSubstr("LASTX is \"end\""));
  EXPECT_THAT(rejection_of(jcamp_text, jcamp("##XYDATA=(X++(Y..Y))\n100 1 2\n102J\n", 40)).detail,
              HasSubstr("line 13 begins with a difference"));
}

TEST(Jcamp, RefusesOtherKindsOfSpectraByName) {
  const auto changed = [](const std::string& from, const std::string& to) {
    std::string text = jcamp(four_lines({100, 110, 120, 130}), 40);
    text.replace(text.find(from), from.size(), to);
    return rejection_of(jcamp_text, text);
  };
  EXPECT_THAT(changed("RAMAN SPECTRUM", "INFRARED SPECTRUM").detail, HasSubstr("DATA TYPE is INFRARED SPECTRUM"));
  EXPECT_EQ(changed("RAMAN SPECTRUM", "INFRARED SPECTRUM").reason, Rejection::not_raman);
  EXPECT_THAT(changed("ARBITRARY UNITS", "TRANSMITTANCE").detail, HasSubstr("YUNITS is TRANSMITTANCE"));
  EXPECT_THAT(changed("1/CM", "MICROMETERS").detail, HasSubstr("XUNITS is MICROMETERS"));
  EXPECT_THAT(changed("1/CM", "SECONDS").detail, HasSubstr("XUNITS is SECONDS"));
}

TEST(Jcamp, MakesShiftsOfWavelengthsWhereTheLaserIsStated) {
  std::string text = jcamp("##$LASER WAVELENGTH=785 nm\n" + four_lines({800, 810, 820, 830}), 40, 800, 839);
  text.replace(text.find("1/CM"), 4, "NANOMETERS");
  const Spectrum spectrum = read_jcamp(text);
  EXPECT_NEAR(spectrum.shifts[0], 1e7 / 785 - 1e7 / 800, 1e-9);
  EXPECT_NEAR(spectrum.shifts[39], 1e7 / 785 - 1e7 / 839, 1e-9);
}

TEST(Format, OfUtf16IsReadAndZeroBytesAreRefused) {
  const std::string text =
      table("##NAMES=Quartz \u00b5\n", [](int i) { return fmt::format("{}, {}", 100 + i, band(i)); });
  std::string little = "\xff\xfe";
  std::string big = "\xfe\xff";
  for (const char c :
       std::string("##NAMES=Quartz \n") + table("", [](int i) { return fmt::format("{}, {}", 100 + i, band(i)); })) {
    (little += c) += '\0';
    (big += '\0') += c;
  }
  EXPECT_EQ(reading_of(little), kForty);
  EXPECT_EQ(reading_of(big), kForty);
  EXPECT_EQ(reading_of(text), kForty);
  EXPECT_THAT(reading_of(little.substr(2)), HasSubstr("unknown_format: it holds zero bytes"));
  EXPECT_THAT(reading_of(std::string("##JCAMP-DX=4.24\n\0", 17)), HasSubstr("unknown_format: it holds zero bytes"));
  using namespace std::string_view_literals;
  EXPECT_EQ(text_in("\xff\xfe\x3d\xd8\x00\xde\xe4\x00"sv), "\xf0\x9f\x98\x80\xc3\xa4");  // a pair of surrogates, ä
  EXPECT_EQ(text_in("\xff\xfe\x3d\xd8"sv), "\xef\xbf\xbd");                              // half of one
}

TEST(Format, IsToldFromTheContent) {
  EXPECT_EQ(read_spectrum("\xef\xbb\xbf" + header() + lines(40)).mineral, "Quartz");
  EXPECT_EQ(read_spectrum(lines(40)).shifts.size(), 40U);
  EXPECT_EQ(rejection_of(spectrum_text, std::string("\x89PNG\0\0", 6)).reason, Rejection::unknown_format);
  EXPECT_EQ(rejection_of(spectrum_text, std::string(kMostBytes + 1, '1')).reason, Rejection::too_large);
}

}  // namespace
}  // namespace gyre::raman::formats_test
