#pragma once

#include <cstdint>
#include <string_view>

namespace gyre {

/// What the reader and the writer of GGUF both know of the file.
constexpr std::string_view kGgufMagic = "GGUF";
constexpr std::uint32_t kGgufVersion = 3;
constexpr std::uint64_t kGgufAlignment = 32;  ///< of tensor data, unless the file says otherwise
constexpr std::string_view kGgufAlignmentKey = "general.alignment";

constexpr std::uint32_t kGgufMostAxes = 4;

bool is_utf8(std::string_view text);
/// Whether `text` may name a key or a tensor: names stand in one-line messages.
bool is_gguf_name(std::string_view text);

}  // namespace gyre
