#include "text/byte_level.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "text/utf8.hpp"

namespace gyre {
namespace {

constexpr std::size_t kBytes = 256;

/// Printable Latin-1 stands for itself; space, controls and the soft hyphen do not.
constexpr bool stands_for_itself(std::size_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, kBytes> make_characters() {
  std::array<char32_t, kBytes> characters{};
  char32_t next = kBytes;  // the others move, in order, to the code points from U+0100 on
  for (std::size_t byte = 0; byte < kBytes; ++byte) {
    characters[byte] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return characters;
}

constexpr std::array<char32_t, kBytes> kCharacters = make_characters();
constexpr std::size_t kCodePoints = *std::max_element(kCharacters.begin(), kCharacters.end()) + 1;
constexpr int kNoByte = -1;

constexpr std::array<int, kCodePoints> make_inverse() {
  std::array<int, kCodePoints> inverse{};
  inverse.fill(kNoByte);
  for (std::size_t byte = 0; byte < kBytes; ++byte) inverse[kCharacters[byte]] = static_cast<int>(byte);
  return inverse;
}

constexpr std::array<int, kCodePoints> kBytesOfCharacters = make_inverse();

}  // namespace

std::string to_byte_level(std::string_view bytes) {
  std::string name;
  name.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(name, kCharacters[static_cast<std::uint8_t>(byte)]);
  return name;
}

std::optional<std::string> from_byte_level(std::string_view name) {
  std::string bytes;
  while (!name.empty()) {
    const Utf8Step step = read_utf8(name);
    const int byte = step.code_point < kCodePoints ? kBytesOfCharacters[step.code_point] : kNoByte;
    if (byte == kNoByte) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    name.remove_prefix(step.length);
  }
  return bytes;
}

std::array<std::uint8_t, 256> byte_level_order() {
  std::array<std::uint8_t, kBytes> order{};
  std::iota(order.begin(), order.end(), std::uint8_t{0});
  std::sort(order.begin(), order.end(),
            [](std::uint8_t left, std::uint8_t right) { return kCharacters[left] < kCharacters[right]; });
  return order;
}

}  // namespace gyre
