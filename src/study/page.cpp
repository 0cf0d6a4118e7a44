#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "study/study.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake).
extern const char gyre_study_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_study_page_size;
extern const char gyre_d3[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_d3_size;
}

namespace gyre {
namespace {

void replace_once(std::string& text, std::string_view placeholder, std::string_view value) {
  const std::size_t at = text.find(placeholder);
  if (at == std::string::npos) throw Error("the page template lacks {}; build the program again", placeholder);
  text.replace(at, placeholder.size(), value);
}

/// JSON that can stand inside a script element.
std::string script_json(const nlohmann::json& json) {
  std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  for (std::size_t at = text.find("</"); at != std::string::npos; at = text.find("</", at)) text.replace(at, 2, "<\\/");
  for (std::size_t at = text.find("<!--"); at != std::string::npos; at = text.find("<!--", at)) {
    text.replace(at, 4, "<\\u0021--");
  }
  return text;
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string study_page(const nlohmann::json& study) {
  std::string page(gyre_study_page, gyre_study_page_size);
  const std::string name = study["model"]["name"];
  replace_once(page, "<!--GYRE_TITLE-->", html_text("Latent dynamics of " + (name.empty() ? "a looped model" : name)));
  replace_once(page, "/*GYRE_DATA*/null", script_json(study));
  replace_once(page, "/*GYRE_D3*/", std::string_view(gyre_d3, gyre_d3_size));
  return page;
}

}  // namespace gyre
