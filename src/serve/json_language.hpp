#pragma once

#include <string>

#include "serve/api_error.hpp"
#include "text/byte_automaton.hpp"

namespace gyre::serve {

/// JSON texts that a schema of the supported subset describes; what it would have to check beyond is refused by its
/// name (ApiError about `field`). An object has the properties that are named, in their order, and no others.
ByteAutomaton language_of_schema(const Json& schema, const std::string& field);

/// Any JSON object whose values are nested at most six deep.
ByteAutomaton language_of_objects();

/// The same as parts of a larger language.
AutomatonBuilder::Part add_schema(AutomatonBuilder& builder, const Json& schema, const std::string& field);
/// Of a part of a schema, whose references are into all of it: `root`, which stands at `field`; `at` is the part's
/// place.
AutomatonBuilder::Part add_schema(AutomatonBuilder& builder, const Json& schema, const Json& root,
                                  const std::string& field, const std::string& at);
AutomatonBuilder::Part add_objects(AutomatonBuilder& builder);

}  // namespace gyre::serve
