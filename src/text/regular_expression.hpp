#pragma once

#include <string>
#include <string_view>

#include "text/byte_automaton.hpp"

namespace gyre {

/// The texts that a regular expression matches as a whole: characters, ".", classes, groups, "|", "*", "+", "?",
/// counts, \d \w \s and their opposites (of ASCII), \n \t \r \f \v, \xHH, \uHHHH; ^ and $ at the ends. What finds no
/// more than that (lookaround, references, \b, \p, flags) is refused by name: throws Error with `where`.
AutomatonBuilder::Part add_regular_expression(AutomatonBuilder& builder, std::string_view expression,
                                              const std::string& where);

}  // namespace gyre
