#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "serve/api_error.hpp"

namespace gyre::serve {

/// How arguments are written apart from each other: open NAME middle VALUE close, one after the other. A text stands
/// there as it is, every other value as JSON.
struct ParameterForm {
  std::string open = {};
  std::string middle = {};
  std::string text_middle = {};  ///< of a text, where a template tells the two apart
  std::string close = {};
  std::string between = {};  ///< white space between two
};

/// Calls in which the name of the function stands by itself: begin, then every call as open NAME middle ARGUMENTS
/// close, with `between` between two of them, then end. Arguments are an object of JSON, or parameters.
struct NamedForm {
  /// In `open` and `middle`: here stands an id, or the number of the call.
  static constexpr char kId = '\x01';

  std::string begin = {};
  std::string open = {};
  std::string middle = {};
  std::string close = {};
  std::string between = {};
  std::string end = {};
  bool numbers = false;           ///< ids are numbers, else letters and digits
  ParameterForm parameters = {};  ///< without `open` where arguments are an object

  [[nodiscard]] bool apart() const { return !parameters.open.empty(); }
  [[nodiscard]] bool ids() const { return (open + middle).find(kId) != std::string::npos; }
  /// What a call is told by: the first tag of those that stand before it.
  [[nodiscard]] std::string trigger() const;
};

/// A call that a template is given to write.
struct CallProbe {
  std::string name;
  std::string id;
};

/// Arguments of probes: an integer, then a text.
Json probe_arguments();

/// The form in which a template wrote two calls with probe_arguments(); `text` begins behind what stands before the
/// answer. Nothing when it is none of these.
std::optional<NamedForm> named_form_in(std::string_view text, const CallProbe& first, const CallProbe& second);

/// Whether a tag speaks of tools, functions or calls.
bool names_tools(std::string_view tag);

}  // namespace gyre::serve
