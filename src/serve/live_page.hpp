#pragma once

#include <string>
#include <string_view>

namespace gyre::serve {

/// The page at /, whose style and script carry `nonce`: a browser runs nothing else of it.
std::string live_page(std::string_view nonce);

/// What a browser may do with it: run what carries `nonce`, and ask this server.
std::string content_policy(std::string_view nonce);

}  // namespace gyre::serve
