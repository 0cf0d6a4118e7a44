#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gyre {

/// GPT-2's alphabet gives every byte one printable character, so that a vocabulary of byte strings can be kept as
/// ordinary text. Spells `bytes` in that alphabet.
std::string to_byte_level(std::string_view bytes);

/// The bytes that `name` (valid UTF-8) spells in the alphabet; nothing when it holds a character outside of it.
std::optional<std::string> from_byte_level(std::string_view name);

/// The 256 bytes in the order of their characters' code points: the order of the first 256 ids of GPT-2.
std::array<std::uint8_t, 256> byte_level_order();

}  // namespace gyre
