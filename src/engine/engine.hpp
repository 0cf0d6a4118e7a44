#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.hpp"
#include "engine/exits.hpp"
#include "engine/kv_cache.hpp"
#include "engine/layer.hpp"
#include "model/model.hpp"

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

/// One running text: how far it is, and what attention remembers of it.
struct Sequence {
  KvCache cache;
  std::uint64_t noise_seed = 1;  ///< for groups whose first state is noise
  NoiseStart start = NoiseStart::noise;
  int length = 0;             ///< positions done
  bool whole_prompt = false;  ///< the tokens of the first prefill see one another whole, not only those before them
  std::vector<std::vector<float>> last_states = {};  ///< per group, of the last token; kept for NoiseStart::previous
};

/// The states of some positions after a loop (or, with loop 0, as they enter a group), for whoever traces.
struct TracePoint {
  int group = 0;
  int loop = 0;  ///< loops done
  int position = 0;
  std::span<const float> states;  ///< [n, hidden]
};
using TraceSink = std::function<void(const TracePoint&)>;

/// How deep one token went.
struct TokenDepth {
  std::vector<int> loops;                 ///< per group
  std::vector<std::string_view> reasons;  ///< per group; "end" when all loops ran, empty for groups that do not loop
};

/// One of the texts that are decoded together.
struct DecodeRow {
  Sequence* sequence = nullptr;
  std::int32_t token = 0;
  BoundedExit* exit = nullptr;  ///< asked after every loop of a looped group; null: full depth
  TokenDepth depth = {};        ///< what became of it
};

/// A pass over sequences that leaves them as they were, unless it is committed.
class Transaction {
 public:
  explicit Transaction(Sequence& sequence) { add(sequence); }
  explicit Transaction(std::span<const DecodeRow> batch);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Each sequence is `tokens` tokens longer.
  void commit(int tokens);

 private:
  struct Before {
    Sequence* sequence;
    KvCache::Extent extent;
    std::vector<std::vector<float>> last_states;
  };
  void add(Sequence& sequence) { before_.push_back({&sequence, sequence.cache.extent(), sequence.last_states}); }

  std::vector<Before> before_;
};

/// Throws Error naming the first token that the model does not know.
void require_in_vocabulary(std::span<const std::int32_t> tokens, const ModelSpec& spec);

/// Runs a model: tokens through the groups, loop by loop, on this machine's cores. One engine serves many sequences,
/// one call at a time.
class Engine {
 public:
  Engine(const Model& model, int threads);

  /// A sequence with room for `context` positions (no more than a model with learned positions has) at up to `loops`
  /// loops a group.
  [[nodiscard]] Sequence start(std::vector<int> loops, int context, KvPolicy policy, std::uint64_t noise_seed,
                               NoiseStart start = NoiseStart::noise) const;

  enum class Logits { none, last, all };
  /// Appends `tokens` at full depth in one batch. Returns logits [1 | n, vocabulary], valid until the next call.
  /// Throws Error when the sequence has no room for them. As with every pass, a sequence is as it was when one ends
  /// with an exception, be it of `trace`, of an exit rule or of an interrupt.
  std::span<const float> prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                 const TraceSink& trace = {});

  /// The same with an exit for every token: one that leaves a group early takes no part in its later loops, and the
  /// others read its last keys and values there. `depths` becomes how deep each went. Throws Error when there is not
  /// one exit a token, or the KV policy's lookup is not Lookup::latest.
  std::span<const float> prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                 std::span<BoundedExit> exits, std::vector<TokenDepth>& depths);

  /// Appends a token to each of several sequences in one pass over the weights; a row that leaves a group early takes
  /// no part in its later loops. Returns logits [batch, vocabulary], valid until the next call. Throws Error when a
  /// sequence is there twice.
  std::span<const float> decode(std::span<DecodeRow> batch);
  /// Appends one token, asking `exit` after every loop of a looped group (null: full depth). Returns the logits of the
  /// next token, valid until the next call.
  std::span<const float> decode(Sequence& sequence, std::int32_t token, BoundedExit* exit, TokenDepth& depth);

  /// Logits [n, vocabulary] of states [n, hidden], by the final norm and the head.
  std::span<const float> head(std::span<const float> states);

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] int threads() const { return pool_.size(); }

 private:
  struct Workspace {
    std::vector<float> states;  ///< [n, hidden]
    std::vector<float> handed;  ///< what the group was handed, [n, hidden]
    std::vector<float> fast;    ///< the states of the group's fast stack, [n, hidden]
    std::vector<float> joined;  ///< what a matrix or a norm reads: [state ; handed], [n, 2 hidden], or [n, hidden]
    std::vector<float> before;  ///< the states before a damped loop
  };
  /// A row of a batch that is still in a group.
  struct Active {
    std::size_t row = 0;  ///< of the batch
    LoopStep seen = {};
  };

  void embed(std::int32_t token, int position, std::span<float> state) const;
  void embed_norm(std::vector<float>& states);
  /// Embeds a prompt: its rows and their states.
  void embed_prompt(Sequence& sequence, std::span<const std::int32_t> tokens);
  /// The logits that a prompt's caller wants of its last states.
  std::span<const float> prompt_logits(Logits wanted);
  /// States and what the group is handed; rows [first, last) are of `sequence`, the first of them at `position`.
  void enter_group(std::size_t group, const Sequence& sequence, int position, std::size_t first, std::size_t last,
                   Workspace& work) const;
  void run_loop(std::size_t group, int loop, std::span<const TokenRow> rows, Workspace& work);
  void inject(std::size_t group, Workspace& work);
  void run_layers(std::span<const Layer> layers, LayerPass first, std::span<const TokenRow> rows,
                  std::span<float> states);
  void run_fast_stack(std::size_t group, int loop, std::span<const TokenRow> rows, Workspace& work);
  void damp(std::size_t group, Workspace& work) const;
  void leave_group(std::size_t group, Sequence& sequence, int tokens, int loops, std::span<const float> last_state);
  void apply_exit(std::size_t group, std::vector<float>& states);
  /// Runs the loops of a group over the rows of a batch, each as deep as its exit lets it; `left` hears of every row
  /// that is done and of its state.
  using RowSink = std::function<void(std::size_t row, std::span<const float> state)>;
  void loop_rows(std::size_t group, std::span<DecodeRow> batch, const RowSink& left);
  void begin_steps(std::size_t group, std::span<DecodeRow> batch);
  bool leaves(std::size_t group, int loop, std::size_t place, DecodeRow& row);
  void keep_rows(std::span<const std::size_t> places);
  void see_loop(std::size_t group, int loop, std::size_t place, LoopStep& seen);
  std::span<const float> read_unfinished(std::size_t group, std::size_t place, const Sequence& sequence,
                                         LoopStep::Readout how);
  void check_tokens(const Sequence& sequence, std::span<const std::int32_t> tokens) const;
  void require_different_sequences(std::span<const DecodeRow> batch);

  const Model& model_;
  ThreadPool pool_;
  LayerRunner layers_;
  std::vector<TokenRow> rows_;  ///< what is being run
  std::vector<const Sequence*> sequences_;
  std::vector<Active> active_;
  Workspace main_;
  Workspace ahead_;              ///< for decoding an unfinished state
  std::vector<float> before_;    ///< the states before a loop
  std::vector<float> step_;      ///< the last step of each
  std::vector<float> finished_;  ///< states of the rows that left the group
  std::vector<float> normed_;
  std::vector<float> left_;  ///< a state on its way out of a group
  std::vector<float> logits_;
};

}  // namespace gyre
