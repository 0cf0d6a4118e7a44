#pragma once

#include <cstddef>
#include <vector>

#include "raman/backend.hpp"
#include "raman/folds.hpp"

namespace gyre::raman {

/// Which of `more` a network may be pretrained on that will be asked about `asked`: none of a specimen (of a mineral)
/// that the protocol keeps together with one of these, and no copy of one of their inputs, whatever its name. Numbers
/// of specimens and minerals mean the same in both.
std::vector<std::size_t> may_pretrain(const Examples& more, const Examples& asked, Protocol protocol);

/// Training examples and, behind them, those of `more` (null: none), whose country counts for nothing.
Examples pretraining_examples(const Examples& training, const Examples* more);

}  // namespace gyre::raman
