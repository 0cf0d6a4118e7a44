#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "study/exits/exit_study_files.hpp"
#include "study/html_page.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake).
extern const char gyre_exits_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_exits_page_size;
}

namespace gyre {

std::string exit_page(const nlohmann::json& result) {
  const nlohmann::json checkpoints = result.value("checkpoints", nlohmann::json::array());
  const std::string name = checkpoints.empty() ? "" : checkpoints.back().value("name", "");
  const std::string title = html_text("Exit rules on " + (name.empty() ? "a looped model" : name));
  const std::string data = script_json(result);
  const std::array<std::pair<std::string_view, std::string_view>, 3> values = {
      {{"<!--GYRE_TITLE-->", title}, {"/*GYRE_DATA*/null", data}, {"/*GYRE_D3*/", embedded_d3()}}};
  return filled_page(std::string_view(gyre_exits_page, gyre_exits_page_size), values);
}

}  // namespace gyre
