#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/engine.hpp"
#include "engine/prefix_cache.hpp"
#include "engine/scheduler.hpp"
#include "serve/generation.hpp"
#include "serve/served_model.hpp"
#include "serve/totals.hpp"

namespace gyre::serve {

struct LaneOptions {
  int threads = 1;
  int chunk = 256;  ///< tokens of a prompt that go in together beside other texts
  Schedule schedule = Schedule::rows;
  std::size_t prefix_bytes = 0;  ///< of beginnings that are kept; 0: none
};

/// A text that runs, as it is between two loops.
struct TextState {
  std::size_t choice = 0;  ///< which of its request
  int prompt = 0;          ///< tokens
  int cached = 0;          ///< of these, that need not be run
  int length = 0;          ///< tokens that have landed
  int generated = 0;
  std::size_t kv_bytes = 0;
  std::size_t kv_pages = 0;
  int flights = 0;        ///< tokens on their way; of the first of them:
  std::size_t group = 0;  ///< where it is
  int loop = 0;           ///< loops done there
};

/// What a lane holds.
struct LaneState {
  std::vector<TextState> texts = {};
  std::size_t kept = 0;  ///< beginnings
  std::size_t kept_bytes = 0;
};

/// One model's engine and the texts that run on it. It belongs to the engine's thread.
class Lane {
 public:
  Lane(const ServedModel& model, const LaneOptions& options, Totals& totals);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Runs one more text of the request. What is wrong with it is told to its ticket.
  void start(const std::shared_ptr<Work>& work);
  /// All texts of the request end here, unheard of.
  void drop(const Work& work);
  [[nodiscard]] bool idle() const { return scheduler_.idle(); }
  /// Gives back what passes took, when idle().
  void rest() { engine_.rest(); }
  [[nodiscard]] LaneState state() const;
  [[nodiscard]] std::size_t running() const { return texts_.size(); }
  /// One loop of one group for all that wait before it.
  void step();

 private:
  struct Text;

  void begin(const std::shared_ptr<Work>& work, std::size_t choice);
  void submit(Text& text);
  void land(Text& text, const Landed& landed);
  void draw(Text& text, const Landed& landed);
  std::span<const Landed> kept(std::span<const Landed> landed);
  std::span<const std::uint8_t> allowed(const Text& text);
  void end(Text& text, StopReason reason);
  void count_token(Text& text);
  void count_end(const Text& text, StopReason reason);
  void fail(const Text& text, const ApiError& error);
  void give_up(const std::shared_ptr<Work>& work, const ApiError& error);
  void remove(const Text& text);
  void fail_lost(const ApiError& error);

  const ServedModel& model_;
  LaneOptions options_;
  Totals& totals_;
  Engine engine_;
  Scheduler scheduler_;
  std::unique_ptr<PrefixCache> prefixes_;
  std::unique_ptr<TokenBytes> token_bytes_;  ///< made when a format first asks for them
  std::unordered_map<const Sequence*, std::unique_ptr<Text>> texts_;
  PassCount passes_ = {};       ///< that are counted already
  std::vector<Landed> landed_;  ///< with logits that outlast what a lens asks of the engine
  std::vector<float> logits_;
};

}  // namespace gyre::serve
