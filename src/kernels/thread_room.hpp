#pragma once

#include <cstddef>

namespace gyre {

/// At least `bytes` bytes, at a multiple of 64, that are the calling thread's until it asks again. A thread-local array
/// would be a part of every thread of every program that loads this library.
std::byte* thread_room(std::size_t bytes);

}  // namespace gyre
