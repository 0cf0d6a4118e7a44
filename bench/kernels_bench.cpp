#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "engine/activation_rows.hpp"
#include "kernels/kernels.hpp"
#include "model/weights.hpp"

namespace gyre {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = normal_at(seed, i);
  return values;
}

/// Operations per second of a core that does nothing else; 0: this table has none of the kind.
double measured(const Peak& peak) {
  if (peak.run == nullptr) return 0;
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    constexpr std::size_t kRounds = 1 << 20;
    const auto begin = std::chrono::steady_clock::now();
    peak.run(kRounds);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best = std::max(best, peak.operations * static_cast<double>(kRounds) / seconds.count());
  }
  return best;
}

/// Matrix of [width, width] times `columns` vectors, rounding of the vectors included: GFLOP/s and GB/s of weights.
void multiply(benchmark::State& state, const Kernels* table, WeightType type) {
  const auto width = static_cast<std::size_t>(state.range(0));
  const auto columns = static_cast<std::size_t>(state.range(1));
  const std::size_t bytes = packed_bytes(type, width, width);
  WeightMemory memory;
  std::byte* const data = memory.allocate(bytes);
  std::memset(data, 0x3c, bytes);  // small numbers in every type, and none so small that they slow arithmetic down
  const std::vector<float> x = random_floats(width * columns, 2);
  ActivationRows rows;
  rows.reserve(columns, width);
  std::vector<float> y(width * columns);
  const PackedMatrix weights{type, width, width, data};
  const bool as_bf16 = table->takes_bf16(type, columns, width);
  for (auto _ : state) {
    if (as_bf16) table->round_to_bf16(x.data(), 0, columns, width, rows.bf16());
    if (is_coded(type) && !as_bf16) table->round_to_bytes(x.data(), columns, width, rows.rounded(0, width));
    const Activations input{columns, width, x.data(), rows.rounded(0, width), as_bf16 ? rows.bf16() : nullptr};
    table->multiply(weights, input, 0, weights.panels(), {y.data(), width});
    benchmark::DoNotOptimize(y.data());
  }
  using benchmark::Counter;
  const auto runs = static_cast<double>(state.iterations());
  const auto area = static_cast<double>(width * width);
  const double operations = 2 * area * static_cast<double>(columns) * runs;
  state.counters["FLOP/s"] = Counter(operations, Counter::kIsRate);
  if (const double most = measured(as_bf16          ? table->peaks.bf16
                                   : is_coded(type) ? table->peaks.bytes
                                                    : table->peaks.floats);
      most > 0) {
    state.counters["share_of_peak"] = Counter(operations / most, Counter::kIsRate);
  }
  state.counters["weight_bytes/s"] = Counter(static_cast<double>(bytes) * runs, Counter::kIsRate);
}

/// Queries of 64 channels, the first of which sees `count` positions of a cache.
void attend(benchmark::State& state, const Kernels* table, KvType type) {
  constexpr std::size_t kHead = 64;
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto rows = static_cast<std::size_t>(state.range(1));
  const std::vector<float> query = random_floats(rows * kHead, 1);
  const std::size_t bytes = kv_row_bytes(type, kHead);
  const std::size_t half = kv_page_bytes(type, kHead);
  std::vector<std::byte> memory((count + rows + kKvPage) / kKvPage * 2 * half + 64);
  std::byte* const first = memory.data() + 64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
  std::vector<const std::byte*> pages;
  for (std::size_t t = 0; t + 1 < count + rows; ++t) {
    std::byte* const page = first + t / kKvPage * 2 * half;
    if (t % kKvPage == 0) pages.push_back(page);
    write_kv_key(type, random_floats(kHead, 2 * t), page, t % kKvPage);
    write_kv_row(type, random_floats(kHead, 2 * t + 1), page + half + t % kKvPage * bytes);
  }
  std::vector<float> scratch(attend_scratch(count + rows, kHead));
  std::vector<float> out(rows * kHead);
  for (auto _ : state) {
    table->attend(query.data(), kHead, rows, {type, pages.data(), 0, half}, count, kHead, 0.125F, scratch.data(),
                  out.data(), kHead);
    benchmark::DoNotOptimize(out.data());
  }
}

/// What a latent exit rule costs a loop.
void step_statistics(benchmark::State& state, const Kernels* table) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::vector<float> now = random_floats(size, 1);
  const std::vector<float> before = random_floats(size, 2);
  std::vector<float> step(size);
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->step_statistics(now.data(), before.data(), step.data(), size));
  }
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const Kernels* table : available_kernels()) {
    const std::string name(table->name);
    for (const WeightLayout& layout : kWeightLayouts) {
      const std::string title = fmt::format("multiply/{}/{}", name, name_of(layout.type));
      benchmark::RegisterBenchmark(title.c_str(), multiply, table, layout.type)
          ->ArgsProduct({{768, 2048}, {1, 8, 16, 512}});
    }
    for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
      const std::string title = fmt::format("attend/{}/{}", name, name_of(type));
      benchmark::RegisterBenchmark(title.c_str(), attend, table, type)->ArgsProduct({{256, 4096}, {1, 3, 16}});
    }
    benchmark::RegisterBenchmark(("step_statistics/" + name).c_str(), step_statistics, table)->Arg(192)->Arg(768);
  }
  return true;
}();

}  // namespace
}  // namespace gyre
