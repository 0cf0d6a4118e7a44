#pragma once

#include "serve/named_form.hpp"
#include "serve/tools.hpp"
#include "text/byte_automaton.hpp"

namespace gyre::serve {

/// Letters and digits of an id that a model makes up.
AutomatonBuilder::Part add_id(AutomatonBuilder& builder);

/// The calls that a model may write in a form that names functions by themselves: all behind its trigger. Throws
/// ApiError about a schema that is not supported, or that arguments which are written apart cannot be held to.
AutomatonBuilder::Part add_named_calls(AutomatonBuilder& builder, const Tools& tools, const NamedForm& form,
                                       const TagTokens& tags);

}  // namespace gyre::serve
