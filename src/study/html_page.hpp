#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gyre {

/// D3, put into the program by the build (cmake/embed.cmake); pages carry it along, so that they need no network.
std::string_view embedded_d3();

/// Puts `values` where `page` has their placeholders, whatever the values hold. Throws Error naming a placeholder that
/// the page lacks.
std::string filled_page(std::string_view page, std::span<const std::pair<std::string_view, std::string_view>> values);

/// Text as it stands between tags or, in double quotes, in an attribute.
std::string html_text(std::string_view text);

/// JSON that can stand inside a script element: no "</script>", "<!--" or "]]>", nothing that ends a line of a script.
std::string script_json(const nlohmann::json& json);

}  // namespace gyre
