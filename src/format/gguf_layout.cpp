#include "format/gguf_layout.hpp"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>

namespace gyre {
namespace {

constexpr std::size_t kMostNameBytes = 65535;

}  // namespace

bool is_utf8(std::string_view text) {
  // The JSON library checks strictly; the text it makes is not wanted.
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

bool is_gguf_name(std::string_view text) {
  const bool control = std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
  return !text.empty() && text.size() <= kMostNameBytes && !control && is_utf8(text);
}

}  // namespace gyre
