#include "kernels/kv_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre::kv_rows_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// The largest error of a row that is written and read back, as a share of its largest number.
float worst_error(KvType type, std::size_t head_size) {
  Random random(head_size);
  std::vector<float> numbers(head_size);
  for (float& number : numbers) number = 3 * static_cast<float>(random.normal());
  std::vector<std::byte> row(kv_row_bytes(type, head_size) + 1, std::byte{0x5a});
  write_kv_row(type, numbers, row.data());
  EXPECT_EQ(row.back(), std::byte{0x5a}) << "one byte too many";
  std::vector<float> back(head_size);
  read_kv_row(type, row.data(), back);
  float largest = 0;
  float worst = 0;
  for (std::size_t i = 0; i < head_size; ++i) {
    largest = std::max(largest, std::abs(numbers[i]));
    worst = std::max(worst, std::abs(numbers[i] - back[i]));
  }
  return worst / largest;
}

TEST(KvRows, LoseWhatTheirTypeDoes) {
  for (const std::size_t head_size : {1, 2, 31, 32, 33, 64, 80, 128}) {
    EXPECT_EQ(worst_error(KvType::f32, head_size), 0) << head_size;
    EXPECT_LE(worst_error(KvType::bf16, head_size), 1.0F / 256) << head_size;
    EXPECT_LE(worst_error(KvType::q8_0, head_size), 0.501F / 127) << head_size;
  }
}

TEST(KvKeys, OfAPageAreWhatRowsWouldBeAndLeaveEachOtherAlone) {
  Random random(3);
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    for (const std::size_t head_size : {1, 7, 32, 40, 64}) {
      std::vector<std::byte> page(kv_page_bytes(type, head_size) + 1, std::byte{0x5a});
      std::vector<std::byte> copy(page.size(), std::byte{0});
      std::vector<std::vector<float>> wanted;
      for (std::size_t place = 0; place < kKvPage; ++place) {
        std::vector<float> numbers(head_size);
        for (float& number : numbers) number = static_cast<float>(random.normal());
        write_kv_key(type, numbers, page.data(), place);
        std::vector<std::byte> row(kv_row_bytes(type, head_size));
        write_kv_row(type, numbers, row.data());
        wanted.emplace_back(head_size);
        read_kv_row(type, row.data(), wanted.back());
      }
      EXPECT_EQ(page.back(), std::byte{0x5a}) << "one byte too many";
      std::vector<float> got(head_size);
      for (std::size_t place = 0; place < kKvPage; ++place) {
        read_kv_key(type, page.data(), place, got);
        EXPECT_EQ(got, wanted[place]) << name_of(type) << ", head size " << head_size << ", place " << place;
      }
      copy_kv_key(type, head_size, page.data(), copy.data(), 5);
      read_kv_key(type, copy.data(), 5, got);
      EXPECT_EQ(got, wanted[5]) << name_of(type) << ", head size " << head_size;
      read_kv_key(type, copy.data(), 6, got);
      EXPECT_EQ(got, std::vector<float>(head_size, 0.0F));
    }
  }
}

TEST(KvRows, OfNothingStayNothing) {
  std::vector<float> numbers(40);
  std::vector<std::byte> row(kv_row_bytes(KvType::q8_0, 40), std::byte{1});
  write_kv_row(KvType::q8_0, numbers, row.data());
  std::fill(numbers.begin(), numbers.end(), 1.0F);
  read_kv_row(KvType::q8_0, row.data(), numbers);
  EXPECT_THAT(numbers, ::testing::Each(0.0F));
}

TEST(KvRows, BelowEveryNormalFloatAreNothing) {
  for (const float tiny : {1e-45F, 1e-40F, 9e-31F}) {
    std::vector<float> numbers(32, tiny);
    std::vector<std::byte> row(kv_row_bytes(KvType::q8_0, 32));
    write_kv_row(KvType::q8_0, numbers, row.data());
    read_kv_row(KvType::q8_0, row.data(), numbers);
    EXPECT_THAT(numbers, ::testing::Each(0.0F)) << tiny;
  }
}

TEST(KvRows, TakeAHalfAndAQuarterOfTheBytes) {
  EXPECT_EQ(kv_row_bytes(KvType::f32, 64), 256U);
  EXPECT_EQ(kv_row_bytes(KvType::bf16, 64), 128U);
  EXPECT_EQ(kv_row_bytes(KvType::q8_0, 64), 64U + 2 * 4);
}

TEST(KvTypes, AreReadByName) {
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    EXPECT_EQ(parse_kv_type(std::string(name_of(type)), "--kv-type"), type);
  }
  EXPECT_THAT([] { parse_kv_type("int4", "--kv-type"); },
              ThrowsMessage<Error>(HasSubstr("--kv-type: \"int4\" is no type of keys and values")));
}

}  // namespace
}  // namespace gyre::kv_rows_test
