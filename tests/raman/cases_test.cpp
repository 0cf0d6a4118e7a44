#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "raman/formats.hpp"
#include "raman/gazetteer.hpp"

namespace gyre::raman::cases_test {
namespace {

using testing::HasSubstr;

/// The inputs beside this work tree on which spectra were once read wrongly (../shared/cases).
class KnownCases : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(folder_)) GTEST_SKIP() << "../shared/cases is not beside this work tree";
  }

  [[nodiscard]] std::string text(const std::string& file) const { return read_text(folder_ / file); }

  /// "shift intensity" lines, or the reason of a refusal with its detail.
  [[nodiscard]] std::string points(const std::string& file) const {
    try {
      const Spectrum spectrum = read_spectrum(text(file));
      std::string lines;
      for (std::size_t i = 0; i < spectrum.shifts.size(); ++i) {
        lines += fmt::format("{:g} {:g}\n", spectrum.shifts[i], spectrum.intensities[i]);
      }
      return lines;
    } catch (const RejectedSpectrum& rejection) {
      return fmt::format("{}: {}", name_of(rejection.reason), rejection.detail);
    }
  }

  std::filesystem::path folder_ = std::filesystem::path(GYRE_TEST_DIR).parent_path().parent_path() / "shared" / "cases";
};

TEST_F(KnownCases, OfFilesAreReadOrRefusedAsTheirReadmesSay) {
  const std::string expected = text("jcamp-sqz-e/expected.txt");
  EXPECT_EQ(points("jcamp-sqz-e/dif.jdx"), expected);
  EXPECT_EQ(points("jcamp-sqz-e/sqz_no_npoints.jdx"), expected);
  EXPECT_EQ(points("columns-pixel-first/pixel.csv"), expected);
  EXPECT_THAT(points("header-numbers-become-a-point/head.txt"), testing::StartsWith("400 50\n410 50\n"));
  EXPECT_EQ(points("header-numbers-become-a-point/head.txt").find("532 "), std::string::npos);
  EXPECT_THAT(points("jcamp-lastx-contradicts/lastx.jdx"), HasSubstr("bad_numbers: line 15: its abscissa is 180"));
  EXPECT_THAT(points("rruff-decimal-comma/comma.txt"), testing::StartsWith("100.5 50.5\n"));
  EXPECT_THAT(points("rruff-decimal-comma/three.txt"), HasSubstr("bad_numbers: 3 columns"));
}

TEST_F(KnownCases, OfLocalitiesAreInTheUnitedStates) {
  const Gazetteer gazetteer;
  for (const char* file : {"locality-lunar-crater/x.txt", "locality-synthesis-lane/x.txt"}) {
    EXPECT_EQ(gazetteer.locate(read_spectrum(text(file)).locality).country, "US") << file;
  }
}

}  // namespace
}  // namespace gyre::raman::cases_test
