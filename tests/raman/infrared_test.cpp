#include "raman/infrared.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "raman/formats.hpp"

namespace gyre::raman::infrared_test {
namespace {

using testing::HasSubstr;

/// A JCAMP-DX file with `head` and forty ordinates 25, 26, … over 400, 402, …
std::string jcamp(const std::string& head, const std::string& kind = "INFRARED SPECTRUM") {
  std::string text = "##TITLE=Quartz\n##JCAMP-DX=4.24\n##DATA TYPE=" + kind + "\n" + head +
                     "##FIRSTX=400\n##LASTX=478\n##NPOINTS=40\n##XYDATA=(X++(Y..Y))\n";
  for (int line = 0; line < 4; ++line) {
    text += std::to_string(400 + 20 * line);
    for (int i = 0; i < 10; ++i) text += " " + std::to_string(25 + 10 * line + i);
    text += "\n";
  }
  return text + "##END=\n";
}

std::string rruff(const std::string& head, double first = 0.25) {
  std::string text = "##NAMES=Quartz\n##RRUFFID=R040031-1\n##LOCALITY=Peru\n" + head;
  for (int i = 0; i < 40; ++i) text += fmt::format("{}, {}\n", 400 + 2 * i, first + 0.01 * i);
  return text + "##END=\n";
}

Spectrum infrared_in(const std::string& text, const std::string& name = "") {
  return read_spectrum(text, {true, name});
}

RejectedSpectrum rejection_of(const std::string& text, bool infrared = true, const std::string& name = "") {
  try {
    static_cast<void>(read_spectrum(text, {infrared, name}));
  } catch (const RejectedSpectrum& rejection) {
    return rejection;
  }
  ADD_FAILURE() << "accepted";
  return {Rejection::duplicate, "accepted"};
}

TEST(InfraredJcamp, GivesAbsorbancesOverWavenumbers) {
  const Spectrum spectrum = infrared_in(jcamp("##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n##YFACTOR=0.01\n"));
  EXPECT_EQ(spectrum.technique, Technique::infrared);
  EXPECT_EQ(spectrum.mineral, "Quartz");
  ASSERT_EQ(spectrum.shifts.size(), 40U);
  EXPECT_EQ(spectrum.shifts[3], 406);
  EXPECT_NEAR(spectrum.intensities[3], 0.28, 1e-12);
}

TEST(InfraredJcamp, TurnsTransmittanceIntoAbsorbance) {
  const Spectrum share = infrared_in(jcamp("##XUNITS=cm-1\n##YUNITS=TRANSMITTANCE\n##YFACTOR=0.01\n"));
  EXPECT_NEAR(share.intensities[0], -std::log10(0.25), 1e-12);
  EXPECT_NEAR(share.intensities[39], -std::log10(0.64), 1e-12);
  for (const char* unit : {"% TRANSMITTANCE", "%T", "PERCENT TRANSMITTANCE", "Transmittance (%)"}) {
    const Spectrum percent = infrared_in(jcamp(fmt::format("##XUNITS=1/CM\n##YUNITS={}\n", unit)));
    EXPECT_NEAR(percent.intensities[0], -std::log10(0.25), 1e-12) << unit;
  }
  // What lets through nothing, or less than nothing, absorbs as much as can be told.
  const Spectrum dark = infrared_in(rruff("##DATA TYPE=INFRARED\n##YUNITS=TRANSMITTANCE\n", -0.1));
  EXPECT_EQ(dark.intensities[0], 4);
  EXPECT_NEAR(dark.intensities[30], -std::log10(0.2), 1e-9);
}

TEST(InfraredJcamp, IsReadOverMicrometresToo) {
  // 400 micrometres are 25 1/cm.
  const Spectrum spectrum = infrared_in(jcamp("##XUNITS=MICROMETERS\n##YUNITS=ABSORBANCE\n"));
  EXPECT_NEAR(spectrum.shifts.back(), 25, 1e-9);
  EXPECT_EQ(spectrum.intensities.back(), 25);
  EXPECT_NEAR(spectrum.shifts.front(), 1e4 / 478, 1e-9);
}

TEST(InfraredJcamp, AppliesTheFactorOfItsAbscissas) {
  std::string text =
      "##TITLE=Quartz\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n##XUNITS=1/CM\n"
      "##YUNITS=ABSORBANCE\n##XFACTOR=2\n##YFACTOR=0.5\n##XYPOINTS=(XY..XY)\n";
  for (int i = 0; i < 40; ++i) text += fmt::format("{}, {}\n", 200 + i, 3 + i);
  const Spectrum spectrum = infrared_in(text + "##END=\n");
  EXPECT_EQ(spectrum.shifts[1], 402);
  EXPECT_EQ(spectrum.intensities[1], 2);
}

TEST(InfraredJcamp, IsRefusedByNameWhereItIsNoneOfThese) {
  const RejectedSpectrum reflected = rejection_of(jcamp("##XUNITS=1/CM\n##YUNITS=REFLECTANCE\n"));
  EXPECT_EQ(reflected.reason, Rejection::not_raman);
  EXPECT_THAT(reflected.detail, HasSubstr("YUNITS is REFLECTANCE; infrared spectra are read in ABSORBANCE"));
  EXPECT_THAT(rejection_of(jcamp("##XUNITS=1/CM\n")).detail, HasSubstr("YUNITS is not there;"));
  EXPECT_THAT(rejection_of(jcamp("##XUNITS=SECONDS\n##YUNITS=ABSORBANCE\n")).detail, HasSubstr("XUNITS is SECONDS"));
  const RejectedSpectrum percent = rejection_of(jcamp("##XUNITS=1/CM\n##YUNITS=TRANSMITTANCE\n"));
  EXPECT_EQ(percent.reason, Rejection::bad_numbers);
  EXPECT_THAT(percent.detail, HasSubstr("YUNITS is TRANSMITTANCE: its values are shares of 1, but one is 25"));
  EXPECT_THAT(rejection_of(jcamp("##XUNITS=1/CM\n##YUNITS=%T\n##YFACTOR=10\n")).detail, HasSubstr("shares of 100"));
  EXPECT_THAT(rejection_of(jcamp("##YUNITS=ABSORBANCE\n", "NMR SPECTRUM")).detail, HasSubstr("DATA TYPE is NMR"));
  EXPECT_THAT(rejection_of(jcamp("##YUNITS=ABSORBANCE\n", "")).detail, HasSubstr("YUNITS is ABSORBANCE"));
}

TEST(InfraredSpectra, AreRefusedWithTheKeyThatReadsThem) {
  for (const std::string& text : {jcamp("##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n"), rruff("##DATA TYPE=INFRARED\n")}) {
    const RejectedSpectrum rejection = rejection_of(text, false);
    EXPECT_EQ(rejection.reason, Rejection::not_raman);
    EXPECT_THAT(rejection.detail, HasSubstr("DATA TYPE is INFRARED"));
    EXPECT_THAT(rejection.detail, HasSubstr("\"pretraining\" in the config of a training says \"infrared\": true"));
  }
}

TEST(InfraredSpectra, LeaveRamanSpectraWhatTheyAre) {
  const Spectrum raman = infrared_in(jcamp("##XUNITS=1/CM\n", "RAMAN SPECTRUM"));
  EXPECT_EQ(raman.technique, Technique::raman);
  EXPECT_EQ(raman.intensities[3], 28);
  EXPECT_EQ(infrared_in(rruff(""), "set__Infrared__/Quartz__R040031__Raman__532.txt").technique, Technique::raman);
}

TEST(InfraredRruff, IsToldByItsNameOrItsHeader) {
  for (const Spectrum& spectrum :
       {infrared_in(rruff(""), "infrared.zip: data/Quartz__R040031-1__Infrared__Infrared_Data_Processed__4.txt"),
        infrared_in(rruff("##DATA TYPE=Infrared spectrum\n"))}) {
    EXPECT_EQ(spectrum.technique, Technique::infrared);
    EXPECT_EQ(spectrum.specimen, "R040031-1");
    EXPECT_EQ(spectrum.locality, "Peru");
    EXPECT_EQ(spectrum.shifts[5], 410);
    EXPECT_NEAR(spectrum.intensities[5], 0.3, 1e-12);  // absorbance, where nothing else is said
  }
  const Spectrum percent = infrared_in(rruff("##DATA TYPE=INFRARED\n##YUNITS=% transmittance\n", 50));
  EXPECT_NEAR(percent.intensities[0], -std::log10(0.5), 1e-12);
  EXPECT_THAT(rejection_of(rruff("##DATA TYPE=INFRARED\n##YUNITS=Kubelka-Munk\n")).detail, HasSubstr("Kubelka-Munk"));
}

}  // namespace
}  // namespace gyre::raman::infrared_test
