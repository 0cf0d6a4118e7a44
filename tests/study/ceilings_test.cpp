#include "study/ceilings.hpp"

#include <gtest/gtest.h>

#include "kernels/kernels.hpp"

namespace gyre::ceilings_test {
namespace {

TEST(ReadBandwidth, IsMoreThanNothing) { EXPECT_GT(read_bandwidth(1 << 16, 1), 0); }

TEST(Ceilings, AreMeasuredForWhatTheKernelsHaveAndNothingElse) {
  const Ceilings ceilings = measure_ceilings(2, {}, 1 << 20);
  EXPECT_GT(ceilings.memory_bytes, 0);
  EXPECT_GT(ceilings.cache_bytes, 0);
  const Peaks& peaks = kernels().peaks;
  EXPECT_EQ(ceilings.float_operations > 0, peaks.floats.run != nullptr);
  EXPECT_EQ(ceilings.bf16_operations > 0, peaks.bf16.run != nullptr);
  EXPECT_EQ(ceilings.byte_operations > 0, peaks.bytes.run != nullptr);
}

TEST(Peaks, OfEveryVectorTableHaveFloatsAndBytes) {
  for (const Kernels* table : available_kernels()) {
    const bool vectors = table->name != "scalar";
    EXPECT_EQ(table->peaks.floats.operations > 0, vectors) << table->name;
    EXPECT_EQ(table->peaks.bytes.operations > 0, vectors) << table->name;
    EXPECT_EQ(table->peaks.bf16.operations > 0, table->name == "amx") << table->name;
  }
}

}  // namespace
}  // namespace gyre::ceilings_test
