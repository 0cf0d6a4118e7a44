#include "raman/reading.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cstdlib>
#include <fstream>

#include "base/error.hpp"
#include "base/random.hpp"
#include "raman/archive.hpp"
#include "raman/real_data.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::reading_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string rruff(const std::string& mineral, double height) {
  std::string text = fmt::format("##NAMES={}\n##RRUFFID=R1\n##LOCALITY=Peru\n", mineral);
  for (int i = 0; i < 40; ++i) text += fmt::format("{}, {}\n", 100 + i, i == 20 ? height : 1);
  return text;
}

class Reading : public testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& content) {
    const fs::path path = scratch_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  fs::path zip(const std::vector<std::pair<std::string, std::string>>& members) {
    const fs::path path = scratch_ / "archive.zip";
    zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (const auto& [name, content] : members) {
      zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
      zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    }
    zip_close(archive);
    return path;
  }

  ScratchFolder scratch_;
};

TEST_F(Reading, GoesThroughFoldersInTheOrderOfNames) {
  write("set/b.txt", rruff("Beta", 5));
  write("set/a.txt", rruff("Alpha", 6));
  write("set/deeper/c.csv", rruff("Gamma", 7));
  write("set/notes.md", "not a spectrum");
  const Collection collection = read_collection({scratch_ / "set"});
  ASSERT_EQ(collection.spectra.size(), 3U);
  EXPECT_EQ(collection.spectra[0].mineral, "Alpha");
  EXPECT_EQ(collection.spectra[2].mineral, "Gamma");
  EXPECT_TRUE(collection.rejected.empty());
}

TEST_F(Reading, CountsWhatItRejectsByReason) {
  write("set/good__Raman__780__0.txt", rruff("Alpha", 6));
  write("set/same again.txt", rruff("Alpha", 6));
  write("set/empty.txt", "");
  write("set/words.txt", "words\n");
  write("set/short.txt", "##NAMES=Short\n1, 2\n");
  const Collection collection = read_collection({scratch_ / "set"});
  ASSERT_EQ(collection.spectra.size(), 1U);
  EXPECT_EQ(collection.spectra[0].laser, 780);
  const std::map<Rejection, int> expected = {
      {Rejection::unknown_format, 2}, {Rejection::too_few_points, 1}, {Rejection::duplicate, 1}};
  EXPECT_EQ(collection.rejected_by_reason(), expected);
}

TEST_F(Reading, KeepsInfraredSpectraApartAndReadsThemWhereAskedForAlone) {
  write("set/Alpha__R1__Raman__780__0.txt", rruff("Alpha", 6));
  write("set/Alpha__R1-1__Infrared__Infrared_Data_Processed__7.txt", rruff("Alpha", 3));
  write("set/Alpha__R1__Infrared__again.csv", "100 1\n");
  const Collection without = read_collection({scratch_ / "set"});
  ASSERT_EQ(without.spectra.size(), 1U);
  EXPECT_EQ(without.spectra[0].laser, 780);
  EXPECT_TRUE(without.infrared.empty());
  ASSERT_EQ(without.rejected.size(), 2U);
  EXPECT_EQ(without.rejected[0].reason, Rejection::not_raman);
  EXPECT_THAT(without.rejected[0].detail,
              HasSubstr("its name is Alpha__R1-1__Infrared__Infrared_Data_Processed__7.txt; "
                        "infrared spectra serve pretraining alone"));
  EXPECT_THAT(without.rejected[0].detail, HasSubstr("\"infrared\": true"));
  const Collection with = read_collection({scratch_ / "set"}, {}, {}, true);
  ASSERT_EQ(with.spectra.size(), 1U);
  EXPECT_EQ(with.spectra[0].technique, Technique::raman);
  ASSERT_EQ(with.infrared.size(), 1U);
  EXPECT_EQ(with.infrared[0].technique, Technique::infrared);
  EXPECT_EQ(with.infrared[0].intensities[20], 3);
  EXPECT_EQ(with.infrared[0].laser, 0);
  ASSERT_EQ(with.rejected.size(), 1U);
  EXPECT_THAT(with.rejected[0].detail,
              HasSubstr("it is a table; infrared spectra are read from RRUFF text and JCAMP-DX"));
}

TEST_F(Reading, OpensZipArchives) {
  const fs::path path = zip({{"a.txt", rruff("Alpha", 6)},
                             {"deeper/b.txt", rruff("Beta", 5)},
                             {"__MACOSX/a.txt", "shadow"},
                             {"readme.pdf", "%PDF"},
                             {"broken.txt", "nothing"}});
  EXPECT_TRUE(is_zip(path));
  const Collection collection = read_collection({path});
  ASSERT_EQ(collection.spectra.size(), 2U);
  EXPECT_EQ(collection.spectra[1].mineral, "Beta");
  EXPECT_EQ(collection.spectra[1].source, path.string() + ": deeper/b.txt");
  ASSERT_EQ(collection.rejected.size(), 1U);
  EXPECT_EQ(collection.rejected[0].reason, Rejection::unknown_format);
}

TEST_F(Reading, CountsAMemberWhoseBytesAreBroken) {
  std::string noise;
  for (std::uint64_t i = 0; i < 4000; ++i) noise += static_cast<char>('a' + mix_bits(i) % 23);  // hardly shrinks
  const fs::path path = zip({{"a.txt", noise}});
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(200);
  file << "XXXXXXXXXX";
  file.close();
  const Collection collection = read_collection({path});
  ASSERT_EQ(collection.rejected.size(), 1U);
  EXPECT_EQ(collection.rejected[0].reason, Rejection::unreadable);
}

TEST_F(Reading, RefusesWhatIsNotThereAndArchivesThatAreNone) {
  EXPECT_THROW(read_collection({scratch_ / "nowhere"}), Error);
  const fs::path path = write("cut.zip", "PK\3\4 and no more");
  try {
    read_collection({path});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path.string()));
  }
}

TEST_F(Reading, TakesTheRealFiles) {
  const RealData data(scratch_.path());
  if (!data.available()) GTEST_SKIP() << data.reason();
  const Collection collection = read_collection({data.folder()});
  EXPECT_EQ(collection.spectra.size() + collection.rejected.size(), data.index().size());
  const std::map<Rejection, int> expected = {{Rejection::duplicate, 6}};
  EXPECT_EQ(collection.rejected_by_reason(), expected);
}

}  // namespace
}  // namespace gyre::raman::reading_test
