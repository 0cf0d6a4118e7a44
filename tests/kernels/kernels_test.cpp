#include "kernels/kernels.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "base/half.hpp"
#include "base/random.hpp"

namespace gyre::kernels_test {
namespace {

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();

/// Random floats whose first one lies `shift` floats off whatever alignment the allocator gives.
class Floats {
 public:
  Floats(Random& random, std::size_t count, float scale = 1.0F, std::size_t shift = 1)
      : memory_(count + shift), shift_(shift), count_(count) {
    for (float& value : memory_) value = scale * static_cast<float>(random.normal());
  }
  [[nodiscard]] float* data() { return memory_.data() + shift_; }
  [[nodiscard]] const float* data() const { return memory_.data() + shift_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  float& operator[](std::size_t i) { return data()[i]; }

 private:
  std::vector<float> memory_;
  std::size_t shift_;
  std::size_t count_;
};

float rounded_to_bf16(float value) { return std::bit_cast<float>(static_cast<std::uint32_t>(to_bf16(value)) << 16U); }

/// Random keys and values of one head.
struct Cache {
  Cache(KvType kv_type, std::size_t count, std::size_t head)
      : type(kv_type),
        head_size(head),
        half(kv_page_bytes(kv_type, head)),
        memory((count + kKvPage - 1) / kKvPage * 2 * half) {
    for (std::size_t at = 0; at < memory.size(); at += 2 * half) pages.push_back(memory.data() + at);
  }
  Cache(Random& random, KvType kv_type, std::size_t count, std::size_t head) : Cache(kv_type, count, head) {
    for (std::size_t t = 0; t < count; ++t) {
      std::byte* const page = memory.data() + t / kKvPage * 2 * half;
      const Floats key(random, head_size, 2);
      write_kv_key(type, {key.data(), head_size}, page, t % kKvPage);
      const Floats value(random, head_size, 2);
      write_kv_row(type, {value.data(), head_size}, page + half + t % kKvPage * kv_row_bytes(type, head_size));
    }
  }
  /// `count` positions from `first` on, in pages of their own.
  [[nodiscard]] Cache from(std::size_t first, std::size_t count) const {
    Cache rest(type, count, head_size);
    for (std::size_t t = 0; t < count; ++t) {
      const std::size_t place = (first + t) % kKvPage;
      const std::byte* const page = pages[(first + t) / kKvPage];
      std::byte* const copy = rest.memory.data() + t / kKvPage * 2 * half;
      std::vector<float> key(head_size);
      read_kv_key(type, page, place, key);
      write_kv_key(type, key, copy, t % kKvPage);
      const std::size_t row = kv_row_bytes(type, head_size);
      std::copy_n(page + half + place * row, row, copy + half + t % kKvPage * row);
    }
    return rest;
  }
  [[nodiscard]] KvPages rows(std::size_t window = 0) const { return {type, pages.data(), 0, half, window}; }

  KvType type;
  std::size_t head_size;
  std::size_t half;  ///< where the values of a page begin
  std::vector<std::byte> memory;
  std::vector<const std::byte*> pages;
};

/// Every table against the plain reference.
class KernelTable : public ::testing::TestWithParam<const Kernels*> {
 protected:
  /// `rows` queries of the order `range`, the first of which sees `count` positions.
  void expect_plain_attention(const Cache& cache, const Floats& queries, std::size_t rows, std::size_t count,
                              float range) const {
    const std::size_t n = cache.head_size;
    const float scale = 1.0F / std::sqrt(static_cast<float>(n));
    std::vector<float> scratch(attend_scratch(count + rows - 1, n));
    std::vector<float> wanted(rows * n);
    std::vector<float> got(rows * n, 9);
    plain_.attend(queries.data(), n, rows, cache.rows(), count, n, scale, scratch.data(), wanted.data(), n);
    table_.attend(queries.data(), n, rows, cache.rows(), count, n, scale, scratch.data(), got.data(), n);
    // An error of the scores becomes a relative error of the probabilities; values are of the order 8.
    const float score = 2 * range * std::sqrt(static_cast<float>(n)) * 4;
    const auto positions = static_cast<float>(count + rows);
    // Tiles round what each position counts to 9 bits, of values of the order 8.
    const bool by_tiles = table_.name == "amx" && cache.type == KvType::bf16 && rows >= 16;
    const float rounding = by_tiles ? 8 * 0x1p-9F : 0;
    const float tolerance = 4 * kEpsilon * (score * static_cast<float>(n) + positions + 8) * 8 + rounding;
    for (std::size_t i = 0; i < rows * n; ++i) ASSERT_NEAR(got[i], wanted[i], tolerance) << i;
  }

  const Kernels& table_ = *GetParam();
  const Kernels& plain_ = *available_kernels().front();
  Random random_{7};
};

TEST_P(KernelTable, NormsOfEverySize) {
  for (std::size_t n = 1; n <= 70; ++n) {
    const Floats x(random_, n, 3);
    const Floats weight(random_, n);
    const Floats bias(random_, n);
    std::vector<float> wanted(n);
    std::vector<float> got(n);
    // The largest normalised value is sqrt(n); a mean near zero may lose what the sum's rounding costs.
    const float tolerance = 8 * kEpsilon * static_cast<float>(n) * 4 * (1 + std::sqrt(static_cast<float>(n)));
    plain_.rms_norm(x.data(), weight.data(), 1e-5F, n, wanted.data());
    table_.rms_norm(x.data(), weight.data(), 1e-5F, n, got.data());
    for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(got[i], wanted[i], tolerance) << "rms, " << n;
    // A constant far from zero and eps make the case n = 1 (no variance at all) well defined.
    plain_.layer_norm(x.data(), weight.data(), bias.data(), 1e-2F, n, wanted.data());
    table_.layer_norm(x.data(), weight.data(), bias.data(), 1e-2F, n, got.data());
    for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(got[i], wanted[i], 4 * tolerance) << "layer, " << n;
  }
}

TEST_P(KernelTable, NormsOfZerosAreFinite) {
  const std::vector<float> zeros(37, 0.0F);
  const std::vector<float> ones(37, 1.0F);
  std::vector<float> out(37, 5.0F);
  table_.rms_norm(zeros.data(), ones.data(), 1e-5F, 37, out.data());
  EXPECT_EQ(out, zeros);
  table_.layer_norm(zeros.data(), ones.data(), ones.data(), 1e-5F, 37, out.data());
  EXPECT_EQ(out, ones);
}

TEST_P(KernelTable, RotationOfAnySizeAndBothOrders) {
  for (std::size_t pairs = 1; pairs <= 40; ++pairs) {
    for (const bool adjacent : {false, true}) {
      const Floats cosines(random_, pairs);
      const Floats sines(random_, pairs);
      Floats got(random_, 2 * pairs);
      std::vector<float> wanted(got.data(), got.data() + 2 * pairs);
      plain_.rotate(wanted.data(), cosines.data(), sines.data(), pairs, adjacent);
      table_.rotate(got.data(), cosines.data(), sines.data(), pairs, adjacent);
      for (std::size_t i = 0; i < 2 * pairs; ++i) ASSERT_NEAR(got[i], wanted[i], 16 * kEpsilon) << pairs;
    }
  }
}

TEST_P(KernelTable, AttentionOfAnyShapeTypeAndScoresOfAnyRange) {
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    for (const float range : {0.1F, 1.0F, 30.0F}) {
      for (std::size_t head_size = 1; head_size <= 70; head_size += 3) {
        SCOPED_TRACE(fmt::format("{}, range {}, head size {}", name_of(type), range, head_size));
        const std::size_t count = 1 + random_.below(50);
        const Cache cache(random_, type, count, head_size);
        expect_plain_attention(cache, Floats(random_, head_size, range), 1, count, range);
      }
    }
  }
}

TEST_P(KernelTable, AttentionOfManyQueriesTogether) {
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    for (const std::size_t head_size : {16, 32, 48, 50, 64}) {
      for (const std::size_t rows : {2, 8, 13, 24}) {
        SCOPED_TRACE(fmt::format("{}, head size {}, {} rows", name_of(type), head_size, rows));
        const std::size_t count = 1 + random_.below(30);
        const Cache cache(random_, type, count + rows - 1, head_size);
        Floats queries(random_, rows * head_size);
        // So that tiles, which take bfloat16, need not round them.
        for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = rounded_to_bf16(queries[i]);
        expect_plain_attention(cache, queries, rows, count, 1.0F);
      }
    }
  }
}

TEST_P(KernelTable, AttentionOfWholeTilesOfQueries) {
  for (const std::size_t head_size : {32, 64, 96, 128, 160}) {
    for (const std::size_t rows : {16, 17, 31, 40}) {
      for (const std::size_t count : {1, 15, 16, 33, 64}) {
        SCOPED_TRACE(fmt::format("head size {}, {} rows behind {}", head_size, rows, count));
        const Cache cache(random_, KvType::bf16, count + rows - 1, head_size);
        for (const float range : {0.1F, 1.0F, 30.0F}) {
          Floats queries(random_, rows * head_size, range);
          for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = rounded_to_bf16(queries[i]);
          expect_plain_attention(cache, queries, rows, count, range);
        }
      }
    }
  }
}

/// A query in a window gets what it would get of a cache that begins with its window.
TEST_P(KernelTable, AttentionInAWindowReadsNothingBeforeIt) {
  constexpr std::size_t kSize = 24;
  constexpr std::size_t kRows = 13;
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    for (const std::size_t window : {1, 2, 7, 8, 16, 17, 40, 100}) {
      for (const std::size_t count : {1, 5, 16, 30, 61}) {
        const Cache cache(random_, type, count + kRows - 1, kSize);
        const Floats queries(random_, kRows * kSize);
        std::vector<float> scratch(attend_scratch(count + kRows - 1, kSize));
        std::vector<float> got(kRows * kSize);
        table_.attend(queries.data(), kSize, kRows, cache.rows(window), count, kSize, 0.2F, scratch.data(), got.data(),
                      kSize);
        for (std::size_t r = 0; r < kRows; ++r) {
          const std::size_t seen = std::min(window, count + r);
          const Cache rest = cache.from(count + r - seen, seen);
          std::vector<float> wanted(kSize);
          plain_.attend(queries.data() + r * kSize, kSize, 1, rest.rows(), seen, kSize, 0.2F, scratch.data(),
                        wanted.data(), kSize);
          for (std::size_t i = 0; i < kSize; ++i) {
            ASSERT_NEAR(got[r * kSize + i], wanted[i], 2e-4F)
                << name_of(type) << ", window " << window << ", row " << r << " behind " << count;
          }
        }
      }
    }
  }
}

/// Where a text sees itself whole, each query gets what it gets alone of all positions, to the bit. 400 positions of
/// small heads need more scratch for a tile's rows of scores than for anything else.
TEST_P(KernelTable, AttentionOfQueriesThatSeeTheSame) {
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    for (const std::size_t size : {8, 16, 24}) {
      for (const std::size_t count : {1, 2, 3, 4, 7, 8, 15, 16, 17, 40, 61, 400}) {
        const Cache cache(random_, type, count, size);
        const Floats queries(random_, count * size);
        std::vector<float> scratch(attend_scratch(count, size));
        std::vector<float> got(count * size);
        KvPages pages = cache.rows();
        pages.growth = 0;
        table_.attend(queries.data(), size, count, pages, count, size, 0.2F, scratch.data(), got.data(), size);
        for (std::size_t r = 0; r < count; ++r) {
          std::vector<float> alone(size);
          table_.attend(queries.data() + r * size, size, 1, cache.rows(), count, size, 0.2F, scratch.data(),
                        alone.data(), size);
          for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(got[r * size + i], alone[i]) << name_of(type) << count;
        }
      }
    }
  }
}

TEST_P(KernelTable, GeluOfEverySizeAndExtremeInputs) {
  for (std::size_t n = 1; n <= 70; ++n) {
    Floats x(random_, n, 3);
    x[0] = n % 2 == 0 ? 1000.0F : -1000.0F;
    x[n / 2] = n % 3 == 0 ? -12.0F : 1e-6F;
    x[n - 1] = n % 3 == 0 ? 0.0F : -5.5F;
    std::vector<float> got(n);
    table_.gelu(x.data(), n, got.data());
    for (std::size_t i = 0; i < n; ++i) {
      const auto number = static_cast<double>(x[i]);
      const double wanted = 0.5 * number * std::erfc(-number / std::sqrt(2.0));
      ASSERT_NEAR(static_cast<double>(got[i]), wanted, 2e-7 * std::abs(number)) << number;
      // The tail keeps its size: the polynomial is good to 1e-6 of it, exp to what x² loses in rounding.
      if (number > -8 && number < 0) {
        ASSERT_NEAR(static_cast<double>(got[i]) / wanted, 1, 1e-5) << number;
      }
    }
  }
}

/// To the bit: a query gets the same alone and among others. Tiles alone may round otherwise.
TEST_P(KernelTable, AttentionDoesNotDependOnTheQueriesBesideIt) {
  for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
    if (table_.name == "amx" && type == KvType::bf16) continue;
    for (const std::size_t head_size : {5, 16, 40, 64, 80, 128, 256}) {
      for (const std::size_t rows : {2, 3, 4, 5, 7, 8, 9, 13, 24, 30, 53}) {
        const std::size_t count = 1 + random_.below(150);
        const std::size_t window = random_.below(2) == 0 ? 0 : 1 + random_.below(100);
        const Cache cache(random_, type, count + rows - 1, head_size);
        const Floats queries(random_, rows * head_size);
        std::vector<float> scratch(attend_scratch(count + rows - 1, head_size));
        std::vector<float> together(rows * head_size);
        table_.attend(queries.data(), head_size, rows, cache.rows(window), count, head_size, 0.125F, scratch.data(),
                      together.data(), head_size);
        for (std::size_t r = 0; r < rows; ++r) {
          std::vector<float> alone(head_size);
          table_.attend(queries.data() + r * head_size, head_size, 1, cache.rows(window), count + r, head_size, 0.125F,
                        scratch.data(), alone.data(), head_size);
          for (std::size_t i = 0; i < head_size; ++i) {
            ASSERT_EQ(together[r * head_size + i], alone[i]) << name_of(type) << ", head size " << head_size << ", row "
                                                             << r << " of " << rows << " behind " << count;
          }
        }
      }
    }
  }
}

TEST_P(KernelTable, AttentionToOneHugeScoreReturnsItsValue) {
  constexpr std::size_t kCount = 41;
  Cache cache(random_, KvType::f32, kCount, 1);
  for (std::size_t t = 0; t < kCount; ++t) {
    const float key = t == 17 ? 1000.0F : -1000.0F;
    const auto value = static_cast<float>(t);
    std::byte* const page = cache.memory.data() + t / kKvPage * 2 * cache.half;
    write_kv_key(KvType::f32, {&key, 1}, page, t % kKvPage);
    write_kv_row(KvType::f32, {&value, 1}, page + cache.half + t % kKvPage * sizeof value);
  }
  std::vector<float> scratch(attend_scratch(kCount, 1));
  const float query = 1.0F;
  float out = 0;
  table_.attend(&query, 1, 1, cache.rows(), kCount, 1, 1.0F, scratch.data(), &out, 1);
  EXPECT_FLOAT_EQ(out, 17.0F);
}

TEST_P(KernelTable, SiluOfEverySizeAndExtremeInputs) {
  for (std::size_t n = 1; n <= 70; ++n) {
    Floats x(random_, 2 * n, 10);  // the gates, then what they let through
    x[0] = n % 2 == 0 ? 100.0F : -100.0F;
    x[n / 2] = n % 2 == 0 ? -100.0F : 100.0F;
    x[n - 1] = n % 3 == 0 ? 0.0F : -88.5F;
    std::vector<float> got(n);
    table_.silu_gated(x.data(), x.data() + n, n, got.data());
    for (std::size_t i = 0; i < n; ++i) {
      const auto gate = static_cast<double>(x[i]);
      const double wanted = gate / (1 + std::exp(-gate)) * static_cast<double>(x[n + i]);
      // exp is good to a few epsilon, relative to the argument's own rounding.
      const double tolerance = 8 * static_cast<double>(kEpsilon) * (1 + std::abs(gate)) * std::abs(wanted) + 1e-30;
      ASSERT_NEAR(static_cast<double>(got[i]), wanted, tolerance) << "gate " << gate;
    }
  }
}

TEST_P(KernelTable, ExponentialsOfEverySizeAndTheirSum) {
  for (std::size_t n = 1; n <= 70; ++n) {
    Floats x(random_, n, 9.0F);
    if (n > 20) x[n - 2] = -1e30F;  // as low as there is
    std::vector<float> y(n);
    const float largest = table_.largest(x.data(), n);
    EXPECT_EQ(largest, *std::max_element(x.data(), x.data() + n));
    const float sum = table_.exponentials(x.data(), n, largest, 0.5F, y.data());
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double wanted = std::exp(std::max(-87.0, (static_cast<double>(x[i]) - static_cast<double>(largest)) * 0.5));
      ASSERT_NEAR(y[i], wanted, 1e-5 * wanted) << n << ", number " << i;
      total += wanted;
    }
    EXPECT_NEAR(sum, total, 1e-5 * total);
  }
}

TEST_P(KernelTable, StepStatisticsOfEverySizeAndTheNewStep) {
  for (std::size_t n = 1; n <= 70; ++n) {
    const Floats now(random_, n);
    const Floats before(random_, n);
    const Floats step(random_, n);
    std::vector<float> wanted_step(step.data(), step.data() + n);
    std::vector<float> got_step = wanted_step;
    const StepStatistics wanted = plain_.step_statistics(now.data(), before.data(), wanted_step.data(), n);
    const StepStatistics got = table_.step_statistics(now.data(), before.data(), got_step.data(), n);
    EXPECT_EQ(got_step, wanted_step);
    const float relative = 2 * kEpsilon * static_cast<float>(n);
    EXPECT_NEAR(got.state, wanted.state, relative * wanted.state);
    EXPECT_NEAR(got.step, wanted.step, relative * wanted.step);
    EXPECT_NEAR(got.acceleration, wanted.acceleration, relative * wanted.acceleration);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelTable, ::testing::ValuesIn(available_kernels()),
                         [](const auto& table) { return std::string(table.param->name); });

TEST(Kernels, ThePlainReferenceComesFirst) { EXPECT_EQ(available_kernels().front()->name, "scalar"); }

TEST(Kernels, StepStatisticsOfAHandMadeStep) {
  const std::vector<float> now = {3, 4};
  const std::vector<float> before = {3, 1};
  std::vector<float> step = {4, 3};
  const StepStatistics sums = available_kernels().front()->step_statistics(now.data(), before.data(), step.data(), 2);
  EXPECT_EQ(sums.state, 25);
  EXPECT_EQ(sums.step, 9);
  EXPECT_EQ(sums.acceleration, 16);
  EXPECT_EQ(step, (std::vector<float>{0, 3}));
}

}  // namespace
}  // namespace gyre::kernels_test
