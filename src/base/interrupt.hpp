#pragma once

namespace gyre {

/// From now on Ctrl-C (SIGINT) and SIGTERM set a flag instead of ending the program; a second one ends it at once.
void watch_for_interrupt();

/// Whether the user asked to stop. Long work looks here between steps and stops cleanly.
bool interrupted();
/// Throws Error when the user has asked to stop: for work that is of no use unless it is finished.
void require_not_interrupted();

}  // namespace gyre
