#pragma once

#include <atomic>

#include "base/stop.hpp"

namespace gyre::cli {

/// From now on Ctrl-C (SIGINT) and SIGTERM set a flag instead of ending the program; a second one ends it at once.
void watch_for_interrupt();

/// What was under way when it was set has ended as it should: the program ends well.
void forget_interrupt();

/// That flag, to be handed to whatever takes long.
Stop interrupt();
const std::atomic<bool>& interrupt_flag();

}  // namespace gyre::cli
