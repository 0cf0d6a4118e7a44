#pragma once

#include <optional>
#include <string>

#include "serve/tools.hpp"

namespace gyre::serve {

/// The functions of a request.
inline Tools tools_of(const Json& body) {
  Fields fields(body, "");
  return *read_tools(fields, ToolStyle::nested);
}

/// Whether a text is one of a language.
inline bool holds(std::optional<ByteAutomaton>& language, const std::string& text) {
  const int state = language->after(language->start(), text);
  return state != ByteAutomaton::kNone && language->whole(state);
}

}  // namespace gyre::serve
