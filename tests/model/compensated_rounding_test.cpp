#include "model/compensated_rounding.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "format/block_formats.hpp"
#include "format/storage_types.hpp"

namespace gyre::compensated_rounding_test {
namespace {

std::vector<float> widened(const std::vector<std::byte>& bytes, DType type, std::size_t columns) {
  const auto count = bytes.size() / storage_type(type).bytes * storage_type(type).numbers;
  std::vector<float> numbers(count);
  widen({type, {static_cast<std::int64_t>(count / columns), static_cast<std::int64_t>(columns)}, bytes}, numbers);
  return numbers;
}

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = static_cast<float>(random.normal());
  return numbers;
}

/// Σ x xᵀ of rows x [n, columns].
std::vector<float> moments_of(const std::vector<float>& rows, std::size_t columns) {
  std::vector<float> moments(columns * columns);
  for (std::size_t t = 0; t < rows.size(); t += columns) {
    for (std::size_t i = 0; i < columns; ++i) {
      for (std::size_t j = 0; j < columns; ++j) moments[i * columns + j] += rows[t + i] * rows[t + j];
    }
  }
  return moments;
}

/// Rows whose channels go together: half of each is what all share, by signs of their own.
std::vector<float> correlated_rows(std::size_t n, std::size_t columns) {
  std::vector<float> rows = normals(n * columns, 1);
  const std::vector<float> shared = normals(n, 2);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = 0.5F * rows[i] + (i % columns % 3 == 0 ? -1.0F : 1.0F) * shared[i / columns];
  }
  return rows;
}

/// Σ (W x − Q x)² over the rows x.
double output_error(const std::vector<float>& wanted, const std::vector<float>& rounded, const std::vector<float>& rows,
                    std::size_t columns) {
  double error = 0;
  for (std::size_t t = 0; t < rows.size(); t += columns) {
    for (std::size_t r = 0; r < wanted.size(); r += columns) {
      double difference = 0;
      for (std::size_t j = 0; j < columns; ++j) {
        difference += static_cast<double>(wanted[r + j] - rounded[r + j]) * static_cast<double>(rows[t + j]);
      }
      error += difference * difference;
    }
  }
  return error;
}

TEST(CompensatedRounding, InputsThatAreAllAlikeKeepTheSumOfARow) {
  // The scale is 1; by itself each 0.4 becomes 0, and the row -8 in place of 4.4.
  std::vector<float> row(32, 0.4F);
  row[0] = -8;
  ThreadPool pool(1);
  const std::vector<float> ones(32 * 32, 1.0F);
  const std::vector<float> rounded = widened(round_for_inputs(row, 32, ones, DType::q4_0, pool), DType::q4_0, 32);
  EXPECT_NEAR(std::accumulate(rounded.begin(), rounded.end(), 0.0F), 4.4F, 0.6F);
  const std::vector<float> plain = widened(encode(row, DType::q4_0), DType::q4_0, 32);
  EXPECT_EQ(std::accumulate(plain.begin(), plain.end(), 0.0F), -8);
}

TEST(CompensatedRounding, InputsThatHaveNothingToDoWithOneAnotherLeaveWhatIsExact) {
  std::vector<float> values(64);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.5F * static_cast<float>(static_cast<int>(i % 16) - 8);
  std::vector<float> identity(64 * 64);
  for (std::size_t i = 0; i < 64; ++i) identity[i * 64 + i] = 3;
  ThreadPool pool(1);
  EXPECT_EQ(round_for_inputs(values, 64, identity, DType::q4_0, pool), encode(values, DType::q4_0));
}

TEST(CompensatedRounding, CostsLessThanRoundingEachNumberByItselfInEveryTypeAndOnAnyThreads) {
  for (const StorageType& type : storage_types()) {
    if (type.set == nullptr) continue;
    const std::size_t columns = type.numbers == 32 ? 96 : 512;
    const std::vector<float> rows = correlated_rows(200, columns);
    const std::vector<float> moments = moments_of(rows, columns);
    const std::vector<float> values = normals(19 * columns, 3);
    const auto error_of = [&](const std::vector<std::byte>& bytes) {
      return output_error(values, widened(bytes, type.dtype, columns), rows, columns);
    };
    ThreadPool one(1);
    const std::vector<std::byte> rounded = round_for_inputs(values, columns, moments, type.dtype, one);
    EXPECT_LT(error_of(rounded), 0.7 * error_of(encode(values, type.dtype))) << type.name;
    ThreadPool three(3);
    EXPECT_EQ(round_for_inputs(values, columns, moments, type.dtype, three), rounded) << type.name;
  }
}

TEST(CompensatedRounding, AnInputThatIsAlwaysZeroCostsNothing) {
  std::vector<float> rows = correlated_rows(50, 32);
  for (std::size_t t = 0; t < rows.size(); t += 32) rows[t + 5] = 0;
  const std::vector<float> values = normals(2 * 32, 4);
  ThreadPool pool(1);
  const std::vector<float> rounded =
      widened(round_for_inputs(values, 32, moments_of(rows, 32), DType::q4_0, pool), DType::q4_0, 32);
  for (const float number : rounded) EXPECT_TRUE(std::isfinite(number));
  EXPECT_NEAR(rounded[5], values[5], 0.5);
}

}  // namespace
}  // namespace gyre::compensated_rounding_test
