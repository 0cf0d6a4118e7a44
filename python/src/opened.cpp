#include "opened.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "base/error.hpp"

namespace gyre::python {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::milliseconds(50);

void check_signals() {
  const nb::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace

std::function<bool()> signals() {
  return [asked = Clock::now()]() mutable {
    const auto now = Clock::now();
    if (now - asked < kPatience) return false;
    asked = now;
    check_signals();
    return false;
  };
}

Opened::Opened(const std::string& path, const api::OpenOptions& options, int threads)
    : model_(api::Model::open(path, options)), threads_(threads), process_(::getpid()) {}

api::Runner& Opened::runner() {
  if (!runner_) runner_.emplace(model_, api::RunnerOptions{.threads = threads_, .stop_when = signals()});
  return *runner_;
}

api::Embedder& Opened::embedder(const api::EmbedderOptions& options) {
  const std::string key = fmt::format("{} {} {}", options.pooling,
                                      options.normalize ? (*options.normalize ? 1 : 0) : -1, options.most_tokens);
  if (!embedder_ || key != embedder_key_) {
    api::EmbedderOptions wanted = options;
    wanted.threads = threads_;
    wanted.stop_when = signals();
    embedder_.reset();
    embedder_.emplace(model_, wanted);
    embedder_key_ = key;
  }
  return *embedder_;
}

void Opened::require_usable() const {
  if (closed_) throw Error("the model is closed; load it again");
  if (process_ != ::getpid()) throw Error("the model was loaded before this process was forked; load it here");
}

Turn::Turn(Opened& opened) : opened_(opened) {
  opened.require_usable();
  if (opened.worker_ == std::this_thread::get_id()) {
    throw Error("the model is at work: a hook or an exit rule cannot run it; load the model a second time for that");
  }
  released_.emplace();
  while (!opened.working_.try_lock_for(kPatience)) check_signals();
  opened.worker_ = std::this_thread::get_id();
  if (opened.closed()) {  // while this thread waited
    opened.worker_ = std::thread::id();
    opened.working_.unlock();
    throw Error("the model is closed; load it again");
  }
}

Turn::~Turn() {
  opened_.worker_ = std::thread::id();
  opened_.working_.unlock();
}

}  // namespace gyre::python
