#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <span>
#include <vector>

#include "engine/engine.hpp"
#include "engine/schedule.hpp"

namespace gyre {

/// Hears of the logits [n, vocabulary] of tokens of a job, the first of which is number `first` of it.
using LogitSink = std::function<void(std::size_t first, std::span<const float> logits)>;

/// Tokens that a sequence is to be longer by: a prompt at full depth, or tokens with an exit, which leave as one.
struct Job {
  Sequence* sequence = nullptr;
  std::vector<std::int32_t> tokens = {};
  BoundedExit* exit = nullptr;       ///< null: full depth
  const TraceSink* trace = nullptr;  ///< may be null
  bool wants_logits = true;          ///< of the last token
  LogitSink hear = {};               ///< if there, hears of every token as it lands, some at a time, in their order
};

/// A job that is done.
struct Landed {
  Sequence* sequence = nullptr;
  TokenDepth depth = {};               ///< of the last token
  std::span<const float> logits = {};  ///< of the last token, if wanted; valid until the next step
};

/// Runs many sequences on one engine: their tokens share passes over the weights wherever their schedule lets them,
/// join, leave and are cancelled between loops, and long prompts go in by chunks beside the others.
class Scheduler {
 public:
  /// `chunk` is how many tokens of a prompt board together. Prompts whose tokens see one another whole, start where the
  /// token before ended, read loops that later ones replace in the cache, or leave as one board at once whatever it is.
  Scheduler(Engine& engine, Schedule schedule, int chunk);

  /// Throws Error when the tokens do not fit, or the sequence has a job already.
  void submit(Job job);
  /// The sequence is as it was after the last chunk that landed. Nothing happens when it has no job.
  void cancel(const Sequence& sequence);
  /// Whether the sequence has a job.
  [[nodiscard]] bool runs(const Sequence& sequence) const;
  /// The tokens of a sequence that are on their way, in their order; valid until the next step.
  [[nodiscard]] std::span<const Flight> flights(const Sequence& sequence) const;
  [[nodiscard]] bool idle() const { return jobs_.empty(); }
  /// Runs one loop of one group; what landed with it is valid until the next step. When an exit rule or a trace throws,
  /// the jobs that took part in the run are cancelled.
  std::span<const Landed> step();

 private:
  struct Running {
    Job job;
    std::size_t done = 0;              ///< tokens that have landed
    std::vector<Flight> flights = {};  ///< those on their way
    int patience = 0;                  ///< runs in a row that passed it over

    /// The group before which its tokens wait for one another.
    [[nodiscard]] std::size_t group() const;
  };

  void board(Running& running);
  [[nodiscard]] std::size_t chunk_of(const Running& running) const;
  void run(std::size_t group);
  void land();
  void tell(Running& running);

  Engine& engine_;
  Schedule schedule_;
  std::size_t chunk_;
  std::list<Running> jobs_;
  std::vector<Flight*> here_;
  std::vector<Landed> landed_;
};

}  // namespace gyre
