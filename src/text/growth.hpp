#pragma once

#include <cstddef>
#include <string_view>

#include "base/error.hpp"

namespace gyre {

/// How much a part of a tokenizer may make of a text. Unicode's longest decomposition takes 11 times the room of its
/// character; the steps of a broken file may multiply a text, one after the other, beyond all memory.
class Growth {
 public:
  /// `size` is that of the text in bytes.
  Growth(std::string_view part, std::size_t size) : part_(part), size_(size), most_(32 * size + 256) {}

  /// Throws Error when `size` bytes are too many.
  void check(std::size_t size) const {
    if (size <= most_) return;
    throw Error("the {} of the tokenizer makes more than {} bytes of {}; use another tokenizer", part_, most_, size_);
  }

 private:
  std::string_view part_;
  std::size_t size_;
  std::size_t most_;
};

}  // namespace gyre
