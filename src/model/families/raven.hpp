#pragma once

#include "model/mapping.hpp"

namespace gyre::raven {

/// The blocks under raven's names: Huginn's own, or those of the model that was retrofitted (arXiv 2511.07384).
enum class Blocks { huginn, llama, olmo2 };

/// Recipes of raven's names for a spec of prelude, core and coda.
Mapping mapping(ModelSpec spec, Blocks blocks);
/// Throws Error when queries and keys have biases, one for each of as many heads, but there are fewer heads of keys.
void require_heads_alike(const ModelSpec& spec, const std::string& where);

}  // namespace gyre::raven
