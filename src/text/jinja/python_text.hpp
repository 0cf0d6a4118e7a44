#pragma once

#include <string>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

std::string integer_text(Integer value);
/// repr of a float: the shortest digits that give it back.
std::string real_text(double value);
/// repr of a str: in quotes, what cannot be printed escaped.
std::string in_quotes(std::string_view text);
/// str(value): what printing gives.
std::string text_of(const Value& value, Budget& budget);
/// repr(value): how it is shown inside lists and dicts.
std::string shown(const Value& value, Budget& budget);

}  // namespace gyre::jinja
