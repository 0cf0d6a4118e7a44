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
/// or, with the drawing of tokens too, as `gyre generate` does it (which is written over this header):
///
///     runner.generate(text, model.encode("ROMEO:"), {.tokens = 50}, [](const GeneratedToken& token) {
///       std::cout << token.text;  // token.loops, token.reasons, token.milliseconds
///     });
///
/// Everything that goes wrong is a gyre::Error (or std::bad_alloc), whose text is one line: what, where, the mend; one
/// about an option begins with its name. A call that throws leaves its sequences as they were. A Model may be shared by
/// threads; a Runner and its sequences belong to one thread at a time.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre::api {

/// How errors name an option: as these structs do (kv_type), or as the flags of a program do (--kv-type).
enum class OptionNames { fields, flags };

struct OpenOptions {
  std::string weights = {};  ///< q8_0, q4_k, …, as `gyre generate --help` lists them; empty: as they are stored
  std::string adapter = {};  ///< folder of a LoRA adapter in PEFT's layout, run beside the weights; empty: none
  std::string loop = {};     ///< layers of a plain model that loop, as in 10-13x4 or 4x2,10-13x4 (from 0)
  float damping = 1;         ///< of those: x + damping (loop(x) - x) from the second loop on
  OptionNames names = OptionNames::fields;  ///< for all that is made of this model
};

/// Results depend on how many tokens run together where instructions round activations for speed. From this call on
/// none of these are used in this process: the same answer, to the bit, whoever else is served.
void require_exact_arithmetic();

/// A checkpoint opened once: description, weights, tokenizer, chat template, end tokens, digest. Copies share it.
class Model {
 public:
  struct State;  ///< the library's own

  /// A model folder or a GGUF file.
  static Model open(const std::filesystem::path& path, const OpenOptions& options = {});

  [[nodiscard]] std::string spec_json() const;  ///< the description, as in gyre's config.json
  [[nodiscard]] std::string digest() const;     ///< SHA-256 of the weights, in hexadecimal
  [[nodiscard]] std::string family() const;
  /// What is to be said of the model: where it gives another result than its authors' program.
  [[nodiscard]] std::vector<std::string> notes() const;
  [[nodiscard]] int vocabulary_size() const;
  [[nodiscard]] int hidden_size() const;
  [[nodiscard]] int context() const;
  [[nodiscard]] std::vector<int> default_loops() const;  ///< per group
  /// The loops of every group by "8" (each looped group's) or "4/8/4" (one count each); empty: the model's own.
  [[nodiscard]] std::vector<int> loops(const std::string& text) const;

  /// Tokens of a text, behind what begins every text of this model.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  /// Those of the text alone, for one that goes on from another.
  [[nodiscard]] std::vector<std::int32_t> encode_further(std::string_view text) const;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> tokens) const;
  /// A token as the vocabulary spells it; empty where it has a hole. Throws when there is no such token.
  [[nodiscard]] std::string token_name(std::int32_t token) const;
  /// Tokens of a conversation, written as the model's chat template says: JSON, a list of {"role", "content"} or an
  /// object with "messages" and, if wanted, "tools" and "documents". `arguments` is an object of further variables of
  /// the template, such as {"enable_thinking": false}.
  [[nodiscard]] std::vector<std::int32_t> encode_chat(const std::string& conversation,
                                                      const std::string& arguments = "{}") const;
  /// The conversation as its template writes it.
  [[nodiscard]] std::string render_chat(const std::string& conversation, const std::string& arguments = "{}") const;
  /// A generated text ends before any of these.
  [[nodiscard]] std::vector<std::int32_t> end_tokens() const;

 private:
  friend class Embedder;
  friend class Runner;
  friend class Sequence;
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

/// Hears of the logits [n, vocabulary] of neighbouring tokens as they come, the first of which is number `first` of
/// those that go in. The memory is valid during the call.
using LogitsHook = std::function<void(std::size_t first, std::span<const float> logits)>;

/// What an exit rule sees of one token after a loop of one group. With x(k) the state after k loops (x(0) as it
/// entered) and step k = x(k) - x(k-1): the quantities of arXiv 2509.23314. What the rule does not read is 0, or empty.
struct ExitStep {
  int group = 0;
  int loop = 0;  ///< k: loops done in this group, from 1
  int position = 0;
  float state_norm = 0;                ///< of x(k)
  float previous_state_norm = 0;       ///< of x(k-1)
  float step_norm = 0;                 ///< of step k
  float first_step_norm = 0;           ///< of step 1
  float previous_step_norm = 0;        ///< of step k-1; from loop 2 on
  float acceleration = 0;              ///< the norm of step k - step k-1; from loop 2 on
  float gate = 0;                      ///< of a group that has one
  std::span<const float> state = {};   ///< [hidden]; valid while the rule is asked
  std::span<const float> logits = {};  ///< [vocabulary]; valid while the rule is asked
};

/// An exit rule that a program has written: decides after each loop of a looped group, but its last, whether a token
/// leaves. One serves one sequence, token after token.
class ExitRule {
 public:
  /// What it looks at; nothing else is computed.
  struct Reads {
    bool norms = true;
    bool state = false;
    bool gate = false;
    /// How logits are read off an unfinished state: empty (not at all), "lens" (the final norm and the head at once) or
    /// "coda" (every later group once, then those).
    std::string logits = {};
  };

  virtual ~ExitRule() = default;
  [[nodiscard]] virtual Reads reads() const { return {}; }
  /// A token enters a looped group.
  virtual void enter(int /*group*/, int /*position*/) {}
  /// A word that says why the token leaves now; empty: it goes on.
  virtual std::string leave(const ExitStep& step) = 0;
};

/// Makes a rule for each text, and with `exit_prompt` "each" for each token of a prompt.
struct ExitProgram {
  std::string name = {};  ///< in provenance
  std::function<std::unique_ptr<ExitRule>()> make = {};
};

struct SequenceOptions {
  std::vector<int> loops = {};  ///< the most of each group; empty: the model's own
  int context = 0;              ///< positions to make room for; 0: the model's, at most 4096
  /// A rule as in gyre generate --exit, of single tokens, or "calibrated:FILE" of gyre calibrate; empty: full depth.
  std::string exit = {};
  ExitProgram rule = {};              ///< in place of `exit`
  std::string kv = "latest";          ///< what later tokens read of earlier ones, as --kv
  std::string kv_type = "f32";        ///< f32, bf16, q8_0
  std::string first_state = "noise";  ///< noise, zero, previous
  std::uint64_t seed = 1;             ///< of first states
  std::string test_noise = {};        ///< KIND=AMOUNT, noise in the states before every loop; empty: none
  bool whole_prompt = false;          ///< the first tokens that go in see one another whole, in models trained so
  /// Tokens come from a wavefront of positions that loop together (arXiv 2510.14961), as generate --diffuse says it;
  /// then there is no exit and generate() alone runs the sequence. Empty: from passes, one after the other.
  std::string diffuse = {};
};

/// One running text.
class Sequence {
 public:
  struct State;  ///< the library's own

  Sequence(Sequence&&) noexcept;
  Sequence& operator=(Sequence&&) noexcept;
  ~Sequence();

  [[nodiscard]] int length() const;              ///< tokens done
  [[nodiscard]] int context() const;             ///< positions there is room for
  [[nodiscard]] std::vector<int> loops() const;  ///< the most of each group
  [[nodiscard]] std::size_t bytes() const;       ///< of keys and values
  [[nodiscard]] Sequence fork() const;           ///< what both have is stored once
  void truncate(int tokens);                     ///< only the first `tokens` are left

 private:
  friend class Runner;
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

/// A token and the natural logarithm of its probability, before anything that sampling does.
struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0;
};

struct GeneratedToken {
  std::int32_t token = 0;
  std::string text = {};                  ///< whole characters that this token completed; may be empty
  std::vector<int> loops = {};            ///< per group, of the pass that chose it
  std::vector<std::string> reasons = {};  ///< why that left each group
  std::vector<int> loops_read = {};       ///< the loop whose state was read, where that is another than the last
  double milliseconds = 0;
  std::vector<TokenLogprob> logprobs = {};  ///< if wanted: its own, then the likeliest
};

struct GenerateOptions {
  int tokens = 100;          ///< at most
  float temperature = 0.8F;  ///< 0: the likeliest token
  int top_k = 0;             ///< 0: all
  float top_p = 1.0F;        ///< the likeliest tokens that reach this probability
  float min_p = 0.0F;        ///< drops tokens below this share of the likeliest one's probability
  float repetition_penalty = 1.0F;
  std::vector<std::pair<std::int32_t, float>> logit_bias = {};  ///< added to the logits of these tokens
  std::uint64_t seed = 1;                                       ///< of draws
  std::vector<std::string> stop = {};                           ///< the text ends before the first of these
  bool ignore_end = false;                                      ///< and otherwise before the model's end tokens
  int logprobs = -1;  ///< 0 or more: of every token, and of so many of the likeliest
  /// Which tokens of the prompt obey the exit: last, each, whole (all leave as one), never.
  std::string exit_prompt = "last";
  std::string draft = {};  ///< "loops=4,tokens=8": few loops draft, one pass at full depth verifies; without an exit
  Hook hook = {};          ///< of the prompt and every pass; without draft, and sequences with diffuse
};

/// What a text came to.
struct Generation {
  std::vector<std::int32_t> tokens = {};
  std::string text = {};
  std::string stop_reason = {};                     ///< length, context, stop_text, end_token, interrupted
  std::vector<std::vector<int>> prompt_loops = {};  ///< per token of the prompt and group, when they had exits
  double prefill_milliseconds = 0;
  double decode_milliseconds = 0;
  int passes = 0;  ///< at full depth, or as deep as exits let
  struct {
    int rounds = 0, drafted = 0, accepted = 0, plain = 0;
  } draft = {};
  struct {
    int steps = 0;
    std::int64_t positions = 0;  ///< of all steps together
  } diffusion = {};
};

struct RunnerOptions {
  int threads = 0;                ///< 0: as many processors as this process may use
  std::string schedule = "rows";  ///< rows or lockstep, as gyre bench --schedule
  int chunk = 256;                ///< tokens of a prompt that go in together beside other texts
  /// Above 0: beginnings of texts are kept, so many bytes of them, and a text that begins like one before goes on from
  /// there (whole pages of 16 tokens at full depth; the logits are the same to the bit).
  std::size_t prefix_bytes = 0;
  /// Once it is true, passes end with an Error between two loops, and generate() returns what there is.
  const std::atomic<bool>* stop = nullptr;
  /// The same of an answer, for which the thread that runs asks between two loops. What it throws ends the pass too.
  std::function<bool()> stop_when = {};
};

/// A text that is drawn a token at a time, by Runner::write.
class Writing {
 public:
  struct State;  ///< the library's own

  Writing(Writing&&) noexcept;
  ~Writing();

  /// The next token whose text is sure not to be part of a stop text; nothing once the text has ended. A call that
  /// throws may be made again.
  std::optional<GeneratedToken> next();
  /// What the text has come to; one that has not ended is "interrupted".
  [[nodiscard]] Generation result() const;

 private:
  friend class Runner;
  explicit Writing(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Runs sequences of one model.
class Runner {
 public:
  struct State;  ///< the library's own

  explicit Runner(const Model& model, const RunnerOptions& options = {});
  Runner(Runner&&) noexcept;
  ~Runner();

  [[nodiscard]] Sequence start(const SequenceOptions& options = {}) const;

  /// Appends tokens and waits for them: several at full depth, a single one as deep as the sequence's exit lets it.
  Step append(Sequence& sequence, std::span<const std::int32_t> tokens, const Hook& hook = {},
              const LogitsHook& logits = {});

  /// The same, without waiting: step() runs one loop of one group for all that were submitted, and returns those that
  /// are done with it. A sequence has one job at a time; it may not be moved before that is done.
  void submit(Sequence& sequence, std::vector<std::int32_t> tokens, Hook hook = {}, LogitsHook logits = {});
  std::vector<Step> step();
  [[nodiscard]] bool idle() const;
  /// Its job is dropped; it is as it was after the last chunk of its prompt that was done.
  void cancel(const Sequence& sequence);

  /// Draws tokens behind a prompt, of which all but the last token go in at once; `each` hears of every token as soon
  /// as its text is sure not to be part of a stop text.
  Generation generate(Sequence& sequence, std::span<const std::int32_t> prompt, const GenerateOptions& options = {},
                      const std::function<void(const GeneratedToken&)>& each = {});
  /// The same a token at a time; nothing has run yet. Runner and sequence outlive it, and stay where they are; between
  /// two tokens other sequences may run.
  Writing write(Sequence& sequence, std::span<const std::int32_t> prompt, const GenerateOptions& options = {});
  /// Throws what generate() would refuse, before it runs anything.
  void check(const Sequence& sequence, std::span<const std::int32_t> prompt, const GenerateOptions& options) const;

  /// What the results of a sequence depend on, as a JSON object: model, digest, types of numbers, loops, exit, KV
  /// policy, first state, seed, threads, instruction set, arithmetic.
  [[nodiscard]] std::string provenance(const Sequence& sequence) const;

  /// Logits [n, vocabulary] of states [n, hidden] by the final norm and the head: the logit lens.
  [[nodiscard]] std::vector<float> lens(std::span<const float> states);
  /// Runs of a layer over its weights so far, and rows that shared them, summed.
  [[nodiscard]] std::size_t layer_passes() const;
  [[nodiscard]] std::size_t layer_rows() const;

 private:
  std::unique_ptr<State> state_;
};

/// What becomes of a token's logits: how likely another is, and which is the likeliest.
struct TokenScore {
  float logprob = 0;  ///< natural
  std::int32_t likeliest = 0;
};
TokenScore score(std::span<const float> logits, std::int32_t token);

struct EmbedderOptions {
  std::string pooling = {};              ///< mean, cls or last; empty: as the model's own files say, else mean
  std::optional<bool> normalize = {};    ///< whether vectors have length one; empty: as they say
  int most_tokens = 0;                   ///< longer texts are cut; 0: as they say, else the model's context
  int threads = 0;                       ///< 0: as many processors as this process may use
  std::function<bool()> stop_when = {};  ///< as in RunnerOptions
};

/// Texts as vectors, by a sentence encoder or any other model. One call at a time.
class Embedder {
 public:
  struct State;  ///< the library's own

  explicit Embedder(const Model& model, const EmbedderOptions& options = {});
  Embedder(Embedder&&) noexcept;
  ~Embedder();

  /// [texts, hidden], one row a text.
  std::vector<float> embed(std::span<const std::string> texts);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace gyre::api
