#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/attention_trace.hpp"
#include "engine/exits.hpp"
#include "engine/kv_cache.hpp"
#include "engine/state_pool.hpp"
#include "engine/test_noise.hpp"

namespace gyre {

/// Where a group whose first state is noise starts, if a user wants it otherwise.
enum class NoiseStart {
  noise,
  zero,      ///< for results that no seed changes
  previous,  ///< the last state of the token before (the continuous compute of arXiv 2502.05171); the first is noise
};
/// Throws Error naming `flag`.
NoiseStart parse_noise_start(const std::string& text, const std::string& flag);
std::string_view name_of(NoiseStart start);

/// One running text: how far it is, and what attention remembers of it. Nothing of it changes while its tokens are in
/// flight; it grows when they have landed.
struct Sequence {
  KvCache cache;
  std::uint64_t noise_seed = 1;  ///< for groups whose first state is noise
  NoiseStart start = NoiseStart::noise;
  int length = 0;             ///< positions done
  bool whole_prompt = false;  ///< the tokens of the first prefill see one another whole, not only those before them
  std::vector<std::vector<float>> last_states = {};  ///< per group, of the last token; kept for NoiseStart::previous
  TestNoise test_noise = {};                         ///< mixed into states before their loops

  /// Another that goes on from here; what both have is stored once.
  [[nodiscard]] Sequence fork() const;
  /// Only the first `tokens` positions are left. Throws Error when a token starts from the states of the one before,
  /// which are gone.
  void truncate(int tokens);
};

/// The states of neighbouring positions of a sequence after a loop (or, with loop 0, as they enter a group). Whoever
/// traces may change them; the next loop starts from what they are then.
struct TracePoint {
  int group = 0;
  int loop = 0;  ///< loops done
  int position = 0;
  std::span<float> states;  ///< [n, hidden]
};
using TraceSink = std::function<void(const TracePoint&)>;

/// How deep one token went.
struct TokenDepth {
  std::vector<int> loops;                 ///< that ran, per group
  std::vector<std::string_view> reasons;  ///< per group; "end" when all loops ran, empty for groups that do not loop
  /// Per group, the loop whose state was read, 0 for a sum of all; empty: the last that ran.
  std::vector<int> read = {};
};

/// A token on its way through the groups: the unit that is scheduled, cancelled, traced and paid for.
struct Flight {
  Sequence* sequence = nullptr;
  std::int32_t token = 0;
  int offset = 0;                            ///< tokens of its sequence that board with it, before it
  int reach = 1;                             ///< of those that board with it, how many it attends to, from the first
  bool in_prompt = false;                    ///< boards with others of its sequence, each at a depth of its own
  std::span<Flight> as_one = {};             ///< a prompt whose tokens leave as one, by the exit they share
  BoundedExit* exit = nullptr;               ///< asked after every loop of a looped group; null: full depth
  const TraceSink* trace = nullptr;          ///< hears of every loop; may be null
  const AttentionSink* attention = nullptr;  ///< hears of every head of every layer in every loop; may be null

  std::size_t group = 0;  ///< where it is; behind the last group it has landed
  int loop = 0;           ///< loops done there
  StateRow row = {};
  LoopStep seen = {};
  TokenDepth depth = {};
  std::vector<std::vector<float>> last_states = {};  ///< see Sequence

  /// Whether it only goes along: the last of those that leave as one is asked.
  [[nodiscard]] bool follows() const { return !as_one.empty() && this != &as_one.back(); }
  [[nodiscard]] int position() const { return sequence->length + offset; }
};

}  // namespace gyre
