#include "text/characters_map.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

/// Longer clusters are looked at character by character.
constexpr std::size_t kLongestCluster = 5;

// The bits of a unit (github.com/s-yata/darts-clone): a leaf holds a value; any other the byte that leads to it,
// whether a leaf hangs there, and how far its children are away.
constexpr std::uint32_t kLeafBit = 1U << 31U;
constexpr std::uint32_t label_of(std::uint32_t unit) { return unit & (kLeafBit | 0xFFU); }
constexpr bool has_leaf(std::uint32_t unit) { return (unit >> 8U & 1U) != 0; }
constexpr std::uint32_t value_of(std::uint32_t unit) { return unit & ~kLeafBit; }
constexpr std::size_t offset_of(std::uint32_t unit) { return std::size_t{unit >> 10U} << ((unit & (1U << 9U)) >> 6U); }

/// Nothing when a character is none of base64, or the padding is wrong.
std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  std::array<int, 256> value_of_digit{};
  value_of_digit.fill(-1);
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    value_of_digit[static_cast<std::uint8_t>(kDigits[i])] = static_cast<int>(i);
  }
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const int value = value_of_digit[static_cast<std::uint8_t>(digit)];
    if (value < 0) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(static_cast<std::uint8_t>(bits >> static_cast<unsigned>(count)));
  }
  if ((bits & ((1U << static_cast<unsigned>(count)) - 1U)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace

CharactersMap::CharactersMap(std::string_view base64, std::string_view where) {
  const auto damaged = [&](std::string_view what) {
    return Error("{}: precompiled_charsmap {}; the file is damaged", where, what);
  };
  const std::optional<std::string> bytes = from_base64(base64);
  if (!bytes) throw damaged("is no base64");
  std::uint32_t size = 0;
  if (bytes->size() < sizeof size) throw damaged("is cut short");
  std::memcpy(&size, bytes->data(), sizeof size);
  if (size == 0 || size % sizeof(std::uint32_t) != 0 || size > bytes->size() - sizeof size) {
    throw damaged(fmt::format("claims a table of {} bytes of its {}", size, bytes->size()));
  }
  Table table{std::vector<std::uint32_t>(size / sizeof(std::uint32_t)), bytes->substr(sizeof size + size),
              std::string(where)};
  std::memcpy(table.units.data(), bytes->data() + sizeof size, size);
  if (first_invalid_utf8(table.replacements) != std::string_view::npos) throw damaged("holds text that is not UTF-8");
  table_ = std::make_shared<const Table>(std::move(table));
}

std::uint32_t CharactersMap::unit(std::size_t place) const {
  if (place < table_->units.size()) return table_->units[place];
  throw Error("{}: precompiled_charsmap leads out of its table; the file is damaged", table_->where);
}

std::optional<std::string_view> CharactersMap::find(std::string_view text) const {
  std::size_t place = offset_of(unit(0));
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte == 0) break;
    place ^= byte;
    const std::uint32_t node = unit(place);
    if (label_of(node) != byte) break;
    place ^= offset_of(node);
    if (!has_leaf(node)) continue;
    const std::string_view all = table_->replacements;
    const std::size_t begin = value_of(unit(place));
    const bool inside = begin < all.size() && (static_cast<std::uint8_t>(all[begin]) & 0xC0U) == 0x80U;
    if (begin > all.size() || inside) {
      throw Error("{}: precompiled_charsmap leads to no replacement; the file is damaged", table_->where);
    }
    return all.substr(begin, all.find('\0', begin) - begin);
  }
  return std::nullopt;
}

void CharactersMap::append_cluster(std::string_view cluster, std::string& made) const {
  if (cluster.size() <= kLongestCluster) {
    if (const auto replacement = find(cluster)) {
      made += *replacement;
      return;
    }
  }
  while (!cluster.empty()) {
    const std::string_view character = cluster.substr(0, read_utf8(cluster).length);
    made += find(character).value_or(character);
    cluster.remove_prefix(character.size());
  }
}

std::string CharactersMap::apply(std::string_view text, const Growth& growth) const {
  std::string made;
  made.reserve(text.size());
  GraphemeBreaks breaks;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    if (breaks.before(step.code_point) && at > begin) {
      append_cluster(text.substr(begin, at - begin), made);
      growth.check(made.size());
      begin = at;
    }
    at += step.length;
  }
  append_cluster(text.substr(begin), made);
  growth.check(made.size());
  return made;
}

}  // namespace gyre
