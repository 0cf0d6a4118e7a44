#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/embedder.hpp"
#include "serve/lane.hpp"

namespace gyre::serve {

struct EngineOptions {
  LaneOptions lane = {};
  std::size_t parallel = 16;  ///< texts that run at once, of all models
  std::size_t queue = 64;     ///< requests that may wait for a place
};

/// How much is going on.
struct Load {
  std::size_t running = 0;  ///< texts
  std::size_t waiting = 0;  ///< requests none of whose texts has a place
};

/// The one thread that computes. Requests come from any thread, wait for a place, and share passes over the weights;
/// they join, leave and are cancelled between loops. A place goes to the client who has fewest, of those to whoever
/// came first.
class EngineThread {
 public:
  /// `models` and `totals` outlive it.
  EngineThread(std::span<const ServedModel> models, const EngineOptions& options, Totals& totals);
  /// What is under way ends with an error.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /// Throws ApiError when the queue is full (429) or the server is going down (503).
  std::shared_ptr<Ticket> submit(Generation wanted);
  /// Nobody waits for it any longer: its places are free before the next loop.
  void cancel(Ticket& ticket);
  /// Vectors of texts, a few between two loops of others, as long as somebody wants them. Throws as submit(), and Error
  /// as Embedder does.
  std::vector<Embedding> embed(std::size_t model, std::span<const std::string> texts,
                               const std::function<bool()>& wanted);

  /// What the lanes of all models hold, between two loops; of encoders nothing. Throws ApiError when the server is
  /// going down.
  std::vector<LaneState> look();

  /// From now on nothing new is taken, and what is under way ends with an error.
  void stop();
  [[nodiscard]] Load load() const;

 private:
  struct Task {
    const std::function<bool()>* step;
    bool done = false;
    std::exception_ptr failure = {};
  };

  void run(const std::function<bool()>& task, bool look);
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void loop();
  [[nodiscard]] bool nothing_to_do() const;
  void take_changes();
  void drop_cancelled();
  void give_places();
  [[nodiscard]] std::shared_ptr<Work> next() const;
  void step_task();
  void fail_all();
  void require_room(std::size_t waiting) const;

  const EngineOptions options_;
  Totals& totals_;
  std::span<const ServedModel> models_;
  std::vector<std::unique_ptr<Lane>> lanes_;          ///< null for encoders
  std::vector<std::unique_ptr<Embedder>> embedders_;  ///< made when they are first wanted

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable task_done_;
  std::list<std::shared_ptr<Work>> works_;  ///< in the order in which they came
  std::list<Task*> tasks_;
  bool stopping_ = false;
  std::atomic<bool> changed_ = false;  ///< something came, or is no longer wanted

  std::thread thread_;
};

}  // namespace gyre::serve
