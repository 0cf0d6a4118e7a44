#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/stop.hpp"
#include "base/thread_pool.hpp"
#include "engine/flight.hpp"
#include "engine/stack.hpp"
#include "model/model.hpp"

namespace gyre {

/// One of the texts that are decoded together.
struct DecodeRow {
  Sequence* sequence = nullptr;
  std::int32_t token = 0;
  BoundedExit* exit = nullptr;  ///< asked after every loop of a looped group; null: full depth
  TokenDepth depth = {};        ///< what became of it
  const TraceSink* trace = nullptr;
};

/// Throws Error naming the first token that the model does not know.
void require_in_vocabulary(std::span<const std::int32_t> tokens, const ModelSpec& spec);

/// Tokens of one sequence that boarded together have landed: it is longer by them.
void commit(std::span<Flight> flights);

/// Runs a model on this machine's cores: whole prompts, or a token of each of several texts. One engine serves many
/// sequences, one call at a time; the tokens of a call move from group to group together. A pass ends with an Error
/// between two loops once `stop` is requested.
class Engine {
 public:
  /// Throws Error when the model is an encoder.
  Engine(const Model& model, int threads, Stop stop = {});

  /// A sequence with room for `context` positions (no more than a model with learned positions has) at up to `loops`
  /// loops a group.
  [[nodiscard]] Sequence start(std::vector<int> loops, int context, KvPolicy policy, std::uint64_t noise_seed,
                               NoiseStart start = NoiseStart::noise) const;

  enum class Logits { none, last, all };
  /// Appends `tokens` at full depth in one batch. Returns logits [1 | n, vocabulary], valid until the next call.
  /// Throws Error when the sequence has no room for them. As with every pass, a sequence is as it was when one ends
  /// with an exception, be it of `trace`, of an exit rule or of an interrupt. `attention` hears of all attention
  /// scores.
  std::span<const float> prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                 const TraceSink& trace = {}, const AttentionSink& attention = {});

  /// The same with an exit for every token: one that leaves a group early takes no part in its later loops, and the
  /// others read its last keys and values there. `depths` becomes how deep each went. Throws Error when there is not
  /// one exit a token, or the KV policy's lookup is not Lookup::latest.
  std::span<const float> prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                 std::span<BoundedExit> exits, std::vector<TokenDepth>& depths,
                                 const TraceSink& trace = {});

  /// The same with one exit for all of them, as Huginn's program does it: they run the same loops, by the mean over the
  /// tokens of what a rule reads of their states, or by the last one's logits. `depth` becomes that of each.
  std::span<const float> prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                 BoundedExit& exit, TokenDepth& depth, const TraceSink& trace = {});

  /// Appends a token to each of several sequences in one pass over the weights; a row that leaves a group early takes
  /// no part in its later loops. Returns logits [batch, vocabulary], valid until the next call. Throws Error when a
  /// sequence is there twice.
  std::span<const float> decode(std::span<DecodeRow> batch);
  /// Appends one token, asking `exit` after every loop of a looped group (null: full depth). Returns the logits of the
  /// next token, valid until the next call.
  std::span<const float> decode(Sequence& sequence, std::int32_t token, BoundedExit* exit, TokenDepth& depth,
                                const TraceSink& trace = {});

  /// Tells `sink` of all that matrices read from now on; empty: nobody.
  void observe_inputs(InputSink sink) { stack_.observe_inputs(std::move(sink)); }

  /// Gives back the room that passes took, which is that of the widest until now; the next takes its own. Logits that
  /// were returned are gone. Only between passes.
  void rest();

  /// Logits [n, vocabulary] of states [n, hidden], by the final norm and the head.
  std::span<const float> head(std::span<const float> states) { return stack_.head(states); }

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] int threads() const { return pool_.size(); }
  [[nodiscard]] const Stop& stop() const { return stop_; }
  [[nodiscard]] const PassCount& count() const { return stack_.count(); }

  // What drivers are made of.
  [[nodiscard]] Stack& stack() { return stack_; }
  /// Throws Error when a sequence has no room for the tokens, or one is outside the vocabulary.
  void check_tokens(const Sequence& sequence, std::span<const std::int32_t> tokens) const;
  /// Tokens that follow a sequence, ready to board together.
  [[nodiscard]] std::vector<Flight> flights_of(Sequence& sequence, std::span<const std::int32_t> tokens) const;
  /// Logits [n, vocabulary] of tokens that landed, valid until the next call.
  std::span<const float> logits_of(std::span<Flight* const> flights);

 private:
  std::span<const float> logits_of(std::span<Flight> flights, Logits wanted);

  const Model& model_;
  Stop stop_;
  ThreadPool pool_;
  Stack stack_;
  std::vector<float> last_;  ///< states of tokens that landed
};

}  // namespace gyre
