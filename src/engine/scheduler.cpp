#include "engine/scheduler.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gyre {
namespace {

/// Tokens whose logits are made at once for who hears of all of them: a vocabulary is large.
constexpr std::size_t kHeard = 16;

}  // namespace

Scheduler::Scheduler(Engine& engine, Schedule schedule, int chunk)
    : engine_(engine), schedule_(schedule), chunk_(static_cast<std::size_t>(std::max(1, chunk))) {}

std::size_t Scheduler::Running::group() const {
  const auto behind = [](const Flight& a, const Flight& b) { return a.group < b.group; };
  return std::min_element(flights.begin(), flights.end(), behind)->group;
}

void Scheduler::submit(Job job) {
  engine_.check_tokens(*job.sequence, job.tokens);
  if (runs(*job.sequence)) {
    throw Error("this sequence has a job already; append its tokens one after the other");
  }
  jobs_.push_back({std::move(job)});
}

bool Scheduler::runs(const Sequence& sequence) const {
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [&](const Running& running) { return running.job.sequence == &sequence; });
}

std::span<const Flight> Scheduler::flights(const Sequence& sequence) const {
  for (const Running& running : jobs_) {
    if (running.job.sequence == &sequence) return running.flights;
  }
  return {};
}

void Scheduler::cancel(const Sequence& sequence) {
  jobs_.remove_if([&](const Running& running) { return running.job.sequence == &sequence; });
}

std::size_t Scheduler::chunk_of(const Running& running) const {
  const Sequence& sequence = *running.job.sequence;
  const bool whole = running.job.exit != nullptr || (sequence.whole_prompt && sequence.length == 0) ||
                     sequence.start == NoiseStart::previous || sequence.cache.policy().slots != KvPolicy::Slots::loop;
  const std::size_t left = running.job.tokens.size() - running.done;
  return whole ? left : std::min(left, chunk_);
}

void Scheduler::board(Running& running) {
  const Job& job = running.job;
  running.flights = engine_.flights_of(*job.sequence, std::span(job.tokens).subspan(running.done, chunk_of(running)));
  for (Flight& flight : running.flights) {
    flight.exit = job.exit;
    if (job.exit != nullptr) flight.as_one = running.flights;
    flight.trace = job.trace;
    engine_.stack().board(flight);
  }
}

std::span<const Landed> Scheduler::step() {
  landed_.clear();
  const auto flies = [](const Running& running) { return !running.flights.empty(); };
  const bool may_board = joins(schedule_) || std::none_of(jobs_.begin(), jobs_.end(), flies);
  std::vector<Waiting> groups(engine_.model().groups().size());
  for (Running& running : jobs_) {
    if (running.flights.empty() && may_board) board(running);
    if (running.flights.empty()) continue;
    Waiting& there = groups[running.group()];
    there.rows += running.flights.size();
    there.patience = std::max(there.patience, running.patience);
  }
  if (jobs_.empty()) return landed_;
  const std::size_t group = next_group(schedule_, groups, engine_.model().spec());
  try {
    run(group);
    land();
  } catch (...) {
    jobs_.remove_if([&](const Running& running) { return flies(running) && running.patience == 0; });
    throw;
  }
  return landed_;
}

void Scheduler::run(std::size_t group) {
  here_.clear();
  for (Running& running : jobs_) {
    if (running.flights.empty()) continue;
    ++running.patience;
    if (running.group() != group) continue;
    running.patience = 0;
    for (Flight& flight : running.flights) {
      if (flight.group == group) here_.push_back(&flight);
    }
  }
  engine_.stack().run(group, here_);
}

void Scheduler::tell(Running& running) {
  std::vector<Flight*> some;
  for (std::size_t first = 0; first < running.flights.size(); first += kHeard) {
    some.clear();
    for (std::size_t i = first; i < std::min(first + kHeard, running.flights.size()); ++i) {
      some.push_back(&running.flights[i]);
    }
    running.job.hear(running.done + first, engine_.logits_of(some));
  }
}

void Scheduler::land() {
  here_.clear();
  for (Running& running : jobs_) {
    std::vector<Flight>& flights = running.flights;
    const auto in_the_air = [&](const Flight& flight) { return !engine_.stack().landed(flight); };
    if (flights.empty() || std::any_of(flights.begin(), flights.end(), in_the_air)) continue;
    if (running.job.hear) tell(running);
    running.done += flights.size();
    if (running.done < running.job.tokens.size()) {
      commit(flights);
      flights.clear();
    } else if (running.job.wants_logits) {
      here_.push_back(&flights.back());
    }
  }
  const std::span<const float> logits = engine_.logits_of(here_);
  const std::size_t vocabulary = here_.empty() ? 0 : logits.size() / here_.size();
  std::size_t row = 0;
  jobs_.remove_if([&](Running& running) {
    if (running.done < running.job.tokens.size()) return false;
    Landed& landed = landed_.emplace_back(Landed{running.job.sequence, running.flights.back().depth});
    if (running.job.wants_logits) landed.logits = logits.subspan(vocabulary * row++, vocabulary);
    commit(running.flights);
    return true;
  });
}

}  // namespace gyre
