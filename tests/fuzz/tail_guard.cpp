#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>

// A mapped file ends inside its last page, and reading the rest of that page would go unseen. The linker sends every
// mmap and munmap of the program here (--wrap), so that AddressSanitizer knows where the file ends.

extern "C" {

void* __real_mmap(void* address, size_t size, int protection, int flags, int descriptor, off_t offset);
int __real_munmap(void* address, size_t size);

void* __wrap_mmap(void* address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  void* mapped = __real_mmap(address, size, protection, flags, descriptor, offset);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  if (mapped != MAP_FAILED && descriptor >= 0 && size % page != 0) {
    __asan_poison_memory_region(static_cast<std::uint8_t*>(mapped) + size, page - size % page);
  }
  return mapped;
}

int __wrap_munmap(void* address, size_t size) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  __asan_unpoison_memory_region(address, (size + page - 1) / page * page);
  return __real_munmap(address, size);
}
}
