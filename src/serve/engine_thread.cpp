#include "serve/engine_thread.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "serve/heap.hpp"

namespace gyre::serve {
namespace {

/// Texts whose vectors are made between two loops of others.
constexpr std::size_t kEmbedTogether = 4;

/// After so long without work it is no pause between two requests.
constexpr std::chrono::milliseconds kIdle{500};

ApiError going_down() { return {503, "server_error", "the server is going down; ask another"}; }

}  // namespace

EngineThread::EngineThread(std::span<const ServedModel> models, const EngineOptions& options, Totals& totals)
    : options_(options), totals_(totals), models_(models), embedders_(models.size()) {
  for (const ServedModel& model : models) {
    lanes_.push_back(model.encoder() ? nullptr : std::make_unique<Lane>(model, options.lane, totals));
  }
  thread_ = std::thread([this] { loop(); });
}

EngineThread::~EngineThread() {
  stop();
  thread_.join();
}

void EngineThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_ = true;
  }
  wake_.notify_one();
}

void EngineThread::require_room(std::size_t waiting) const {
  if (stopping_) throw going_down();
  if (waiting < options_.queue) return;
  ++totals_.refused;
  throw ApiError(429, "rate_limit_error",
                 fmt::format("{} requests are waiting already, which is all there is room for", waiting),
                 {.code = "queue_full", .retry_after = 1});
}

std::shared_ptr<Ticket> EngineThread::submit(Generation wanted) {
  auto work = std::make_shared<Work>(Work{std::move(wanted)});
  {
    const std::lock_guard lock(mutex_);
    const auto waits = [](const auto& one) { return one->started == 0; };
    require_room(static_cast<std::size_t>(std::count_if(works_.begin(), works_.end(), waits)));
    works_.push_back(work);
    ++totals_.requests;
    changed_ = true;
  }
  wake_.notify_one();
  return work->ticket;
}

void EngineThread::cancel(Ticket& ticket) {
  ticket.cancel();
  {
    const std::lock_guard lock(mutex_);
    changed_ = true;
  }
  wake_.notify_one();
}

std::vector<Embedding> EngineThread::embed(std::size_t model, std::span<const std::string> texts,
                                           const std::function<bool()>& wanted) {
  std::vector<Embedding> vectors;
  run(
      [&] {
        std::unique_ptr<Embedder>& embedder = embedders_[model];
        if (!embedder) embedder = std::make_unique<Embedder>(models_[model].checkpoint, options_.lane.threads);
        const std::size_t done = vectors.size();
        for (Embedding& one : embedder->embed(texts.subspan(done, std::min(kEmbedTogether, texts.size() - done)))) {
          vectors.push_back(std::move(one));
        }
        return vectors.size() < texts.size() && wanted();
      },
      false);
  return vectors;
}

std::vector<LaneState> EngineThread::look() {
  std::vector<LaneState> states;
  run(
      [&] {
        for (const std::unique_ptr<Lane>& lane : lanes_)
          states.push_back(lane == nullptr ? LaneState() : lane->state());
        return false;
      },
      true);
  return states;
}

/// Runs `task` on the engine's thread between two loops, again and again until it returns false. One that only looks is
/// taken at any time.
void EngineThread::run(const std::function<bool()>& task, bool look) {
  Task mine{&task};
  std::unique_lock lock(mutex_);
  if (stopping_) throw going_down();
  if (!look) require_room(tasks_.size());
  tasks_.push_back(&mine);
  changed_ = true;
  wake_.notify_one();
  task_done_.wait(lock, [&] { return mine.done; });
  if (mine.failure) std::rethrow_exception(mine.failure);
}

Load EngineThread::load() const {
  const std::lock_guard lock(mutex_);
  Load load;
  for (const std::shared_ptr<Work>& work : works_) {
    load.running += work->running;
    if (work->started == 0) ++load.waiting;
  }
  return load;
}

bool EngineThread::nothing_to_do() const {
  const auto has_started = [](const std::shared_ptr<Work>& work) { return work->started == work->wanted.choices(); };
  if (!std::all_of(works_.begin(), works_.end(), has_started)) return false;
  return tasks_.empty() && std::all_of(lanes_.begin(), lanes_.end(), [](const std::unique_ptr<Lane>& lane) {
           return lane == nullptr || lane->idle();
         });
}

/// What texts took goes back to the system when for a while nothing comes.
void EngineThread::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto something = [&] { return changed_.load(); };
  if (wake_.wait_for(lock, kIdle, something)) return;
  lock.unlock();
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    if (lane != nullptr) lane->rest();
  }
  trim_heap();
  lock.lock();
  wake_.wait(lock, something);
}

void EngineThread::loop() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (nothing_to_do()) wait_for_work(lock);
      if (stopping_) {
        fail_all();
        return;
      }
      take_changes();
    }
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      if (lane != nullptr && !lane->idle()) lane->step();
    }
    step_task();
  }
}

/// What came and went since the last loop. The lock is held: nobody else sees a request half started.
void EngineThread::take_changes() {
  if (changed_.exchange(false)) drop_cancelled();
  works_.remove_if(
      [](const std::shared_ptr<Work>& work) { return work->running == 0 && work->started == work->wanted.choices(); });
  give_places();
}

void EngineThread::drop_cancelled() {
  works_.remove_if([&](const std::shared_ptr<Work>& work) {
    if (!work->ticket->cancelled()) return false;
    if (lanes_[work->wanted.model] != nullptr) lanes_[work->wanted.model]->drop(*work);
    ++totals_.cancelled;
    return true;
  });
}

void EngineThread::give_places() {
  std::size_t running = 0;
  for (const std::unique_ptr<Lane>& lane : lanes_) running += lane == nullptr ? 0 : lane->running();
  for (; running < options_.parallel; ++running) {
    const std::shared_ptr<Work> work = next();
    if (work == nullptr) return;
    lanes_[work->wanted.model]->start(work);
  }
}

/// Whose turn it is: the first in the queue of the client who has fewest places.
std::shared_ptr<Work> EngineThread::next() const {
  std::map<std::string_view, std::size_t> places;
  for (const std::shared_ptr<Work>& work : works_) places[work->wanted.client] += work->running;
  std::shared_ptr<Work> found;
  for (const std::shared_ptr<Work>& work : works_) {
    if (work->started == work->wanted.choices()) continue;
    if (found == nullptr || places[work->wanted.client] < places[found->wanted.client]) found = work;
  }
  return found;
}

void EngineThread::step_task() {
  Task* task = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return;
    task = tasks_.front();
  }
  bool goes_on = false;
  std::exception_ptr failure;
  try {
    goes_on = (*task->step)();
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  tasks_.pop_front();
  if (goes_on) {
    tasks_.push_back(task);  // behind the others
    return;
  }
  task->failure = failure;
  task->done = true;
  task_done_.notify_all();
}

void EngineThread::fail_all() {
  for (const std::shared_ptr<Work>& work : works_) work->ticket->fail(going_down());
  for (Task* const task : tasks_) {
    task->failure = std::make_exception_ptr(going_down());
    task->done = true;
  }
  tasks_.clear();
  task_done_.notify_all();
}

}  // namespace gyre::serve
