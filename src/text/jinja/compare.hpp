#pragma once

#include <vector>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// bool(value).
bool truth(const Value& value);
/// a == b.
bool equal(const Value& a, const Value& b, Budget& budget);
/// a < b. Throws Failure where Python does.
bool less(const Value& a, const Value& b, Budget& budget);
/// needle in hay. Throws Failure where Python does.
bool contains(const Value& hay, const Value& needle, Budget& budget);
/// Whether for can walk over it.
bool iterable(const Value& value);
/// list(value): the items of a sequence, keys of a dict, characters of a text; what is left of a generator is taken.
/// Throws Failure for what cannot be walked over.
std::vector<Value> items_of(const Value& value, Budget& budget);
/// len(value), or nothing for what has none.
std::optional<std::size_t> length_of(const Value& value);

}  // namespace gyre::jinja
