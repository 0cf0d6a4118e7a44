#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/processors.hpp"
#include "engine/prefix_cache.hpp"
#include "engine/scheduler.hpp"
#include "gyre/gyre.hpp"
#include "model/checkpoint.hpp"

namespace gyre::api {

struct Model::State {
  Checkpoint checkpoint;
};

Model::Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Model Model::open(const std::filesystem::path& path, const OpenOptions& options) {
  LoadOptions load;
  if (!options.weights.empty()) load.weights = parse_weight_type(options.weights, "weights");
  return Model(std::make_shared<const State>(State{Checkpoint::open(path, load)}));
}

std::string Model::spec_json() const { return to_json(state_->checkpoint.model.spec()).dump(2); }
std::string Model::digest() const { return state_->checkpoint.model.hash(); }
std::string Model::family() const { return state_->checkpoint.model.family(); }
int Model::vocabulary_size() const { return state_->checkpoint.model.spec().vocab_size; }
int Model::hidden_size() const { return state_->checkpoint.model.spec().hidden_size; }
int Model::context() const { return state_->checkpoint.model.spec().context; }
std::vector<int> Model::default_loops() const { return state_->checkpoint.model.spec().default_loops(); }

std::vector<std::int32_t> Model::encode(std::string_view text) const {
  const Tokenizer& tokenizer = state_->checkpoint.language.tokenizer;
  std::vector<std::int32_t> tokens = tokenizer.prefix_tokens();
  const std::vector<std::int32_t> words = tokenizer.encode(text);
  tokens.insert(tokens.end(), words.begin(), words.end());
  return tokens;
}

std::string Model::decode(std::span<const std::int32_t> tokens) const {
  return state_->checkpoint.language.tokenizer.decode({tokens.begin(), tokens.end()});
}

std::vector<std::int32_t> Model::encode_chat(const std::string& messages_json) const {
  Conversation conversation;
  conversation.messages = nlohmann::ordered_json::parse(messages_json, nullptr, false);
  if (!conversation.messages.is_array()) {
    throw Error("messages: this is no JSON list of objects with \"role\" and \"content\"");
  }
  const Checkpoint& checkpoint = state_->checkpoint;
  return checkpoint.language.tokenizer.encode(checkpoint.chat_template().render(conversation));
}

std::vector<std::int32_t> Model::end_tokens() const { return state_->checkpoint.language.end_tokens; }

struct Sequence::State {
  gyre::Sequence sequence;
  std::shared_ptr<const Model::State> model;
  ExitChoice choice;
  std::optional<BoundedExit> exit;
};

Sequence::Sequence(std::shared_ptr<State> state) : state_(std::move(state)) {}
Sequence::Sequence(Sequence&&) noexcept = default;
Sequence& Sequence::operator=(Sequence&&) noexcept = default;
Sequence::~Sequence() = default;

int Sequence::length() const { return state_->sequence.length; }
std::size_t Sequence::bytes() const { return state_->sequence.cache.bytes(); }
void Sequence::truncate(int tokens) { state_->sequence.truncate(std::max(0, tokens)); }

Sequence Sequence::fork() const {
  auto state = std::make_shared<State>(State{state_->sequence.fork(), state_->model, state_->choice, {}});
  if (state_->exit) {
    state->exit.emplace(state->choice,
                        ExitContext{state->model->checkpoint.model.spec(), state->sequence.cache.loops(), {}});
  }
  return Sequence(std::move(state));
}

struct Runner::State {
  std::shared_ptr<const Model::State> model;
  Engine engine;
  Scheduler scheduler;
  struct Submitted {
    Sequence* handle;
    std::shared_ptr<Sequence::State> state;
    TraceSink trace;
    std::vector<std::int32_t> beginning = {};  ///< the whole text, if it is to be kept
  };
  std::map<const gyre::Sequence*, Submitted> submitted;
  std::unique_ptr<PrefixCache> prefixes;  ///< null: beginnings are not kept

  State(std::shared_ptr<const Model::State> opened, int threads, const RunnerOptions& options)
      : model(std::move(opened)),
        engine(model->checkpoint.model, threads),
        scheduler(engine, parse_schedule(options.schedule, "schedule"), options.chunk),
        prefixes(options.prefix_bytes > 0 ? std::make_unique<PrefixCache>(options.prefix_bytes) : nullptr) {}

  /// Goes on from what is known of a fresh text; returns what is left of its tokens.
  std::vector<std::int32_t> behind_known(gyre::Sequence& sequence, std::vector<std::int32_t> tokens) const {
    std::optional<gyre::Sequence> known = prefixes->find(sequence, tokens);
    if (!known) return tokens;
    sequence = std::move(*known);
    return {tokens.begin() + sequence.length, tokens.end()};
  }

  void require_own(const Sequence::State& sequence) const {
    if (sequence.model != model) throw Error("the sequence belongs to another model; start one with this runner");
  }
};

Runner::Runner(const Model& model, const RunnerOptions& options)
    : state_(std::make_unique<State>(model.state_, options.threads > 0 ? options.threads : usable_processors(),
                                     options)) {}
Runner::Runner(Runner&&) noexcept = default;
Runner::~Runner() = default;

Sequence Runner::start(const SequenceOptions& options) const {
  const ModelSpec& spec = state_->model->checkpoint.model.spec();
  const std::vector<int> loops = options.loops.empty() ? spec.default_loops() : options.loops;
  if (loops.size() != spec.groups.size()) {
    throw Error("loops: {} counts for {} groups; give one each", loops.size(), spec.groups.size());
  }
  for (std::size_t g = 0; g < loops.size(); ++g) {
    const bool fits = spec.groups[g].looped() ? loops[g] >= 1 && loops[g] <= kMostLoops : loops[g] == 1;
    if (!fits) throw Error("loops: group {} cannot run {} loops", spec.groups[g].name, loops[g]);
  }
  if (options.context < 0 || options.context > spec.context) {
    throw Error("context: {} is not within the {} positions of this model", options.context, spec.context);
  }
  const int context = options.context > 0 ? options.context : default_context(spec);
  KvPolicy policy = parse_kv_policy(options.kv, "kv");
  policy.type = parse_kv_type(options.kv_type, "kv_type");
  auto state = std::make_shared<Sequence::State>(Sequence::State{
      state_->engine.start(loops, context, policy, options.seed, parse_noise_start(options.first_state, "first_state")),
      state_->model,
      {},
      {}});
  if (!options.exit.empty()) {
    state->choice = parse_exit(options.exit);
    state->exit.emplace(state->choice, ExitContext{spec, loops, {}});
  }
  return Sequence(std::move(state));
}

void Runner::submit(Sequence& sequence, std::vector<std::int32_t> tokens, Hook hook) {
  Sequence::State& text = *sequence.state_;
  state_->require_own(text);
  if (state_->submitted.contains(&text.sequence)) {
    throw Error("this sequence has a job already; append its tokens one after the other");
  }
  state_->engine.check_tokens(text.sequence, tokens);
  BoundedExit* const exit = text.exit && tokens.size() == 1 ? &*text.exit : nullptr;
  State::Submitted job{&sequence, sequence.state_, {}};
  if (hook) {
    job.trace = [hook = std::move(hook)](const TracePoint& point) {
      hook({point.group, point.loop, point.position, point.states});
    };
  } else if (state_->prefixes && text.sequence.length == 0) {  // a hook wants to see every token
    job.beginning = tokens;
    tokens = state_->behind_known(text.sequence, std::move(tokens));
  }
  State::Submitted& kept = state_->submitted.insert_or_assign(&text.sequence, std::move(job)).first->second;
  state_->scheduler.submit({&text.sequence, std::move(tokens), exit, &kept.trace});
}

std::vector<Step> Runner::step() {
  std::vector<Step> done;
  try {
    for (const Landed& landed : state_->scheduler.step()) {
      const auto place = state_->submitted.find(landed.sequence);
      const std::vector<std::int32_t>& beginning = place->second.beginning;
      if (!beginning.empty()) state_->prefixes->keep(*landed.sequence, beginning);
      done.push_back({place->second.handle,
                      {landed.logits.begin(), landed.logits.end()},
                      landed.depth.loops,
                      {landed.depth.reasons.begin(), landed.depth.reasons.end()}});
      state_->submitted.erase(place);
    }
  } catch (...) {
    std::erase_if(state_->submitted, [&](const auto& one) { return !state_->scheduler.runs(*one.first); });
    throw;
  }
  return done;
}

bool Runner::idle() const { return state_->scheduler.idle(); }

void Runner::cancel(const Sequence& sequence) {
  state_->scheduler.cancel(sequence.state_->sequence);
  state_->submitted.erase(&sequence.state_->sequence);
}

Step Runner::append(Sequence& sequence, std::span<const std::int32_t> tokens, const Hook& hook) {
  if (!idle()) throw Error("other texts are under way; submit this one too, or finish them first");
  submit(sequence, {tokens.begin(), tokens.end()}, hook);
  Step last;
  while (!idle()) {
    std::vector<Step> done = step();
    if (!done.empty()) last = std::move(done.front());
  }
  return last;
}

std::vector<float> Runner::lens(std::span<const float> states) {
  const auto hidden = static_cast<std::size_t>(state_->model->checkpoint.model.spec().hidden_size);
  if (states.empty() || states.size() % hidden != 0) {
    throw Error("states: {} numbers are not rows of {}", states.size(), hidden);
  }
  const std::span<const float> logits = state_->engine.head(states);
  return {logits.begin(), logits.end()};
}

std::size_t Runner::layer_passes() const { return state_->engine.count().passes; }
std::size_t Runner::layer_rows() const { return state_->engine.count().rows; }

}  // namespace gyre::api
