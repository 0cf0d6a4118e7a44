#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

/// The groups of a model that is given as the order in which its layers (from 0) run. Neighbouring layers that are
/// repeated back to back and run nowhere else become a group that loops, what runs once a plain group before or behind
/// it. What cannot be cut so (layers that run again later, that first run out of turn, or any skips) is one group with
/// that order. Throws Error for an order that is empty or leaves layers out.
std::vector<Group> cut_order(std::span<const int> order, std::span<const Skip> skips, const std::string& where);

}  // namespace gyre
