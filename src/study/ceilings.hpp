#pragma once

#include <cstddef>
#include <span>

#include "base/stop.hpp"

namespace gyre {

/// Bytes per second at which `threads` threads together read some memory over and over, each its own part of it: the
/// median of several tries. What fits a cache is read from there.
double read_bandwidth(std::span<const std::span<const std::byte>> memory, int threads, Stop stop = {});
/// Of a block of so many bytes.
double read_bandwidth(std::size_t bytes, int threads, Stop stop = {});

/// The most that this machine can do with some threads at this moment. Operations are two a multiply-add; 0 where the
/// kernels in use have no instruction of the kind.
struct Ceilings {
  double memory_bytes = 0;  ///< read per second from memory
  double cache_bytes = 0;   ///< read per second of a block of kCacheBlock bytes
  double float_operations = 0;
  double bf16_operations = 0;  ///< products of bfloat16, sums of floats
  double byte_operations = 0;
};

/// As large as a looped group that is meant to stay in the third-level cache.
inline constexpr std::size_t kCacheBlock = std::size_t{16} << 20;

/// More than any cache holds.
inline constexpr std::size_t kMemoryBlock = std::size_t{512} << 20;

/// Takes about five seconds and `memory_block` bytes of memory.
Ceilings measure_ceilings(int threads, Stop stop = {}, std::size_t memory_block = kMemoryBlock);

}  // namespace gyre
