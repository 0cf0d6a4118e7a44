#include "kernels/thread_room.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <thread>

#if defined(__linux__)
#include <link.h>
#endif

namespace gyre::thread_room_test {
namespace {

TEST(ThreadRoom, IsTheThreadsOwnAndLargeEnough) {
  std::byte* const small = thread_room(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small) % 64, 0U);
  EXPECT_EQ(thread_room(64), small);
  std::byte* const large = thread_room(1U << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large) % 64, 0U);
  large[0] = std::byte{1};
  large[(1U << 20) - 1] = std::byte{2};
  EXPECT_EQ(thread_room(100), large);
  std::thread([&] {
    std::byte* const other = thread_room(100);
    EXPECT_NE(other, large);
    other[0] = std::byte{3};
  }).join();
  EXPECT_EQ(large[0], std::byte{1});
}

#if defined(__linux__)
/// The bytes that every thread of a program gets for being there, of what its name says.
int add_thread_bytes(dl_phdr_info* info, std::size_t /*size*/, void* sum) {
  if (std::string_view(info->dlpi_name).find("libgyre") == std::string_view::npos) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type == PT_TLS) *static_cast<std::size_t*>(sum) += info->dlpi_phdr[i].p_memsz;
  }
  return 0;
}

TEST(ThreadRoom, IsNoPartOfThreadsThatMultiplyNothing) {
  std::size_t bytes = 0;
  dl_iterate_phdr(add_thread_bytes, &bytes);
  EXPECT_GT(bytes, 0U);
  EXPECT_LE(bytes, 4096U);
}
#endif

}  // namespace
}  // namespace gyre::thread_room_test
