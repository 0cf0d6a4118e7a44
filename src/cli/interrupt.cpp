#include "cli/interrupt.hpp"

#include <atomic>
#include <csignal>

namespace gyre::cli {
namespace {

// A signal handler may touch nothing else.
std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void request_stop(int signal) {
  if (stop_requested) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  stop_requested = true;
}

}  // namespace

void watch_for_interrupt() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
}

void forget_interrupt() { stop_requested = false; }

const std::atomic<bool>& interrupt_flag() { return stop_requested; }
Stop interrupt() { return Stop(stop_requested); }

}  // namespace gyre::cli
