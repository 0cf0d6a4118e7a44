#pragma once

#include <string>
#include <string_view>

#include "text/growth.hpp"

namespace gyre {

/// `text` with `content` for every `wanted` (not empty), from left to right.
std::string replace_all(std::string_view text, std::string_view wanted, std::string_view content, const Growth& growth);

}  // namespace gyre
