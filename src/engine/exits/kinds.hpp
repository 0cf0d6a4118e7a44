#pragma once

#include "engine/exit_rule.hpp"

namespace gyre {

// One a file in this folder; exits.cpp lists them.
ExitKind fixed_exit();
ExitKind acceleration_exit();
ExitKind step_exit();
ExitKind kl_exit();
ExitKind random_exit();

}  // namespace gyre
