#pragma once

/// The public C++ API of gyre: open a model, run texts through it with an exit of their own, read logits and states,
/// share passes over the weights among many texts. Nothing below this header is public.
///
///     using namespace gyre::api;
///     const Model model = Model::open("models/shakespeare");
///     Runner runner(model, {.threads = 2});
///     Sequence text = runner.start({.exit = "accel:tau=0.2"});
///     const Step step = runner.append(text, model.encode("ROMEO:"));
///     step.logits;  // of the token that follows
///
/// Everything that goes wrong is a gyre::Error (or std::bad_alloc), whose text is one line: what, where, the mend. A
/// call that throws leaves its sequences as they were. A Model may be shared by threads; a Runner and its sequences
/// belong to one thread at a time.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::api {

struct OpenOptions {
  std::string weights;  ///< f32, bf16, q8_0, q4_0 or ternary; empty: as they are stored
};

/// A checkpoint opened once: description, weights, tokenizer, chat template, end tokens, digest. Copies share it.
class Model {
 public:
  /// A model folder or a GGUF file.
  static Model open(const std::filesystem::path& path, const OpenOptions& options = {});

  [[nodiscard]] std::string spec_json() const;  ///< the description, as in gyre's config.json
  [[nodiscard]] std::string digest() const;     ///< SHA-256 of the weights, in hexadecimal
  [[nodiscard]] std::string family() const;
  [[nodiscard]] int vocabulary_size() const;
  [[nodiscard]] int hidden_size() const;
  [[nodiscard]] int context() const;
  [[nodiscard]] std::vector<int> default_loops() const;  ///< per group

  /// Tokens of a text, behind what begins every text of this model.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> tokens) const;
  /// Tokens of a conversation: a JSON list of {"role", "content"}, written as the model's chat template says.
  [[nodiscard]] std::vector<std::int32_t> encode_chat(const std::string& messages_json) const;
  /// A generated text ends before any of these.
  [[nodiscard]] std::vector<std::int32_t> end_tokens() const;

 private:
  friend class Runner;
  friend class Sequence;
  struct State;
  explicit Model(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

/// The states of neighbouring positions after a loop, or with loop 0 as they enter a group.
struct LoopStates {
  int group = 0;
  int loop = 0;  ///< loops done
  int position = 0;
  std::span<float> states;  ///< [positions, hidden]; what a hook writes is what the next loop starts from
};
using Hook = std::function<void(const LoopStates&)>;

struct SequenceOptions {
  std::vector<int> loops = {};        ///< the most of each group; empty: the model's own
  int context = 0;                    ///< positions to make room for; 0: the model's, at most 4096
  std::string exit = {};              ///< a rule as in gyre generate --exit, of single tokens; empty: full depth
  std::string kv = "latest";          ///< what later tokens read of earlier ones, as --kv
  std::string kv_type = "f32";        ///< f32, bf16, q8_0
  std::string first_state = "noise";  ///< noise, zero, previous
  std::uint64_t seed = 1;             ///< of first states
};

/// One running text.
class Sequence {
 public:
  Sequence(Sequence&&) noexcept;
  Sequence& operator=(Sequence&&) noexcept;
  ~Sequence();

  [[nodiscard]] int length() const;         ///< tokens done
  [[nodiscard]] std::size_t bytes() const;  ///< of keys and values
  [[nodiscard]] Sequence fork() const;      ///< what both have is stored once
  void truncate(int tokens);                ///< only the first `tokens` are left

 private:
  friend class Runner;
  struct State;
  explicit Sequence(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  ///< a job that is under way holds it too
};

/// What came of some tokens.
struct Step {
  Sequence* sequence = nullptr;
  std::vector<float> logits = {};         ///< [vocabulary], of the token that follows the last
  std::vector<int> loops = {};            ///< the last token ran in each group
  std::vector<std::string> reasons = {};  ///< why it left each: the rule's word, "end", or empty
};

struct RunnerOptions {
  int threads = 0;                ///< 0: as many processors as this process may use
  std::string schedule = "rows";  ///< rows or lockstep, as gyre bench --schedule
  int chunk = 256;                ///< tokens of a prompt that go in together beside other texts
  /// Above 0: beginnings of texts are kept, so many bytes of them, and a text that begins like one before goes on from
  /// there (whole pages of 16 tokens at full depth; the logits are the same to the bit).
  std::size_t prefix_bytes = 0;
};

/// Runs sequences of one model.
class Runner {
 public:
  explicit Runner(const Model& model, const RunnerOptions& options = {});
  Runner(Runner&&) noexcept;
  ~Runner();

  [[nodiscard]] Sequence start(const SequenceOptions& options = {}) const;

  /// Appends tokens and waits for them: several at full depth, a single one as deep as the sequence's exit lets it.
  Step append(Sequence& sequence, std::span<const std::int32_t> tokens, const Hook& hook = {});

  /// The same, without waiting: step() runs one loop of one group for all that were submitted, and returns those that
  /// are done with it. A sequence has one job at a time; it may not be moved before that is done.
  void submit(Sequence& sequence, std::vector<std::int32_t> tokens, Hook hook = {});
  std::vector<Step> step();
  [[nodiscard]] bool idle() const;
  /// Its job is dropped; it is as it was after the last chunk of its prompt that was done.
  void cancel(const Sequence& sequence);

  /// Logits [n, vocabulary] of states [n, hidden] by the final norm and the head: the logit lens.
  [[nodiscard]] std::vector<float> lens(std::span<const float> states);
  /// Runs of a layer over its weights so far, and rows that shared them, summed.
  [[nodiscard]] std::size_t layer_passes() const;
  [[nodiscard]] std::size_t layer_rows() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gyre::api
