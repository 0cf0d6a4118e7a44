#include "text/utf8.hpp"

#include <cstdint>
#include <cstring>

#include "base/error.hpp"

namespace gyre {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

/// Length of a character and the range of its second byte: the range is what excludes overlong forms, surrogates and
/// code points above U+10FFFF (Unicode, table 3-7).
struct Lead {
  std::size_t length;
  std::uint8_t second_least;
  std::uint8_t second_most;
};

Lead lead_of(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// First offset from `start` on whose byte is not ASCII, looked at eight bytes at a time.
std::size_t skip_ascii(std::string_view text, std::size_t start) {
  std::uint64_t word = 0;
  while (text.size() - start >= sizeof(word)) {
    std::memcpy(&word, text.data() + start, sizeof(word));
    if ((word & 0x8080808080808080U) != 0) break;
    start += sizeof(word);
  }
  while (start < text.size() && byte_at(text, start) < 0x80) ++start;
  return start;
}

}  // namespace

Utf8Step read_utf8(std::string_view text) {
  const std::uint8_t first = byte_at(text, 0);
  const Lead lead = lead_of(first);
  if (lead.length == 1) return {Utf8Step::Kind::kCharacter, 1, first};
  if (lead.length == 0) return {Utf8Step::Kind::kInvalid, 1, kReplacement};
  char32_t value = first & (0x7FU >> lead.length);
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {Utf8Step::Kind::kIncomplete, i, kReplacement};
    const std::uint8_t byte = byte_at(text, i);
    const std::uint8_t least = i == 1 ? lead.second_least : 0x80;
    const std::uint8_t most = i == 1 ? lead.second_most : 0xBF;
    if (byte < least || byte > most) return {Utf8Step::Kind::kInvalid, i, kReplacement};
    value = (value << 6U) | (byte & 0x3FU);
  }
  return {Utf8Step::Kind::kCharacter, lead.length, value};
}

std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t offset = skip_ascii(text, 0);
  while (offset < text.size()) {
    const Utf8Step step = read_utf8(text.substr(offset));
    if (step.kind != Utf8Step::Kind::kCharacter) return offset;
    offset = skip_ascii(text, offset + step.length);
  }
  return std::string_view::npos;
}

void require_utf8(std::string_view text, std::string_view where) {
  const std::size_t offset = first_invalid_utf8(text);
  if (offset == std::string_view::npos) return;
  throw Error("{}: byte {:#04x} at offset {} is not UTF-8; give UTF-8 text", where, byte_at(text, offset), offset);
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> points;
  points.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = read_utf8(text);
    points.push_back(step.code_point);
    text.remove_prefix(step.length);
  }
  return points;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
  const auto put_rest = [&](unsigned shift) { put(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | (code_point >> 6U));
    put_rest(0);
  } else if (code_point < 0x10000) {
    put(0xE0U | (code_point >> 12U));
    put_rest(6);
    put_rest(0);
  } else {
    put(0xF0U | (code_point >> 18U));
    put_rest(12);
    put_rest(6);
    put_rest(0);
  }
}

}  // namespace gyre
