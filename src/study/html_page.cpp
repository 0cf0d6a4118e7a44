#include "study/html_page.hpp"

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

extern "C" {
extern const char gyre_d3[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_d3_size;
}

namespace gyre {

std::string_view embedded_d3() { return {gyre_d3, gyre_d3_size}; }

std::string filled_page(std::string_view page, std::span<const std::pair<std::string_view, std::string_view>> values) {
  std::map<std::size_t, std::pair<std::string_view, std::string_view>> places;
  for (const auto& value : values) {
    const std::size_t at = page.find(value.first);
    if (at == std::string_view::npos) {
      throw Error("the page template lacks {}; build the program again", value.first);
    }
    places[at] = value;
  }
  std::string made;
  std::size_t done = 0;
  for (const auto& [at, value] : places) {
    made += page.substr(done, at - done);
    made += value.second;
    done = at + value.first.size();
  }
  return made += page.substr(done);
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string script_json(const nlohmann::json& json) {
  // In ASCII, so that U+2028 and U+2029, which end lines of older scripts, are escaped too. The signs of markup occur
  // in strings alone.
  std::string text;
  for (const char c : json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      text += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace gyre
