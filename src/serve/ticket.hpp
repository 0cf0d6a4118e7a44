#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/text_stream.hpp"
#include "serve/api_error.hpp"

namespace gyre::serve {

/// How a text ended.
struct ChoiceEnd {
  StopReason reason = StopReason::length;
  int tokens = 0;  ///< generated, those of a stop text included
  int cached = 0;  ///< of the prompt, that need not be run
};

/// What the engine has to say of one of a request's texts.
struct ChoiceEvent {
  std::size_t choice = 0;
  /// What the model says of every token of the prompt, if that was asked for; of the first there is nothing to say.
  std::vector<std::vector<TokenProbability>> prompt = {};
  std::optional<GeneratedToken> token = {};
  std::optional<ChoiceEnd> end = {};
};

/// Between the thread of a client and that of the engine, which never waits for it.
class Ticket {
 public:
  // The engine's side.
  void post(ChoiceEvent event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    arrived_.notify_one();
  }
  void fail(ApiError error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    arrived_.notify_one();
  }
  [[nodiscard]] bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // The client's side.
  /// The next event, or nothing when none comes within `patience`. Throws ApiError once the request failed.
  std::optional<ChoiceEvent> wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, patience, [&] { return !events_.empty() || error_; });
    if (events_.empty() && error_) throw ApiError(*error_);
    if (events_.empty()) return std::nullopt;
    std::optional<ChoiceEvent> event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  void cancel() { cancelled_ = true; }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<ChoiceEvent> events_;
  std::optional<ApiError> error_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace gyre::serve
