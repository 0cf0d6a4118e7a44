#include <cstdint>

#include "fuzz/targets.hpp"

/// What libFuzzer calls; CMake says which of the targets it is here.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gyre::fuzz::GYRE_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
