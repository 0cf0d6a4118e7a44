#pragma once

#include <span>
#include <vector>

#include "engine/token_row.hpp"
#include "kernels/kernels.hpp"
#include "model/model.hpp"

namespace gyre {

/// Adds to the rows `range` of a product y [n, out] (its bias in it) what the adapter of `linear` makes of x, each row
/// by the set of its loop. `scratch` grows to what it needs.
void add_low_rank(const Kernels& kernels, const Linear& linear, const Activations& x, std::span<const TokenRow> rows,
                  RowRange range, float* y, std::vector<float>& scratch);

}  // namespace gyre
