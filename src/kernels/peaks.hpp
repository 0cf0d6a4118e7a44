#pragma once

#include <cstddef>

namespace gyre {

/// Multiply-adds between registers with nothing to wait for: the most that a core can do of a kind.
struct Peak {
  void (*run)(std::size_t rounds) = nullptr;  ///< null: the instruction set has none of this kind
  double operations = 0;                      ///< of a round; a multiply-add is two
};

struct Peaks {
  Peak floats;
  Peak bf16;   ///< bfloat16, added up as floats
  Peak bytes;  ///< added up as 32-bit integers
};

}  // namespace gyre
