#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gyre::serve {

/// A name that nothing else has: "chatcmpl-" and 32 digits.
std::string new_id(std::string_view prefix);

std::int64_t seconds_since_1970();

}  // namespace gyre::serve
