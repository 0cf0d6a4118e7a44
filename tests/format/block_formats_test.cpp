#include "format/block_formats.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/error.hpp"
#include "base/half.hpp"
#include "format/gguf.hpp"
#include "format/storage_types.hpp"

namespace gyre::block_formats_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr DType kBlockTypes[] = {DType::q8_0, DType::q4_0, DType::q4_1, DType::q4_k, DType::q5_k, DType::q6_k};

std::vector<float> widened(const TensorView& tensor) {
  std::vector<float> out(tensor.element_count());
  widen(tensor, out);
  return out;
}

TEST(Golden, EveryTypeReadsAsThePackageGgufReadsIt) {
  const Gguf file(GYRE_TEST_DIR "/format/golden/types.gguf");
  for (const StorageType& type : storage_types()) {
    if (type.dtype == DType::tq2_0) continue;  // TernaryGivesThreeValuedWeightsBackExactly
    const std::string name(type.name);
    const TensorView& tensor = file.at(name);
    EXPECT_EQ(name_of(tensor.dtype), name);
    EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{3, 512}));
    EXPECT_EQ(widened(tensor), widened(file.at(name + ".values"))) << name;
  }
}

TEST(Golden, QuantizesToTheSameBytesAsThePackageGguf) {
  const Gguf file(GYRE_TEST_DIR "/format/golden/types.gguf");
  for (const DType dtype : {DType::q8_0, DType::q4_0}) {
    const std::string name(name_of(dtype));
    const std::span<const std::byte> expected = file.at(name).bytes;
    std::vector<std::byte> bytes(expected.size());
    quantize(dtype, widened(file.at(name + ".source")), bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin())) << name;
  }
}

TEST(Golden, RoundsToTheSameBytesAsThePackageGguf) {
  const Gguf file(GYRE_TEST_DIR "/format/golden/types.gguf");
  for (const DType dtype : {DType::q4_1, DType::q5_0, DType::q5_1}) {
    const std::string name(name_of(dtype));
    const std::span<const std::byte> expected = file.at(name + ".rounded").bytes;
    std::vector<std::byte> bytes(expected.size());
    quantize(dtype, widened(file.at("F32")), bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin())) << name;
  }
}

/// One block with its parts apart, and the value of number i by the formula in the header.
struct Parts {
  float scale = 0;
  float least = 0;
  std::array<int, 16> scales{};
  std::array<int, 8> minima{};
  std::array<int, 256> quants{};

  [[nodiscard]] float value(DType dtype, std::size_t i) const {
    const auto quant = static_cast<float>(quants[i]);
    switch (dtype) {
      case DType::q8_0:
        return scale * quant;
      case DType::q4_0:
        return scale * (quant - 8);
      case DType::q4_1:
        return scale * quant + least;
      case DType::q6_k:
        return scale * static_cast<float>(scales[i / 16]) * (quant - 32);
      default:
        return scale * static_cast<float>(scales[i / 32]) * quant - least * static_cast<float>(minima[i / 32]);
    }
  }
};

using Bytes = std::vector<std::byte>;

void put(Bytes& bytes, std::size_t at, int bits) { bytes[at] |= static_cast<std::byte>(bits); }

void put_half(Bytes& bytes, std::size_t at, float value) {
  const std::uint16_t half = to_f16(value);
  std::memcpy(bytes.data() + at, &half, sizeof half);
}

/// Packs bit by bit, one number after the other.
Bytes pack(DType dtype, const Parts& parts) {
  Bytes bytes(bytes_of(dtype));
  const bool k = dtype == DType::q4_k || dtype == DType::q5_k;
  put_half(bytes, dtype == DType::q6_k ? 208 : 0, parts.scale);
  if (k || dtype == DType::q4_1) put_half(bytes, 2, parts.least);
  for (std::size_t i = 0; k && i < 8; ++i) {
    const int scale = parts.scales[i];
    const int least = parts.minima[i];
    if (i < 4) {
      put(bytes, 4 + i, scale);
      put(bytes, 8 + i, least);
    } else {
      put(bytes, 8 + i, (scale & 15) | ((least & 15) << 4));
      put(bytes, i, (scale >> 4) << 6);
      put(bytes, 4 + i, (least >> 4) << 6);
    }
  }
  for (std::size_t i = 0; dtype == DType::q6_k && i < 16; ++i) put(bytes, 192 + i, parts.scales[i] & 255);
  for (std::size_t i = 0; i < block_size(dtype); ++i) {
    const int quant = parts.quants[i];
    if (dtype == DType::q8_0) put(bytes, 2 + i, quant & 255);
    if (dtype == DType::q4_0) put(bytes, 2 + i % 16, quant << (i / 16 * 4));
    if (dtype == DType::q4_1) put(bytes, 4 + i % 16, quant << (i / 16 * 4));
    if (k) put(bytes, (dtype == DType::q4_k ? 16 : 48) + i / 64 * 32 + i % 32, (quant & 15) << (i / 32 % 2 * 4));
    if (dtype == DType::q5_k) put(bytes, 16 + i % 32, (quant >> 4) << (i / 32));
    if (dtype == DType::q6_k) {
      put(bytes, i / 128 * 64 + i % 64, (quant & 15) << (i / 64 % 2 * 4));
      put(bytes, 128 + i / 128 * 32 + i % 32, (quant >> 4) << (i / 32 % 4 * 2));
    }
  }
  return bytes;
}

Parts random_parts(DType dtype, std::mt19937& random) {
  const auto draw = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  Parts parts;
  parts.scale = static_cast<float>(draw(-1024, 1024)) * 0x1p-12F;
  parts.least = static_cast<float>(draw(-1024, 1024)) * 0x1p-12F;
  for (int& scale : parts.scales) scale = dtype == DType::q6_k ? draw(-128, 127) : draw(0, 63);
  for (int& least : parts.minima) least = draw(0, 63);
  const int least = dtype == DType::q8_0 ? -128 : 0;
  const int most = dtype == DType::q8_0 ? 127 : dtype == DType::q6_k ? 63 : dtype == DType::q5_k ? 31 : 15;
  for (int& quant : parts.quants) quant = draw(least, most);
  return parts;
}

TEST(Dequantize, FollowsTheFormulaOfEachType) {
  std::mt19937 random(7);
  for (const DType dtype : kBlockTypes) {
    for (int round = 0; round < 20; ++round) {
      const Parts parts = random_parts(dtype, random);
      const Bytes bytes = pack(dtype, parts);
      std::vector<float> out(block_size(dtype));
      dequantize(dtype, bytes, out);
      // The factors are short enough for exact products, so that rounding is no excuse.
      for (std::size_t i = 0; i < out.size(); ++i)
        ASSERT_EQ(out[i], parts.value(dtype, i)) << name_of(dtype) << " " << i;
    }
  }
}

/// A block of 32 whose bytes are zeros but for d = 1 (and m = -3), code 31 for number 20 and code 5 for number 3.
TEST(Dequantize, FiveBitsByHand) {
  for (const bool has_least : {false, true}) {
    const DType dtype = has_least ? DType::q5_1 : DType::q5_0;
    const std::size_t at = has_least ? 4 : 2;
    Bytes bytes(bytes_of(dtype));
    put_half(bytes, 0, 1);
    if (has_least) put_half(bytes, 2, -3);
    put(bytes, at + 2, 1 << 4);       // bit 20: the upper bit of number 20
    put(bytes, at + 4 + 4, 15 << 4);  // number 20 = 16 + 4: the high half of byte 4
    put(bytes, at + 4 + 3, 5);        // number 3
    std::vector<float> out(32);
    dequantize(dtype, bytes, out);
    const float zero = has_least ? -3.0F : -16.0F;
    std::vector<float> expected(32, zero);
    expected[20] = zero + 31;
    expected[3] = zero + 5;
    EXPECT_EQ(out, expected) << name_of(dtype);
  }
}

/// Numbers of the last scale of a block, where all shifts are at their largest.
TEST(Dequantize, TwoAndThreeBitsByHand) {
  std::vector<float> out(256);
  Bytes two(bytes_of(DType::q2_k));
  put_half(two, 80, 0.5F);
  put_half(two, 82, 0.25F);
  put(two, 15, 7 | (3 << 4));      // the scale and the minimum of numbers 240 to 255
  put(two, 16 + 32 + 31, 3 << 6);  // number 255: run 3 of the second half
  dequantize(DType::q2_k, two, out);
  EXPECT_EQ(out[255], 0.5F * 7 * 3 - 0.25F * 3);
  EXPECT_EQ(out[254], -0.75F);
  EXPECT_EQ(out[239], 0.0F);

  Bytes three(bytes_of(DType::q3_k));
  put_half(three, 108, 0.5F);
  put(three, 31, 1 << 7);            // the third bit of number 255
  put(three, 32 + 32 + 31, 2 << 6);  // its other two
  put(three, 96 + 7, 13 << 4);       // scale 15: the low bits in the high half of byte 7
  put(three, 96 + 8 + 3, 2 << 6);    // and its upper bits
  dequantize(DType::q3_k, three, out);
  EXPECT_EQ(out[255], 0.5F * (13 + 32 - 32) * (4 + 2 - 4));
  EXPECT_EQ(out[254], 0.5F * 13 * -4);
  EXPECT_EQ(out[0], 0.5F * -32 * -4);
}

TEST(Dequantize, UnevenStepsByHand) {
  Bytes small(bytes_of(DType::iq4_nl));
  put_half(small, 0, 2);
  put(small, 2 + 15, 15 << 4);  // number 31
  std::vector<float> out(32);
  dequantize(DType::iq4_nl, small, out);
  EXPECT_EQ(out[31], 2.0F * 113);
  EXPECT_EQ(out[0], 2.0F * -127);

  Bytes large(bytes_of(DType::iq4_xs));
  put_half(large, 0, 0.5F);
  put(large, 3, 3 << 6);          // the upper bits of scale 7
  put(large, 4 + 3, 5 << 4);      // its lower ones
  put(large, 8 + 7 * 16 + 2, 8);  // number 226
  out.resize(256);
  dequantize(DType::iq4_xs, large, out);
  EXPECT_EQ(out[226], 0.5F * (48 + 5 - 32) * 1);
  EXPECT_EQ(out[227], 0.5F * 21 * -127);
  EXPECT_EQ(out[0], 0.5F * -32 * -127);
}

TEST(StorageTypes, HaveTheNumbersAndSizesOfGgml) {
  // Numbers in a block and its bytes, as ggml.h and ggml-common.h have them.
  struct Row {
    std::uint32_t number;
    std::string_view name;
    std::size_t numbers;
    std::size_t bytes;
  };
  const std::vector<Row> rows = {
      {0, "F32", 1, 4},       {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},    {3, "Q4_1", 32, 20},
      {6, "Q5_0", 32, 22},    {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},    {10, "Q2_K", 256, 84},
      {11, "Q3_K", 256, 110}, {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176}, {14, "Q6_K", 256, 210},
      {20, "IQ4_NL", 32, 18}, {23, "IQ4_XS", 256, 136}, {30, "BF16", 1, 2},     {35, "TQ2_0", 256, 66}};
  for (const Row& row : rows) {
    const StorageType* const type = storage_type_of_gguf(row.number);
    ASSERT_NE(type, nullptr) << row.name;
    EXPECT_EQ(type->name, row.name);
    EXPECT_EQ(byte_size(type->dtype, 256), 256 / row.numbers * row.bytes) << row.name;
  }
}

TEST(StorageTypes, TheNamesThatCanBeWrittenAreTheNamesThatAreParsed) {
  EXPECT_EQ(written_types(), "f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, tq2_0");
  EXPECT_EQ(written_types(true), "q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, tq2_0");
  EXPECT_EQ(parse_storage_type("q4_0", "--type"), DType::q4_0);
  EXPECT_EQ(parse_storage_type("Q4_0", "--type"), DType::q4_0);
  EXPECT_THAT([] { static_cast<void>(parse_storage_type("q3_k", "--type")); },
              ThrowsMessage<Error>(AllOf(HasSubstr("--type"), HasSubstr("q3_k"), HasSubstr("tq2_0"))));
  ASSERT_NE(storage_type_of_gguf(23), nullptr);
  EXPECT_EQ(storage_type_of_gguf(23)->name, "IQ4_XS");
  EXPECT_EQ(storage_type_of_gguf(9), nullptr);
}

TEST(Quantize, ErrsByNoMoreThanHalfAStep) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  for (const DType dtype : {DType::q8_0, DType::q4_0}) {
    for (const float size : {1e-3F, 1.0F, 100.0F}) {
      std::vector<float> values(32 * 64);
      for (float& value : values) value = size * normal(random);
      Bytes bytes(byte_size(dtype, values.size()));
      quantize(dtype, values, bytes);
      std::vector<float> out(values.size());
      dequantize(dtype, bytes, out);
      for (std::size_t i = 0; i < values.size(); ++i) {
        float largest = 0;
        for (std::size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) largest = std::max(largest, std::fabs(values[j]));
        // The scale is rounded to a half, to one part in 2048 or by half the least half. Of q4_0 the number opposite to
        // the largest may be up to a whole step off, since there are fewer steps on its side.
        const float step = dtype == DType::q8_0 ? largest / 127 : largest / 8;
        const float most = (dtype == DType::q8_0 ? 0.5F : 1.0F) * step + largest / 2048 + 0x1p-25F * 128;
        ASSERT_LE(std::fabs(out[i] - values[i]), most) << name_of(dtype) << " " << i;
      }
    }
  }
}

/// The root of the mean square error of 256 × 100 normal numbers, beside that of the numbers.
double relative_error(DType dtype) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  std::vector<float> values(256 * 100);
  for (float& value : values) value = 0.05F * normal(random);
  Bytes bytes(byte_size(dtype, values.size()));
  quantize(dtype, values, bytes);
  std::vector<float> out(values.size());
  dequantize(dtype, bytes, out);
  double error = 0;
  double power = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(out[i] - values[i]), 2);
    power += std::pow(static_cast<double>(values[i]), 2);
  }
  return std::sqrt(error / power);
}

TEST(Quantize, FittedScalesErrLessThanThoseOfTheExtremes) {
  // Found: 0.0178, 0.0358, 0.0718, 0.0783 and 0.0860.
  EXPECT_LT(relative_error(DType::q6_k), 0.019);
  EXPECT_LT(relative_error(DType::q5_k), 0.038);
  EXPECT_LT(relative_error(DType::q4_k), 0.075);
  EXPECT_LT(relative_error(DType::q4_k), relative_error(DType::q4_1));
  EXPECT_LT(relative_error(DType::q4_1), relative_error(DType::q4_0));
  EXPECT_LT(relative_error(DType::q5_1), relative_error(DType::q5_0));
  EXPECT_LT(relative_error(DType::q5_0), relative_error(DType::q4_1));
}

TEST(Quantize, KTypesKeepNumbersThatAreAllTheSame) {
  for (const DType dtype : {DType::q4_k, DType::q5_k, DType::q6_k}) {
    for (const float value : {0.0F, -3.0F, 7.0F, 1e-39F}) {
      Bytes bytes(bytes_of(dtype));
      std::vector<float> out(256, 1.0F);
      quantize(dtype, std::vector<float>(256, value), bytes);
      dequantize(dtype, bytes, out);
      for (const float number : out) ASSERT_NEAR(number, value, 1e-3F * std::fabs(value) + 1e-30F) << name_of(dtype);
    }
  }
}

TEST(Quantize, WhatWasQuantizedOnceStaysAsItIs) {
  std::vector<float> values(32);
  for (std::size_t i = 0; i < 32; ++i) values[i] = static_cast<float>(i) - 16;
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q5_0}) {
    Bytes once(bytes_of(dtype));
    Bytes twice(bytes_of(dtype));
    std::vector<float> out(32);
    quantize(dtype, values, once);
    dequantize(dtype, once, out);
    quantize(dtype, out, twice);
    EXPECT_EQ(once, twice) << name_of(dtype);
  }
}

TEST(Quantize, ZerosAndNumbersTooSmallForAScaleBecomeZeros) {
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q5_0}) {
    for (const float value : {0.0F, -0.0F, 1e-39F, -std::numeric_limits<float>::denorm_min(), 1e-12F}) {
      const std::vector<float> values(32, value);
      Bytes bytes(bytes_of(dtype));
      quantize(dtype, values, bytes);
      std::vector<float> out(32, 1.0F);
      dequantize(dtype, bytes, out);
      EXPECT_EQ(out, std::vector<float>(32, 0.0F)) << name_of(dtype) << " " << value;
    }
  }
}

TEST(Quantize, RefusesWhatDoesNotFit) {
  Bytes bytes(64);
  std::vector<float> values(32, 1.0F);
  EXPECT_THAT([&] { quantize(DType::q3_k, values, bytes); }, ThrowsMessage<Error>(HasSubstr("Q3_K")));
  EXPECT_THAT([&] { quantize(DType::bf16, values, bytes); },
              ThrowsMessage<Error>(HasSubstr("choose one of q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, tq2_0")));
  EXPECT_THAT([&] { quantize(DType::q8_0, std::span(values).first(31), bytes); },
              ThrowsMessage<Error>(AllOf(HasSubstr("31"), HasSubstr("32"))));
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e9F}) {
    values[3] = bad;
    EXPECT_THAT([&] { quantize(DType::q8_0, values, bytes); }, ThrowsMessage<Error>(HasSubstr("0 to 31")));
    EXPECT_THAT([&] { quantize(DType::q4_0, values, bytes); }, ThrowsMessage<Error>(HasSubstr("too large")));
  }
}

TEST(Dequantize, IsForBlockFormatsOnly) {
  std::vector<float> out(1);
  EXPECT_THAT([&] { dequantize(DType::f32, Bytes(4), out); }, ThrowsMessage<Error>(HasSubstr("F32")));
}

TEST(Quantize, TernaryGivesThreeValuedWeightsBackExactly) {
  std::vector<float> values(512);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 0.125F * static_cast<float>(static_cast<int>(i * 7 % 3) - 1);
  std::vector<std::byte> bytes(byte_size(DType::tq2_0, values.size()));
  quantize(DType::tq2_0, values, bytes);
  std::vector<float> back(values.size());
  dequantize(DType::tq2_0, bytes, back);
  EXPECT_EQ(back, values);
  // Number 128 h + 32 r + i of a block: bits 2r and 2r + 1 of byte 32 h + i; the scale ends the block.
  EXPECT_EQ((std::to_integer<int>(bytes[32 + 5]) >> 4) & 3, static_cast<int>((128 + 64 + 5) * 7 % 3));
  EXPECT_EQ(std::to_integer<int>(bytes[64]) | std::to_integer<int>(bytes[65]) << 8, to_f16(0.125F));
}

std::vector<float> numbers_of(const StorageType& type, const std::vector<std::uint8_t>& block) {
  std::vector<float> numbers(type.numbers);
  type.read(block.data(), numbers.data());
  return numbers;
}

TEST(Set, RoundsOneNumberByTheScalesOfItsBlock) {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal(0.1F, 1.0F);
  for (const StorageType& type : storage_types()) {
    if (type.set == nullptr) continue;
    std::vector<float> values(type.numbers);
    for (float& value : values) value = normal(generator);
    std::vector<std::uint8_t> block(type.bytes);
    type.write(values.data(), block.data());
    const std::vector<float> before = numbers_of(type, block);
    for (const std::size_t i : {std::size_t{0}, type.numbers / 2 - 1, type.numbers / 2 + 3, type.numbers - 1}) {
      std::vector<std::uint8_t> changed = block;
      // All that this number can be: what far too many values come to.
      std::vector<float> grid;
      for (int step = -4000; step <= 4000; ++step) {
        grid.push_back(type.set(changed.data(), i, 0.002F * static_cast<float>(step)));
      }
      for (const float value : {0.33F, -1.2F, 0.0F, 50.0F, -50.0F}) {
        const float set = type.set(changed.data(), i, value);
        std::vector<float> expected = before;
        expected[i] = set;
        EXPECT_EQ(numbers_of(type, changed), expected) << type.name << " " << i << " " << value;
        for (const float other : grid) EXPECT_LE(std::fabs(set - value), std::fabs(other - value) + 1e-6F) << type.name;
      }
      EXPECT_GE(*std::max_element(grid.begin(), grid.end()), before[i]);
      EXPECT_LE(*std::min_element(grid.begin(), grid.end()), before[i]);
    }
  }
}

TEST(Set, EveryTypeThatIsWrittenHasIt) {
  for (const StorageType& type : storage_types()) EXPECT_EQ(type.set == nullptr, type.write == nullptr) << type.name;
}

TEST(Set, FourBitsByHand) {
  const StorageType& type = storage_type(DType::q4_0);
  std::vector<float> values(32, 0.0F);
  values[0] = -16;  // a scale of 2
  std::vector<std::uint8_t> block(type.bytes);
  type.write(values.data(), block.data());
  EXPECT_EQ(type.set(block.data(), 17, 5.2F), 6);     // 2.6 steps
  EXPECT_EQ(type.set(block.data(), 18, 100.0F), 14);  // seven steps are the most
  EXPECT_EQ(type.set(block.data(), 1, -100.0F), -16);
  EXPECT_EQ(block[2 + 1], (8 + 3) << 4 | 0);  // numbers 17 and 1
  EXPECT_EQ(block[2 + 2], 15 << 4 | 8);       // numbers 18 and 2
}

}  // namespace
}  // namespace gyre::block_formats_test
