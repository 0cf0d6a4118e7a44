#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "kernels/kernels.hpp"

namespace gyre {
namespace {

/// Keys and values of a layer as several loops left them: a page of each loop for the same 16 tokens.
class Versions {
 public:
  Versions(std::size_t loops, std::size_t entries) : lists_(loops) {
    const std::size_t floats = 2 * half() / sizeof(float);
    for (std::vector<const std::byte*>& list : lists_) {
      for (std::size_t page = 0; page < entries / kKvPage; ++page) {
        std::vector<float>& numbers = pages_.emplace_back(floats);
        for (std::size_t i = 0; i < floats; ++i) numbers[i] = 0.01F * static_cast<float>(i % 97);
        list.push_back(std::as_bytes(std::span(numbers)).data());
      }
    }
  }

  static constexpr std::size_t kHeads = 12;
  static constexpr std::size_t kHeadSize = 64;

  [[nodiscard]] KvPages head(std::size_t loop, std::size_t head) const {
    const std::size_t place = head * kv_page_bytes(KvType::f32, kHeadSize);
    return {KvType::f32, lists_[loop].data(), place, half() + place};
  }
  /// A token's keys and values from one loop's page into another's.
  void copy(std::size_t from, std::size_t to, std::size_t page, std::size_t place) {
    const auto* const source = lists_[from][page];
    auto* const target = const_cast<std::byte*>(lists_[to][page]);
    const std::size_t row = kv_row_bytes(KvType::f32, kHeadSize);
    for (std::size_t h = 0; h < kHeads; ++h) {
      const std::size_t keys = h * kv_page_bytes(KvType::f32, kHeadSize);
      copy_kv_key(KvType::f32, kHeadSize, source + keys, target + keys, place);
      std::memcpy(target + half() + keys + place * row, source + half() + keys + place * row, row);
    }
  }

 private:
  static std::size_t half() { return kHeads * kv_page_bytes(KvType::f32, kHeadSize); }

  std::vector<std::vector<float>> pages_;
  std::vector<std::vector<const std::byte*>> lists_;
};

/// One query of every head over 1024 entries. Reading by depth has to go through a page of every depth that its tokens
/// have: through so many lists of pages.
void attend(benchmark::State& state) {
  constexpr std::size_t kEntries = 1024;
  const auto loops = static_cast<std::size_t>(state.range(0));
  const Versions versions(loops, kEntries);
  const std::vector<float> query(Versions::kHeadSize, 0.1F);
  std::vector<float> out(Versions::kHeadSize);
  std::vector<float> scratch(attend_scratch(kEntries, Versions::kHeadSize));
  for (auto _ : state) {
    for (std::size_t head = 0; head < Versions::kHeads; ++head) {
      for (std::size_t loop = 0; loop < loops; ++loop) {
        kernels().attend(query.data(), query.size(), 1, versions.head(loop, head), kEntries, Versions::kHeadSize,
                         0.125F, scratch.data(), out.data(), out.size());
      }
    }
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(attend)->Arg(1)->Arg(2)->Arg(4)->Unit(benchmark::kMicrosecond);

/// What copying pays instead, once a token, layer and loop that it skipped.
void copy(benchmark::State& state) {
  Versions versions(2, 64);
  for (auto _ : state) {
    versions.copy(0, 1, 2, 5);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(copy)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gyre
