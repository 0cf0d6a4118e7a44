#include "serve/heap.hpp"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace gyre::serve {

void share_heaps() {
#ifdef __GLIBC__
  constexpr int kHeaps = 4;
  ::mallopt(M_ARENA_MAX, kHeaps);
#endif
}

void trim_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace gyre::serve
