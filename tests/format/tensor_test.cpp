#include "format/tensor.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/half.hpp"
#include "format/block_formats.hpp"

namespace gyre::tensor_test {
namespace {

TEST(DType, BlocksHaveTheSizesOfGguf) {
  EXPECT_EQ(block_size(DType::f32), 1U);
  EXPECT_EQ(bytes_of(DType::f32), 4U);
  EXPECT_EQ(bytes_of(DType::f16), 2U);
  EXPECT_EQ(bytes_of(DType::bf16), 2U);
  EXPECT_EQ(block_size(DType::q8_0), 32U);
  EXPECT_EQ(bytes_of(DType::q8_0), 34U);
  EXPECT_EQ(bytes_of(DType::q4_0), 18U);
  EXPECT_EQ(bytes_of(DType::q4_1), 20U);
  EXPECT_EQ(block_size(DType::q6_k), 256U);
  EXPECT_EQ(bytes_of(DType::q4_k), 144U);
  EXPECT_EQ(bytes_of(DType::q5_k), 176U);
  EXPECT_EQ(bytes_of(DType::q6_k), 210U);
  EXPECT_EQ(name_of(DType::bf16), "BF16");
  EXPECT_EQ(name_of(DType::q6_k), "Q6_K");
}

TEST(DType, ByteSizeCountsWholeBlocksAndDoesNotOverflow) {
  EXPECT_EQ(byte_size(DType::f32, 3), 12U);
  EXPECT_EQ(byte_size(DType::q4_0, 64), 36U);
  EXPECT_EQ(byte_size(DType::q4_0, 65), 54U);
  EXPECT_EQ(byte_size(DType::q6_k, 0), 0U);
  EXPECT_EQ(byte_size(DType::f32, UINT64_MAX / 2), UINT64_MAX);
  EXPECT_EQ(byte_size(DType::q8_0, UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(byte_size(DType::q4_0, UINT64_MAX), (UINT64_MAX / 32 + 1) * 18);
}

TEST(TensorView, CountsNumbersNotBytes) {
  const std::vector<std::byte> bytes(2 * 34 * 3);
  const TensorView tensor{DType::q8_0, {3, 64}, bytes};
  EXPECT_EQ(tensor.element_count(), 192U);
  EXPECT_EQ(tensor.columns(), 64U);
  EXPECT_EQ(tensor.rows(), 3U);
  const TensorView scalar{DType::f16, {}, std::span(bytes).first(2)};
  EXPECT_EQ(scalar.element_count(), 1U);
  EXPECT_EQ(scalar.rows(), 1U);
  const TensorView empty{DType::f32, {4, 0}, {}};
  EXPECT_EQ(empty.element_count(), 0U);
  EXPECT_EQ(empty.rows(), 0U);
}

TEST(WidenRows, GivesTheRowsOfTheWhole) {
  std::vector<float> values(5 * 64);
  std::iota(values.begin(), values.end(), -100.0F);
  for (const DType dtype : {DType::f32, DType::q8_0, DType::q4_0}) {
    std::vector<std::byte> bytes(byte_size(dtype, values.size()));
    if (dtype == DType::f32) {
      std::copy_n(std::as_bytes(std::span(values)).begin(), bytes.size(), bytes.begin());
    } else {
      quantize(dtype, values, bytes);
    }
    const TensorView tensor{dtype, {5, 64}, bytes};
    std::vector<float> whole(values.size());
    widen(tensor, whole);
    std::vector<float> rows(2 * 64);
    widen_rows(tensor, 3, rows);
    EXPECT_TRUE(std::equal(rows.begin(), rows.end(), whole.begin() + 3 * 64)) << name_of(dtype);
    widen_rows(tensor, 5, {});
  }
}

TEST(Half, EveryHalfSurvivesTheWayThroughAFloat) {
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const float wide = from_f16(static_cast<std::uint16_t>(half));
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(from_f16(to_f16(wide))));
    } else {
      ASSERT_EQ(to_f16(wide), half);
    }
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t half = 0; half < 0x7BFF; ++half) {
    const auto low = static_cast<std::uint16_t>(half);
    const auto high = static_cast<std::uint16_t>(half + 1);
    const float middle = (from_f16(low) + from_f16(high)) / 2;
    ASSERT_EQ(to_f16(middle), half % 2 == 0 ? low : high) << half;
    ASSERT_EQ(to_f16(std::nextafter(middle, 0.0F)), low) << half;
    ASSERT_EQ(to_f16(-std::nextafter(middle, 1e9F)), high | 0x8000) << half;
  }
  EXPECT_EQ(to_f16(65519.996F), 0x7BFF);
  EXPECT_EQ(to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(to_f16(-1e30F), 0xFC00);
  EXPECT_EQ(to_f16(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(to_f16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_TRUE(std::isnan(from_f16(to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(IsFinite, FindsTheOneNumberThatIsNot) {
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t at : {0U, 6U}) {
      std::vector<float> wide(7, -std::numeric_limits<float>::max());
      const TensorView tensor{DType::f32, {7}, std::as_bytes(std::span(wide))};
      EXPECT_TRUE(is_finite(tensor));
      wide[at] = bad;
      EXPECT_FALSE(is_finite(tensor));
      std::vector<std::uint16_t> narrow(7, 0xFBFF);
      const TensorView halves{DType::f16, {7}, std::as_bytes(std::span(narrow))};
      EXPECT_TRUE(is_finite(halves));
      narrow[at] = to_f16(bad);
      EXPECT_FALSE(is_finite(halves));
      narrow.assign(7, 0xFF7F);
      const TensorView brains{DType::bf16, {7}, std::as_bytes(std::span(narrow))};
      EXPECT_TRUE(is_finite(brains));
      narrow[at] = to_bf16(bad);
      EXPECT_FALSE(is_finite(brains));
    }
  }
}

TEST(IsFinite, LooksAtTheScalesOfBlocks) {
  struct Case {
    DType dtype;
    std::vector<std::size_t> scales;  // where in a block halves lie
  };
  for (const Case& c : {Case{DType::q8_0, {0}}, Case{DType::q4_0, {0}}, Case{DType::q4_1, {0, 2}},
                        Case{DType::q4_k, {0, 2}}, Case{DType::q5_k, {0, 2}}, Case{DType::q6_k, {208}}}) {
    // All quants at their most: they are no halves and must not be taken for any.
    std::vector<std::byte> bytes(2 * bytes_of(c.dtype), std::byte{0xFF});
    for (std::size_t block = 0; block < 2; ++block) {
      for (const std::size_t at : c.scales) bytes[block * bytes_of(c.dtype) + at + 1] = std::byte{0x3C};
    }
    const TensorView tensor{c.dtype, {static_cast<std::int64_t>(2 * block_size(c.dtype))}, bytes};
    EXPECT_TRUE(is_finite(tensor)) << name_of(c.dtype);
    for (const std::size_t at : c.scales) {
      std::byte& upper = bytes[bytes_of(c.dtype) + at + 1];
      upper = std::byte{0xFC};
      EXPECT_FALSE(is_finite(tensor)) << name_of(c.dtype) << " " << at;
      upper = std::byte{0x3C};
    }
  }
}

}  // namespace
}  // namespace gyre::tensor_test
