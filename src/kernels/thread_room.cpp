#include "kernels/thread_room.hpp"

#include <memory>
#include <new>

namespace gyre {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Release {
  void operator()(std::byte* room) const { ::operator delete(room, kAlignment); }
};

struct Room {
  std::unique_ptr<std::byte, Release> bytes;
  std::size_t size = 0;
};

}  // namespace

std::byte* thread_room(std::size_t bytes) {
  static thread_local Room room;
  if (bytes > room.size) {
    room = Room();
    room.bytes.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment)));
    room.size = bytes;
  }
  return room.bytes.get();
}

}  // namespace gyre
