#include "kernels/tables.hpp"
#include "kernels/thread_room.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace gyre::avxvnni {

constexpr bool kDotsBytes = true;
#include "kernels/products_256.inl"

}  // namespace gyre::avxvnni
#endif
