#pragma once

#include <vector>

#include "engine/exit_head.hpp"
#include "engine/exits.hpp"
#include "model/model.hpp"

namespace gyre {

/// What was learned of the rules in a choice, in the order they were written.
std::vector<const ExitHead*> heads_of(const ExitChoice& choice);

/// Throws Error where one was learned of another model, of its weights in another type, or of other groups.
void require_heads_fit(const ExitChoice& choice, const Model& model);

}  // namespace gyre
