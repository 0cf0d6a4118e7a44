#include "base/interrupt.hpp"

#include <csignal>

#include "base/error.hpp"

namespace gyre {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

extern "C" void request_stop(int signal) {
  if (stop_requested != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  stop_requested = 1;
}

}  // namespace

void watch_for_interrupt() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
}

bool interrupted() { return stop_requested != 0; }

void require_not_interrupted() {
  if (interrupted()) throw Error("interrupted; nothing was written");
}

}  // namespace gyre
