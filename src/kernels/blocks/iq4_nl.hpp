#pragma once

#include "kernels/blocks/q4_0.hpp"

namespace gyre::stored {

/// Stored as q4_0 is; its codes stand for other numbers.
using IQ4_NL = Q4_0;

}  // namespace gyre::stored
