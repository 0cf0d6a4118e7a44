#include "study/ceilings.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/thread_pool.hpp"
#include "kernels/kernels.hpp"
#include "model/weights.hpp"
#include "study/statistics.hpp"
#include "study/stopwatch.hpp"

namespace gyre {
namespace {

constexpr int kTries = 9;

double operations_per_second(const Peak& peak, ThreadPool& pool, Stop stop) {
  if (peak.run == nullptr) return 0;
  constexpr std::size_t kRounds = std::size_t{1} << 20;
  std::vector<double> speeds;
  for (int attempt = 0; attempt <= kTries; ++attempt) {
    stop.check();
    const Stopwatch watch;
    pool.run([&](int /*part*/) { peak.run(kRounds); });
    speeds.push_back(peak.operations * static_cast<double>(kRounds) * pool.size() / watch.seconds());
  }
  speeds.erase(speeds.begin());  // a core takes a while to reach its speed
  return median(std::move(speeds));
}

constexpr std::size_t kLine = 64;

std::uint64_t sum_of_lines(std::span<const std::byte> lines) {
  constexpr std::size_t kLanes = kLine / sizeof(std::uint64_t);
  const auto* const numbers = reinterpret_cast<const std::uint64_t*>(lines.data());
  std::uint64_t lanes[kLanes] = {};
  for (std::size_t i = 0; i < lines.size() / sizeof(std::uint64_t); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += numbers[i + lane];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace

double read_bandwidth(std::span<const std::span<const std::byte>> memory, int threads, Stop stop) {
  constexpr std::size_t kRead = std::size_t{256} << 20;  // in a try
  std::size_t bytes = 0;
  for (const std::span<const std::byte> block : memory) bytes += block.size() / kLine * kLine;
  if (bytes == 0) return 0;
  ThreadPool pool(threads);
  const std::size_t repeats = std::max<std::size_t>(1, kRead / bytes);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads) * 8);
  const auto read = [&](int part) {
    std::uint64_t sum = 0;
    for (std::size_t r = 0; r < repeats; ++r) {
      for (const std::span<const std::byte> block : memory) {
        const Share lines = share_of(block.size() / kLine, 64, part, pool.size());
        sum += sum_of_lines(block.subspan(lines.begin * kLine, (lines.end - lines.begin) * kLine)) ^ r;
      }
    }
    sums[static_cast<std::size_t>(part) * 8] += sum;  // or nothing would have to be read
  };
  std::vector<double> speeds;
  for (int attempt = 0; attempt <= kTries; ++attempt) {
    stop.check();
    const Stopwatch watch;
    pool.run(read);
    speeds.push_back(static_cast<double>(bytes * repeats) / watch.seconds());
  }
  speeds.erase(speeds.begin());
  return median(std::move(speeds));
}

double read_bandwidth(std::size_t bytes, int threads, Stop stop) {
  WeightMemory memory;
  std::memset(memory.allocate(bytes), 1, bytes);  // pages that nobody wrote to are all the same page of zeros
  return read_bandwidth(memory.spans(), threads, stop);
}

Ceilings measure_ceilings(int threads, Stop stop, std::size_t memory_block) {
  ThreadPool pool(threads);
  Ceilings ceilings;
  const Peaks& peaks = kernels().peaks;
  ceilings.float_operations = operations_per_second(peaks.floats, pool, stop);
  ceilings.bf16_operations = operations_per_second(peaks.bf16, pool, stop);
  ceilings.byte_operations = operations_per_second(peaks.bytes, pool, stop);
  ceilings.cache_bytes = read_bandwidth(kCacheBlock, threads, stop);
  ceilings.memory_bytes = read_bandwidth(memory_block, threads, stop);
  return ceilings;
}

}  // namespace gyre
