#pragma once

#include "engine/token_lens.hpp"
#include "serve/served_model.hpp"

namespace gyre::serve {

/// A token's way through the looped groups, as an answer's gyre.lens has it: [{"group", "state", "step",
/// "acceleration", "drawn", "words"}], lists with an entry for each loop.
Json lens_json(const ServedModel& model, const TokenLens& lens);

}  // namespace gyre::serve
