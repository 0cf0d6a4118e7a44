#pragma once

#include <string>

#include "format/tensor_store.hpp"
#include "model/mapping.hpp"

namespace gyre {

/// What stands before `name` in a checkpoint, of what torch.compile, Lightning and DDP put there; empty where the name
/// is there as it is, or not at all.
std::string prefix_before(const TensorStore& tensors, const std::string& name);
/// Puts it before every name of the checkpoint.
void add_prefix(Mapping& mapping, const std::string& prefix);

}  // namespace gyre
