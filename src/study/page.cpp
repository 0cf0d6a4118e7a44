#include <array>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

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

/// Puts `values` where `template_text` has their placeholders, whatever the values hold.
std::string filled(std::string_view template_text,
                   std::span<const std::pair<std::string_view, std::string_view>> values) {
  std::map<std::size_t, std::pair<std::string_view, std::string_view>> places;
  for (const auto& value : values) {
    const std::size_t at = template_text.find(value.first);
    if (at == std::string_view::npos) {
      throw Error("the page template lacks {}; build the program again", value.first);
    }
    places[at] = value;
  }
  std::string page;
  std::size_t done = 0;
  for (const auto& [at, value] : places) {
    page += template_text.substr(done, at - done);
    page += value.second;
    done = at + value.first.size();
  }
  return page += template_text.substr(done);
}

/// JSON that can stand inside a script element: without '<' nothing in it can end or open one, or a comment.
std::string script_json(const nlohmann::json& json) {
  std::string text;
  for (const char c : json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
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
  const std::string name = study["model"]["name"];
  const std::string title = html_text("Latent dynamics of " + (name.empty() ? "a looped model" : name));
  const std::string data = script_json(study);
  const std::array<std::pair<std::string_view, std::string_view>, 3> values = {
      {{"<!--GYRE_TITLE-->", title},
       {"/*GYRE_DATA*/null", data},
       {"/*GYRE_D3*/", std::string_view(gyre_d3, gyre_d3_size)}}};
  return filled(std::string_view(gyre_study_page, gyre_study_page_size), values);
}

}  // namespace gyre
