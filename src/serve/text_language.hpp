#pragma once

#include <string_view>

#include "text/byte_automaton.hpp"

namespace gyre::serve {

/// Any text in which `word` does not stand, or one up to its first `word`, with `then` behind it.
AutomatonBuilder::Part text_until(AutomatonBuilder& builder, std::string_view word, AutomatonBuilder::Part then);

/// Any text in which `word` does not stand.
AutomatonBuilder::Part text_without(AutomatonBuilder& builder, std::string_view word);

/// Any text up to and with its first `word`.
AutomatonBuilder::Part text_through(AutomatonBuilder& builder, std::string_view word);

}  // namespace gyre::serve
