#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace gyre::avxvnni {

constexpr bool kDotsBytes = true;
#include "kernels/products_256.inl"

}  // namespace gyre::avxvnni
#endif
