#include "text/jinja/filters.hpp"

#include <algorithm>
#include <array>

namespace gyre::jinja {

Filter find_filter(std::string_view name) {
  for (const auto rows : {text_filters(), sequence_filters(), order_filters(), number_filters()}) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const FilterRow& row) { return row.first == name; });
    if (found != rows.end()) return found->second;
  }
  return nullptr;
}

std::string unknown_filter(std::string_view name) { return fmt::format("the filter \"{}\" is not supported", name); }

}  // namespace gyre::jinja
