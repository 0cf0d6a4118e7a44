#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// input|filter(arguments). Throws Failure where Jinja does.
using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);
using FilterRow = std::pair<std::string_view, Filter>;

/// The filter of a name; nullptr when there is none.
Filter find_filter(std::string_view name);
/// The message that a filter is not known.
std::string unknown_filter(std::string_view name);

// The tables they stand in, one a file.
std::span<const FilterRow> text_filters();
std::span<const FilterRow> sequence_filters();
std::span<const FilterRow> order_filters();
std::span<const FilterRow> number_filters();

/// item.a.b.0 for the attribute "a.b.0", as map(attribute=...) looks it up; a number is looked up as it is. With
/// `otherwise`, what is undefined on the way becomes that.
Value attribute_path(Interpreter& interpreter, const Value& item, const Value& path, const Value* otherwise = nullptr);

/// The words of str|title: what Jinja means by a title.
std::string title_of_words(std::string_view text);
/// The text with &, <, >, ' and " escaped for HTML.
std::string escaped(std::string_view text);

}  // namespace gyre::jinja
