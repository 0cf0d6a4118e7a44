#pragma once

#include <nanobind/nanobind.h>
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "gyre/gyre.hpp"

namespace gyre::python {

namespace nb = nanobind;

/// Asks Python whether a signal came, now and then: what its handler raises (KeyboardInterrupt) is thrown. Called by
/// whoever computes, without the lock of the interpreter.
std::function<bool()> signals();

/// An opened model and what runs it. Streams and texts hold it too, so that closing the model leaves none of them with
/// memory that is gone.
class Opened {
 public:
  Opened(const std::string& path, const api::OpenOptions& options, int threads);

  [[nodiscard]] const api::Model& model() const { return model_; }
  /// Made when it is first wanted: an encoder has none.
  api::Runner& runner();
  /// The last one that was made is kept.
  api::Embedder& embedder(const api::EmbedderOptions& options);

  void close() { closed_ = true; }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] int threads() const { return threads_; }
  /// Throws when the model was closed, or opened by the process that this one was forked from.
  void require_usable() const;

 private:
  friend class Turn;

  api::Model model_;
  int threads_;
  std::optional<api::Runner> runner_;
  std::optional<api::Embedder> embedder_;
  std::string embedder_key_;
  pid_t process_;
  std::atomic<bool> closed_ = false;
  std::timed_mutex working_;
  std::atomic<std::thread::id> worker_ = {};
};

/// The right to run a model, which one thread has at a time, and meanwhile not the lock of the interpreter. Throws when
/// this thread has it already: what a hook or a rule may not do.
class Turn {
 public:
  explicit Turn(Opened& opened);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn();

 private:
  Opened& opened_;
  std::optional<nb::gil_scoped_release> released_;
};

}  // namespace gyre::python
