#include "kernels/products.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/half.hpp"
#include "base/random.hpp"
#include "format/storage_types.hpp"
#include "kernels/kernels.hpp"

namespace gyre::products_test {
namespace {

/// What files call those that are codes.
struct CodedType {
  WeightType type;
  DType stored;
};
constexpr CodedType kCoded[] = {
    {WeightType::q8_0, DType::q8_0},     {WeightType::q4_0, DType::q4_0}, {WeightType::ternary, DType::tq2_0},
    {WeightType::q4_1, DType::q4_1},     {WeightType::q4_k, DType::q4_k}, {WeightType::q5_k, DType::q5_k},
    {WeightType::q6_k, DType::q6_k},     {WeightType::q5_0, DType::q5_0}, {WeightType::q5_1, DType::q5_1},
    {WeightType::iq4_nl, DType::iq4_nl},
};
const StorageType& stored_type(WeightType type) {
  return storage_type(std::ranges::find(kCoded, type, &CodedType::type)->stored);
}

std::vector<WeightType> all_types() {
  std::vector<WeightType> types = {WeightType::f32, WeightType::bf16};
  for (const CodedType& coded : kCoded) types.push_back(coded.type);
  return types;
}
const std::vector<WeightType> kTypes = all_types();

/// A packed matrix of random weights and the numbers they stand for.
class RandomMatrix {
 public:
  /// With `codes` instead of random ones where they are given.
  RandomMatrix(WeightType type, std::size_t rows, std::size_t columns, Random& random,
               std::optional<std::byte> codes = {})
      : type_(type), rows_(rows), columns_(columns), numbers_(rows * columns) {
    const std::size_t row_bytes = stored_row_bytes(type, columns);
    stored_.resize(rows * row_bytes);
    for (std::byte& byte : stored_) byte = codes.value_or(static_cast<std::byte>(random.below(256)));
    for (std::size_t row = 0; row < rows; ++row) make_row(row, row_bytes, random);
    pack();
  }

  [[nodiscard]] PackedMatrix packed() const { return {type_, rows_, columns_, aligned()}; }
  [[nodiscard]] float at(std::size_t row, std::size_t column) const { return numbers_[row * columns_ + column]; }

 private:
  static constexpr std::size_t kAlignment = 64;

  void make_row(std::size_t row, std::size_t row_bytes, Random& random) {
    std::byte* const bytes = stored_.data() + row * row_bytes;
    float* const numbers = numbers_.data() + row * columns_;
    if (!is_coded(type_)) {
      for (std::size_t i = 0; i < columns_; ++i) {
        numbers[i] = static_cast<float>(random.normal());
        if (type_ == WeightType::f32) {
          std::memcpy(bytes + 4 * i, &numbers[i], 4);
          continue;
        }
        const std::uint16_t half = to_bf16(numbers[i]);
        std::memcpy(bytes + 2 * i, &half, 2);
        const std::uint32_t wide = std::uint32_t{half} << 16;
        std::memcpy(&numbers[i], &wide, 4);
      }
      return;
    }
    const StorageType& stored = stored_type(type_);
    for (std::size_t block = 0; block < columns_ / stored.numbers; ++block) {
      make_block(stored, bytes + block * stored.bytes, numbers + block * stored.numbers, random);
    }
  }

  /// Random codes, the numbers of which the reader of files gives; its scales and minima are small halves.
  static void make_block(const StorageType& stored, std::byte* bytes, float* numbers, Random& random) {
    if (stored.dtype == DType::tq2_0) {  // of four codes three are used
      for (std::size_t i = 0; i < 64; ++i) bytes[i] &= std::byte{0xaa} >> static_cast<int>(random.below(2));
    }
    for (const std::size_t at : stored.scales) {
      const std::uint16_t half = to_f16(static_cast<float>(random.normal()) * 0.01F);
      std::memcpy(bytes + at, &half, 2);
    }
    stored.read(reinterpret_cast<const std::uint8_t*>(bytes), numbers);
  }

  void pack() {
    packed_.resize(packed_bytes(type_, rows_, columns_) + kAlignment);
    auto* const data = const_cast<std::byte*>(aligned());
    const std::size_t row_bytes = stored_row_bytes(type_, columns_);
    for (std::size_t p = 0; p * kPanelRows < rows_; ++p) {
      std::array<const std::byte*, kPanelRows> rows{};
      for (std::size_t r = 0; r < kPanelRows && p * kPanelRows + r < rows_; ++r) {
        rows[r] = stored_.data() + (p * kPanelRows + r) * row_bytes;
      }
      pack_panel(type_, rows, columns_, data + p * panel_bytes(type_, columns_));
    }
  }

  [[nodiscard]] const std::byte* aligned() const {
    const auto address = reinterpret_cast<std::uintptr_t>(packed_.data());
    return packed_.data() + (kAlignment - address % kAlignment) % kAlignment;
  }

  WeightType type_;
  std::size_t rows_;
  std::size_t columns_;
  std::vector<float> numbers_;
  std::vector<std::byte> stored_;
  std::vector<std::byte> packed_;
};

/// Rows of random floats and what they are rounded to.
struct RandomRows {
  /// With `size` instead of random numbers where it is given.
  RandomRows(const Kernels& table, std::size_t count, std::size_t columns, Random& random,
             std::optional<float> size = {})
      : floats(count * columns),
        bytes(count * padded_columns(columns), 99),
        scales(bytes.size() / kByteRun),
        zeros(scales.size()),
        sums(scales.size()),
        half_zeros(2 * scales.size()) {
    for (float& value : floats) value = size ? *size : static_cast<float>(random.normal());
    rows = {count, columns, floats.data(), rounded(0)};
    table.round_to_bytes(floats.data(), count, columns, rows.rounded);
  }

  /// From a row on.
  [[nodiscard]] ByteRows rounded(std::size_t row) {
    const std::size_t run = row * padded_columns(rows.columns) / kByteRun;
    return {bytes.data() + run * kByteRun, scales.data() + run, zeros.data() + run, sums.data() + run,
            half_zeros.data() + 2 * run};
  }

  std::vector<float> floats;
  std::vector<std::int8_t> bytes;
  std::vector<float> scales;
  std::vector<std::int32_t> zeros;
  std::vector<float> sums;
  std::vector<std::int32_t> half_zeros;
  Activations rows;
};

/// As bfloat16 keeps it.
float halved(float number) { return std::bit_cast<float>(std::uint32_t{to_bf16(number)} << 16U); }

std::size_t columns_for(WeightType type, Random& random) {
  if (!is_coded(type)) return 1 + random.below(90);
  const std::size_t block = layout_of(type).block_columns;
  return block * (1 + random.below(block == 32 ? 7 : 2));
}

class Products : public ::testing::TestWithParam<const Kernels*> {
 protected:
  struct Shape {
    std::size_t rows;
    std::size_t columns;
    std::size_t n;
  };

  /// With activations as floats or rounded to bytes.
  void expect_sums_of_products(WeightType type, const Shape& shape) {
    const RandomMatrix matrix(type, shape.rows, shape.columns, random_);
    expect_sums_of_products(type, shape, matrix, RandomRows(table_, shape.n, shape.columns, random_));
  }
  void expect_sums_of_products(WeightType type, const Shape& shape, const RandomMatrix& matrix, const RandomRows& x) {
    const auto [rows, columns, n] = shape;
    std::vector<float> y(n * rows);
    table_.multiply(matrix.packed(), x.rows, 0, matrix.packed().panels(), {y.data(), rows});
    const std::size_t padded = padded_columns(columns);
    for (std::size_t t = 0; t < n; ++t) {
      for (std::size_t row = 0; row < rows; ++row) {
        double sum = 0;
        double magnitude = 0;
        for (std::size_t i = 0; i < columns; ++i) {
          const float rounded = static_cast<float>(x.bytes[t * padded + i]) * x.scales[(t * padded + i) / kByteRun];
          const auto product = static_cast<double>(matrix.at(row, i)) *
                               static_cast<double>(is_coded(type) ? rounded : x.floats[t * columns + i]);
          sum += product;
          magnitude += std::abs(product);
        }
        ASSERT_NEAR(static_cast<double>(y[t * rows + row]), sum, 1e-5 * magnitude + 1e-30)
            << "type " << static_cast<int>(type) << ", " << rows << " x " << columns << ", n " << n << ", row " << row;
      }
    }
  }

  const Kernels& table_ = *GetParam();
  Random random_{11};
};

TEST_P(Products, RoundToBytesKeepsEveryNumberWithinHalfAStep) {
  for (std::size_t columns = 1; columns <= 130; ++columns) {
    const RandomRows x(table_, 3, columns, random_);
    const std::size_t padded = padded_columns(columns);
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t run = 0; run < padded / kByteRun; ++run) {
        const std::size_t place = t * padded / kByteRun + run;
        std::int32_t sum = 0;
        for (std::size_t i = run * kByteRun; i < (run + 1) * kByteRun; ++i) {
          if (i == run * kByteRun + kByteRun / 2) {
            ASSERT_EQ(x.half_zeros[2 * place], -128 * sum);
          }
          const float byte = x.bytes[t * padded + i];
          sum += x.bytes[t * padded + i];
          const float wanted = i < columns ? x.floats[t * columns + i] : 0.0F;
          ASSERT_NEAR(byte * x.scales[place], wanted, 0.5001F * x.scales[place]) << columns << " columns, number " << i;
        }
        ASSERT_EQ(x.zeros[place], -128 * sum);
        ASSERT_EQ(x.half_zeros[2 * place] + x.half_zeros[2 * place + 1], -128 * sum);
        ASSERT_EQ(x.sums[place], x.scales[place] * static_cast<float>(sum));
      }
    }
  }
}

TEST_P(Products, RoundToBytesOfZerosAndOfTheSmallestNumbersIsZero) {
  for (const float value : {0.0F, 1e-38F, -1e-42F}) {
    const std::vector<float> x(64, value);
    std::vector<std::int8_t> bytes(64, 5);
    std::vector<float> scales(2, 5.0F);
    std::vector<std::int32_t> zeros(2, 5);
    std::vector<float> sums(2, 5.0F);
    std::vector<std::int32_t> half_zeros(4, 5);
    table_.round_to_bytes(x.data(), 1, 64, {bytes.data(), scales.data(), zeros.data(), sums.data(), half_zeros.data()});
    EXPECT_EQ(bytes, std::vector<std::int8_t>(64, 0));
    EXPECT_EQ(scales, std::vector<float>(2, 0.0F));
    EXPECT_EQ(zeros, std::vector<std::int32_t>(2, 0));
    EXPECT_EQ(sums, std::vector<float>(2, 0.0F));
    EXPECT_EQ(half_zeros, std::vector<std::int32_t>(4, 0));
  }
}

TEST_P(Products, EqualTheSumOfProductsForEveryTypeAndShape) {
  for (const WeightType type : kTypes) {
    for (std::size_t n = 1; n <= 30; ++n) {
      const std::size_t columns = columns_for(type, random_);
      expect_sums_of_products(type, {1 + random_.below(70), columns, n});
    }
  }
}

/// Sums of a few products of the largest codes and bytes fill 16 bits.
TEST_P(Products, OfTheLargestCodesAndBytesEqualTheSumOfProducts) {
  for (const CodedType& coded : kCoded) {
    for (const std::byte codes : {std::byte{0xff}, std::byte{0x80}, std::byte{0x7f}, std::byte{0}}) {
      for (const float size : {1.0F, -1.0F}) {
        for (const std::size_t n : {1, 4}) {
          const RandomMatrix matrix(coded.type, 16, 256, random_, codes);
          expect_sums_of_products(coded.type, {16, 256, n}, matrix, RandomRows(table_, n, 256, random_, size));
        }
      }
    }
  }
}

TEST_P(Products, OfMoreRowsAndColumnsThanACacheHoldsEqualTheSumOfProducts) {
  for (const WeightType type : kTypes) expect_sums_of_products(type, {37, type == WeightType::f32 ? 530U : 512U, 521});
}

TEST_P(Products, OfManyRowsEqualTheSumOfProductsOfHalves) {
  int tried = 0;
  for (const WeightType type : kTypes) {
    for (std::size_t n = 1; n <= 70; n += 1 + random_.below(5)) {
      const std::size_t columns = type == WeightType::bf16 ? 32 * (1 + random_.below(6)) : columns_for(type, random_);
      if (!table_.takes_bf16(type, n, columns)) continue;
      ++tried;
      const std::size_t rows = 1 + random_.below(70);
      const RandomMatrix matrix(type, rows, columns, random_);
      const RandomRows x(table_, n, columns, random_);
      std::vector<std::uint16_t> halves((n + kBf16Rows - 1) / kBf16Rows * kBf16Rows * padded_columns(columns), 0x3f80);
      const std::size_t some = random_.below(n + 1);  // as two threads share them
      table_.round_to_bf16(x.floats.data(), some, n - some, columns, halves.data());
      table_.round_to_bf16(x.floats.data(), 0, some, columns, halves.data());
      std::vector<float> y(n * rows);
      const Activations input{n, columns, x.floats.data(), {}, halves.data()};
      table_.multiply(matrix.packed(), input, 0, matrix.packed().panels(), {y.data(), rows});
      for (std::size_t t = 0; t < n; ++t) {
        for (std::size_t row = 0; row < rows; ++row) {
          double sum = 0;
          double magnitude = 0;
          for (std::size_t i = 0; i < columns; ++i) {
            const float number = halved(x.floats[t * columns + i]);
            const float weight = halved(matrix.at(row, i));
            sum += static_cast<double>(number) * static_cast<double>(weight);
            magnitude += std::abs(static_cast<double>(number) * static_cast<double>(weight));
          }
          ASSERT_NEAR(static_cast<double>(y[t * rows + row]), sum, 1e-5 * magnitude + 1e-30)
              << "type " << static_cast<int>(type) << ", " << rows << " x " << columns << ", n " << n << ", row "
              << row;
        }
      }
    }
  }
  if (tried == 0) GTEST_SKIP() << "these kernels have no products of bfloat16";
}

/// To the bit, whatever rows are beside it and however panels are shared out: a text must not change with its company.
TEST_P(Products, OfARowAreTheSameInAnyCompany) {
  constexpr std::size_t kRows = 150;
  for (const WeightType type : kTypes) {
    for (const std::size_t n : {2, 3, 4, 5, 8, 11, 12, 13, 16, 23, 24, 25, 40, 61, 85}) {
      const bool wide = n == 85 || (n > 23 && type == WeightType::f32);
      const std::size_t columns = wide ? (type == WeightType::f32 ? 530 : 1280) : columns_for(type, random_);
      const RandomMatrix matrix(type, kRows, columns, random_);
      RandomRows x(table_, n, columns, random_);
      const std::vector<float> bias(kRows, 0.25F);
      for (const bool add : {false, true}) {
        std::vector<float> together(n * kRows, 1.0F);
        table_.multiply(matrix.packed(), x.rows, 0, matrix.packed().panels(),
                        {together.data(), kRows, bias.data(), add});
        for (std::size_t t = 0; t < n; ++t) {
          std::vector<float> alone(kRows, 1.0F);
          const std::size_t cut = random_.below(matrix.packed().panels());
          for (const auto& [first, last] : {std::pair(std::size_t{0}, cut), std::pair(cut, matrix.packed().panels())}) {
            table_.multiply(matrix.packed(), {1, columns, x.floats.data() + t * columns, x.rounded(t)}, first, last,
                            {alone.data(), kRows, bias.data(), add});
          }
          for (std::size_t row = 0; row < kRows; ++row) {
            ASSERT_EQ(together[t * kRows + row], alone[row])
                << "type " << static_cast<int>(type) << ", " << n << " rows of " << columns << ", row " << row;
          }
        }
      }
    }
  }
}

TEST_P(Products, OfSomePanelsLeaveTheOtherRowsAlone) {
  for (const WeightType type : kTypes) {
    const std::size_t columns = columns_for(type, random_);
    constexpr std::size_t kRows = 75;
    const RandomMatrix matrix(type, kRows, columns, random_);
    const RandomRows x(table_, 3, columns, random_);
    std::vector<float> all(3 * kRows);
    std::vector<float> some(3 * kRows, 77);
    table_.multiply(matrix.packed(), x.rows, 0, 5, {all.data(), kRows});
    table_.multiply(matrix.packed(), x.rows, 1, 3, {some.data(), kRows});
    for (std::size_t i = 0; i < some.size(); ++i) {
      const bool inside = i % kRows >= 16 && i % kRows < 48;
      EXPECT_EQ(some[i], inside ? all[i] : 77.0F) << "row " << i % kRows;
    }
  }
}

TEST_P(Products, AddABiasAndOntoWhatIsThere) {
  for (const WeightType type : kTypes) {
    const std::size_t columns = columns_for(type, random_);
    constexpr std::size_t kRows = 21;
    constexpr std::size_t kStride = 30;
    const RandomMatrix matrix(type, kRows, columns, random_);
    const RandomRows x(table_, 2, columns, random_);
    std::vector<float> bias(kRows);
    for (std::size_t i = 0; i < kRows; ++i) bias[i] = static_cast<float>(i);
    std::vector<float> plain(2 * kStride);
    std::vector<float> added(2 * kStride, 1.0F);
    table_.multiply(matrix.packed(), x.rows, 0, 2, {plain.data(), kStride});
    table_.multiply(matrix.packed(), x.rows, 0, 2, {added.data(), kStride, bias.data(), true});
    for (std::size_t t = 0; t < 2; ++t) {
      for (std::size_t row = 0; row < kStride; ++row) {
        const float wanted = row < kRows ? plain[t * kStride + row] + bias[row] + 1.0F : 1.0F;
        EXPECT_NEAR(added[t * kStride + row], wanted, 1e-4F);
      }
    }
  }
}

/// 512 products of 0.4 each are 204.8. Beside 2^24, whose neighbours are 2 apart, one of them alone is nothing.
TEST_P(Products, SumSmallNumbersBeforeTheyMeetALargeOne) {
  constexpr float kLarge = 16777216;
  constexpr std::size_t kColumns = 512;
  for (const WeightType type : {WeightType::f32, WeightType::bf16}) {
    const RandomMatrix matrix(type, 3, kColumns, random_);
    for (const std::size_t n : {1U, 3U, 30U}) {
      std::vector<float> x(n * kColumns);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.4F / matrix.at(0, i % kColumns);
      std::vector<float> y(n * 3, kLarge);
      table_.multiply(matrix.packed(), {n, kColumns, x.data(), {}, nullptr}, 0, 1, {y.data(), 3, nullptr, true});
      for (std::size_t t = 0; t < n; ++t) EXPECT_NEAR(y[t * 3], kLarge + 204, 2) << n << " rows";
    }
  }
}

/// A row of Q4_K_M files: queries and keys of one type, values of another.
TEST_P(Products, OfPartsOfSeveralTypesAreThoseOfEach) {
  constexpr std::size_t kRows = 48 + 16 + 9;
  const RandomMatrix queries(WeightType::q4_k, 48, 512, random_);
  const RandomMatrix keys(WeightType::q6_k, 16, 512, random_);
  const RandomMatrix values(WeightType::q8_0, 9, 512, random_);
  const PackedMatrix parts[] = {queries.packed(), keys.packed(), values.packed()};
  const PackedMatrix whole{WeightType::q4_k, kRows, 512, nullptr, parts, 3};
  const RandomRows x(table_, 3, 512, random_);
  std::vector<float> bias(kRows);
  for (float& value : bias) value = static_cast<float>(random_.normal());
  std::vector<float> together(3 * kRows, 1.0F);
  for (const auto& [first, last] : {std::pair(0, 2), std::pair(2, 4), std::pair(4, 5)}) {
    table_.multiply(whole, x.rows, first, last, {together.data(), kRows, bias.data(), true});
  }
  std::size_t row = 0;
  for (const PackedMatrix& part : parts) {
    std::vector<float> alone(3 * part.rows, 1.0F);
    table_.multiply(part, x.rows, 0, part.panels(), {alone.data(), part.rows, bias.data() + row, true});
    std::vector<float> packed(512);
    std::vector<float> of_whole(512);
    for (std::size_t r = 0; r < part.rows; ++r) {
      for (std::size_t t = 0; t < 3; ++t) ASSERT_EQ(together[t * kRows + row + r], alone[t * part.rows + r]);
      unpack_row(part, r, packed);
      unpack_row(whole, row + r, of_whole);
      ASSERT_EQ(packed, of_whole);
    }
    row += part.rows;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Products, ::testing::ValuesIn(available_kernels()),
                         [](const auto& table) { return std::string(table.param->name); });

TEST(PackedMatrix, UnpacksToWhatWasPacked) {
  Random random{5};
  for (const WeightType type : kTypes) {
    const std::size_t columns = columns_for(type, random);
    const RandomMatrix matrix(type, 37, columns, random);
    std::vector<float> row(columns);
    for (std::size_t r = 0; r < 37; ++r) {
      unpack_row(matrix.packed(), r, row);
      for (std::size_t i = 0; i < columns; ++i) ASSERT_EQ(row[i], matrix.at(r, i));
    }
  }
}

TEST(PackedMatrix, TakesTheBytesOfItsFormatAndTheScalesOfWholePanels) {
  EXPECT_EQ(packed_bytes(WeightType::f32, 16, 768), 16U * 768 * 4);
  EXPECT_EQ(packed_bytes(WeightType::bf16, 16, 768), 16U * 768 * 2);
  EXPECT_EQ(packed_bytes(WeightType::q8_0, 16, 768), 16U * 768 / 32 * 34);
  EXPECT_EQ(packed_bytes(WeightType::q4_0, 16, 768), 16U * 768 / 32 * 18);
  EXPECT_EQ(packed_bytes(WeightType::q4_0, 17, 768), 32U * 768 / 32 * 18);
  EXPECT_EQ(packed_bytes(WeightType::ternary, 16, 768), 16U * 768 / 256 * 68);
  EXPECT_EQ(packed_bytes(WeightType::q4_1, 16, 768), 16U * 768 / 32 * 20);
  EXPECT_EQ(packed_bytes(WeightType::q5_0, 16, 768), 16U * 768 / 32 * 22);
  EXPECT_EQ(packed_bytes(WeightType::q5_1, 16, 768), 16U * 768 / 32 * 24);
  EXPECT_EQ(packed_bytes(WeightType::iq4_nl, 16, 768), 16U * 768 / 32 * 18);
  // Scales of runs take a byte each, not six bits: 148, 180 and 212 bytes of 256 numbers in place of 144, 176 and 210.
  EXPECT_EQ(packed_bytes(WeightType::q4_k, 16, 768), 16U * 768 / 256 * 148);
  EXPECT_EQ(packed_bytes(WeightType::q5_k, 16, 768), 16U * 768 / 256 * 180);
  EXPECT_EQ(packed_bytes(WeightType::q6_k, 16, 768), 16U * 768 / 256 * 212);
}

}  // namespace
}  // namespace gyre::products_test
