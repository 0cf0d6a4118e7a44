#include "tune/event_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::event_file_test {
namespace {

template <typename Number>
Number number_at(std::string_view bytes) {
  Number number{};
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return number;
  }
}

/// The fields of a message: of whole numbers as text, of others their bytes.
std::map<int, std::string> fields_of(std::string_view bytes) {
  std::map<int, std::string> fields;
  while (!bytes.empty()) {
    const std::uint64_t key = take_varint(bytes);
    const auto number = static_cast<int>(key >> 3U);
    if ((key & 7U) == 0) {
      fields[number] = std::to_string(take_varint(bytes));
      continue;
    }
    const std::size_t size = (key & 7U) == 1 ? 8 : (key & 7U) == 5 ? 4 : take_varint(bytes);
    fields[number] = std::string(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return fields;
}

std::uint32_t masked(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U;
}

/// The events of a file, whose checks are checked.
std::vector<std::map<int, std::string>> events_of(const std::filesystem::path& path) {
  const std::string file = read_text(path);
  std::string_view rest = file;
  std::vector<std::map<int, std::string>> events;
  while (!rest.empty()) {
    const auto size = number_at<std::uint64_t>(rest);
    EXPECT_EQ(number_at<std::uint32_t>(rest.substr(8)), masked(rest.substr(0, 8)));
    const std::string_view data = rest.substr(12, size);
    EXPECT_EQ(number_at<std::uint32_t>(rest.substr(12 + size)), masked(data));
    events.push_back(fields_of(data));
    rest.remove_prefix(16 + size);
  }
  return events;
}

// RFC 3720, B.4, and the check value of the catalogue of CRCs.
TEST(Crc32c, HasTheValuesOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
}

TEST(EventFile, HoldsScalarsAndTexts) {
  const ScratchFolder scratch;
  EventFile file(scratch / "logs");
  file.scalar("reward/rouge", 0.25, 3);
  file.text("completion", "a *b*", 300);
  const auto events = events_of(file.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].at(3), "brain.Event:2");
  EXPECT_GT(number_at<double>(events[0].at(1)), 1.6e9);
  EXPECT_EQ(events[1].at(2), "3");
  const auto scalar = fields_of(fields_of(events[1].at(5)).at(1));
  EXPECT_EQ(scalar.at(1), "reward/rouge");
  EXPECT_EQ(number_at<float>(scalar.at(2)), 0.25F);
  EXPECT_EQ(events[2].at(2), "300");
  const auto text = fields_of(fields_of(events[2].at(5)).at(1));
  EXPECT_EQ(text.at(1), "completion");
  EXPECT_EQ(fields_of(fields_of(text.at(9)).at(1)).at(1), "text");
  const auto tensor = fields_of(text.at(8));
  EXPECT_EQ(tensor.at(1), "7");
  EXPECT_EQ(tensor.at(8), "a *b*");
  EXPECT_EQ(fields_of(fields_of(tensor.at(2)).at(2)).at(1), "1");
}

TEST(EventFile, OfARunThatGoesOnIsAnother) {
  const ScratchFolder scratch;
  EventFile first(scratch.path());
  first.scalar("x", 1, 10);
  EventFile second(scratch.path(), 7);
  second.scalar("x", 2, 8);
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(events_of(first.path()).size(), 2U);
  const auto events = events_of(second.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[1].at(2), "8");
  EXPECT_EQ(fields_of(events[1].at(7)).at(1), "1");  // what was said of step 8 and later is void
}

TEST(EventFile, ThatCannotBeWrittenIsRefused) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "file", "x");
  EXPECT_THROW(EventFile(scratch / "file"), Error);
}

}  // namespace
}  // namespace gyre::event_file_test
