#pragma once

#include <cstdint>
#include <string_view>

namespace gyre {

/// What the reader and the writer of GGUF both know of the file.
constexpr std::string_view kGgufMagic = "GGUF";
constexpr std::uint32_t kGgufVersion = 3;
constexpr std::uint64_t kGgufAlignment = 32;  ///< of tensor data, unless the file says otherwise
constexpr std::string_view kGgufAlignmentKey = "general.alignment";

/// How many files a model was cut into; it is in every one of them.
constexpr std::string_view kGgufSplitCountKey = "split.count";
constexpr std::int64_t kGgufMostParts = UINT16_MAX;

constexpr std::uint32_t kGgufMostAxes = 4;

bool is_utf8(std::string_view text);
/// Whether `text` may name a key or a tensor: names stand in one-line messages.
bool is_gguf_name(std::string_view text);

}  // namespace gyre
