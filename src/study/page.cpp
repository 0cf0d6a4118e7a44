#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "study/html_page.hpp"
#include "study/study.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake).
extern const char gyre_study_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_study_page_size;
}

namespace gyre {

std::string study_page(const nlohmann::json& study) {
  const std::string name = study["model"]["name"];
  const std::string title = html_text("Latent dynamics of " + (name.empty() ? "a looped model" : name));
  const std::string data = script_json(study);
  const std::array<std::pair<std::string_view, std::string_view>, 3> values = {
      {{"<!--GYRE_TITLE-->", title}, {"/*GYRE_DATA*/null", data}, {"/*GYRE_D3*/", embedded_d3()}}};
  return filled_page(std::string_view(gyre_study_page, gyre_study_page_size), values);
}

}  // namespace gyre
