#include "raman/gazetteer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.hpp"
#include "raman/real_data.hpp"

namespace gyre::raman::gazetteer_test {
namespace {

class Localities : public testing::Test {
 protected:
  [[nodiscard]] std::string code(const std::string& locality) const {
    const Label label = gazetteer_.locate(locality);
    return label.origin == Origin::country ? label.country : std::string(name_of(label.origin));
  }

  Gazetteer gazetteer_;
};

TEST_F(Localities, EndInTheirCountry) {
  EXPECT_EQ(code("Ehime Perfecture, Uma Gun, Japan"), "JP");
  EXPECT_EQ(code("Foote mine, Kings Mountain, North Carolina, USA"), "US");
  EXPECT_EQ(code("Långban, Värmland, Sweden"), "SE");
  EXPECT_EQ(code("bolivia"), "BO");
  EXPECT_EQ(code("Sar-e-Sang, AFGHANISTAN."), "AF");
}

TEST_F(Localities, MayNameAStateOrAProvinceAlone) {
  EXPECT_EQ(code("Carlsbad, New Mexico"), "US");
  EXPECT_EQ(code("DeMix quarry, Mont St-Hilaire, Quebec"), "CA");
  EXPECT_EQ(code("Arcu su Linnarbu, Capoterra, Cagliari, Sardinia"), "IT");
  EXPECT_EQ(code("Ashburton Downs, Western Australia"), "AU");
}

TEST_F(Localities, MayNameACountryInsideALastPart) {
  EXPECT_EQ(code("Corkscrew Canyon, Death Valley USA"), "US");
  EXPECT_EQ(code("somewhere in southern Israel"), "IL");
  EXPECT_EQ(code("mine, Katanga (Shaba), Congo (Zaïre)"), "CD");
}

TEST_F(Localities, AreNotTakenForWhatAnEarlierPartIsCalled) {
  EXPECT_EQ(code("Lovelock Mine, Bolivia, Cottonwood Canyon, Churchill Co., Nevada, USA"), "US");
  EXPECT_EQ(code("La Flèche Quarry, Bertrix, Luxembourg Province, Belgium"), "BE");
  EXPECT_EQ(code("Holly Springs, Georgia, USA"), "US");
  EXPECT_EQ(code("Rioni River Valley, Caucasus Mountains, Georgia"), "GE");
}

TEST_F(Localities, OfFormerCountriesGoByThePlaceWhereOneIsTold) {
  EXPECT_EQ(code("Al Hayat mine, Bikita, Southern Rhodesia"), "ZW");
  EXPECT_EQ(code("Shinkolobwe, Belgian Congo"), "CD");
  EXPECT_EQ(code("Tien-Shan Mountains, Tadzhikistan, U.S.S.R"), "TJ");
  EXPECT_EQ(code("Vishnevyite Mountains, Urals, U.S.S.R."), "RU");
  EXPECT_EQ(code("Pezinok, Czechoslovakia"), "SK");
  EXPECT_EQ(code("Jachymov, Czechoslovakia"), "CZ");
  EXPECT_EQ(code("Jarandol Basin, Serbia and Montenegro"), "RS");
  EXPECT_EQ(code("a mine, Yugoslavia"), "unknown");
}

TEST_F(Localities, ThatTellNothingStayUnknown) {
  for (const char* text : {"", "unknown", "Unknown", "Africa", "East Africa", "Mining concentrate", ",,;"}) {
    EXPECT_EQ(code(text), "unknown") << text;
  }
}

TEST_F(Localities, SetSyntheticAndMeteoriticSpecimensApart) {
  EXPECT_EQ(code("Synthetic, made in the Czech Republic"), "synthetic");
  EXPECT_EQ(code("Only one crystal was synthesized hydrothermally at 700°C"), "synthetic");
  EXPECT_EQ(code("Lab-grown by bacteria in 15% potassium carbonate"), "synthetic");
  EXPECT_EQ(code("Tenham meteorite, south Gregory, Queensland, Australia"), "meteorite");
  EXPECT_EQ(code("Suizhou L6 chondrite, Hubei Province, China"), "meteorite");
  EXPECT_EQ(gazetteer_.locate("Peru", "Synthetic diamond").origin, Origin::synthetic);
  EXPECT_EQ(code("Lavrion District slag localities, Attikí Prefecture, Greece"), "GR");
}

TEST_F(Localities, AreTerrestrialWhereAWordOfKindIsPartOfAName) {
  EXPECT_EQ(code("Lunar Crater volcanic field, Nye County, Nevada, USA"), "US");
  EXPECT_EQ(code("Lunar Crater, Nevada"), "US");
  EXPECT_EQ(code("Quarry on Synthesis Lane, Ohio, USA"), "US");
  EXPECT_EQ(code("Artificial Lake, Saxony, Germany"), "DE");
  EXPECT_EQ(code("Ries meteorite impact crater, Bavaria, Germany"), "DE");
  EXPECT_EQ(code("Apollo 11 mine, Kalgoorlie, Western Australia"), "AU");
  EXPECT_EQ(code("Mount Apollo 12, Oregon"), "US");
  EXPECT_EQ(code("Natural (not synthetic), Brazil"), "BR");
  EXPECT_EQ(code("Lunar Flats"), "unknown");
}

TEST_F(Localities, AreOfAKindWhereTheWordSaysWhatTheSpecimenIs) {
  EXPECT_EQ(code("Apollo 15 sample"), "meteorite");
  EXPECT_EQ(code("Apollo 17 sample, Houston, Texas, USA"), "meteorite");
  EXPECT_EQ(code("Lunar meteorite NWA 5000, Morocco"), "meteorite");
  EXPECT_EQ(code("lunar highlands"), "meteorite");
  EXPECT_EQ(code("Canyon Diablo meteorite, found near Canyon Diablo, Arizona, USA"), "meteorite");
  EXPECT_EQ(code("meteorite from a quarry, Utah, USA"), "meteorite");
  EXPECT_EQ(code("hydrothermal synthesis, France"), "synthetic");
  EXPECT_EQ(code("synthesized at the University of Arizona, USA"), "synthetic");
  EXPECT_EQ(code("Artificial"), "synthetic");
}

TEST_F(Localities, OfNamesInTwoCountriesGoByWhatStandsBesideThem) {
  EXPECT_EQ(code("Athens, Georgia"), "US");
  EXPECT_EQ(code("Holly Springs Georgia"), "US");
  EXPECT_EQ(code("Graves Mountain, Lincoln Co., Georgia"), "US");
  EXPECT_EQ(code("Racha, Georgia"), "GE");
  EXPECT_EQ(code("Georgia"), "GE");
  EXPECT_EQ(code("Athens, Greece"), "GR");
  EXPECT_EQ(code("Brazzaville, Congo"), "CG");
  EXPECT_EQ(code("Kolwezi, Congo"), "CD");
  EXPECT_EQ(code("Republic of Congo"), "CG");
  EXPECT_EQ(code("County Antrim, Ireland"), "GB");
  EXPECT_EQ(code("County Clare, Ireland"), "IE");
  EXPECT_EQ(code("Newry, N. Ireland"), "GB");
  EXPECT_EQ(code("Allchar, Macedonia"), "MK");
  EXPECT_EQ(code("Kavala, Macedonia"), "GR");
}

TEST_F(Localities, EndInTheStateThatDecidesOverNamesOfCountries) {
  for (const char* text : {"Lebanon, Pennsylvania", "Jordan, Minnesota", "Carlsbad, New Mexico", "Cuba, New York",
                           "Peru, Indiana", "Peru, southern Indiana", "Poland, Ohio", "Norway, Maine",
                           "Franklin, New Jersey", "Wales, Alaska", "Little Switzerland, North Carolina"}) {
    EXPECT_EQ(code(text), "US") << text;
  }
  EXPECT_EQ(code("Bougainville, Papua New Guinea"), "PG");
  EXPECT_EQ(code("Bioko, Equatorial Guinea"), "GQ");
  EXPECT_EQ(code("Guinea-Bissau"), "GW");
  EXPECT_EQ(code("Conakry, Guinea"), "GN");
  EXPECT_EQ(code("Agadez, Niger"), "NE");
  EXPECT_EQ(code("Jos, Nigeria"), "NG");
  EXPECT_EQ(code("Victoria, British Columbia"), "CA");
  for (const char* text :
       {"Gulf of Mexico", "Turkey Creek", "Peru mine", "New Lebanon", "Jersey", "Victoria", "Granada"}) {
    EXPECT_EQ(code(text), "unknown") << text;
  }
}

TEST_F(Localities, AreComparedWithoutCaseAccentsAndPunctuation) {
  EXPECT_EQ(plain_name("  Côte d'Ivoire. "), "cote divoire");
  EXPECT_EQ(plain_name("SØR-Trøndelag"), "sor trondelag");
  EXPECT_EQ(plain_name("Weißenfels"), "weissenfels");
  EXPECT_EQ(plain_name("U.S.A."), "usa");
}

TEST_F(Localities, WithBrokenTextDoNoHarm) {
  EXPECT_EQ(code("\xff\xfe\x80, Peru"), "PE");
  EXPECT_EQ(code(std::string(100'000, ',')), "unknown");
}

TEST_F(Localities, GiveCodesThatAreInTheTableOnce) {
  std::set<std::string> codes;
  for (const Country& country : gazetteer_.countries()) {
    EXPECT_TRUE(codes.insert(country.code).second) << country.code;
    EXPECT_EQ(country.code.size(), 2U);
    EXPECT_LE(std::abs(country.latitude), 90);
    EXPECT_LE(std::abs(country.longitude), 180);
    EXPECT_EQ(code(country.name), country.code) << country.name;
  }
  EXPECT_GE(codes.size(), 190U);
  EXPECT_THROW(static_cast<void>(gazetteer_.country("QQ")), Error);
}

TEST_F(Localities, OfTheRealFilesAreResolvedAndAgreeWithTheirIndex) {
  const RealData data;
  if (!data.available()) GTEST_SKIP() << data.reason();
  double resolved = 0;
  double compared = 0;
  double agreed = 0;
  for (const RealData::Row& row : data.index()) {
    const Label label = gazetteer_.locate(row.locality, row.mineral);
    resolved += label.origin != Origin::unknown ? 1 : 0;
    if (row.country == "UNKNOWN") continue;
    const std::string here = label.origin == Origin::country ? label.country : std::string(name_of(label.origin));
    const std::string there = row.country == "SYNTHETIC"   ? "synthetic"
                              : row.country == "METEORITE" ? "meteorite"
                                                           : gazetteer_.locate(row.country).country;
    compared += 1;
    agreed += here == there ? 1 : 0;
  }
  EXPECT_GE(resolved / static_cast<double>(data.index().size()), 0.97);
  EXPECT_GE(agreed / compared, 0.99);
}

}  // namespace
}  // namespace gyre::raman::gazetteer_test
