#include <algorithm>
#include <utility>

#include "api/calibrated_exit.hpp"
#include "api/state.hpp"
#include "base/error.hpp"
#include "base/processors.hpp"

namespace gyre::api {
namespace {

void check_loops(const std::vector<int>& loops, const Model::State& model) {
  const std::vector<Group>& groups = model.spec().groups;
  const std::string name = model.named("loops");
  if (loops.size() != groups.size()) {
    throw Error("{}: {} counts for {} groups; give one each", name, loops.size(), groups.size());
  }
  for (std::size_t g = 0; g < loops.size(); ++g) {
    const bool fits = groups[g].looped() ? loops[g] >= 1 && loops[g] <= kMostLoops : loops[g] == 1;
    if (!fits) throw Error("{}: group {} cannot run {} loops", name, groups[g].name, loops[g]);
  }
}

int context_of(int wanted, const Model::State& model) {
  const ModelSpec& spec = model.spec();
  if (wanted < 0 || wanted > spec.context) {
    throw Error("{}: {} is not within the {} positions of this model", model.named("context"), wanted, spec.context);
  }
  return wanted > 0 ? wanted : default_context(spec);
}

/// What a wavefront of positions leaves nothing to do for is refused.
Diffusion diffusion_of(const SequenceOptions& options, const Model::State& model) {
  const auto refuse = [&](bool given, const char* field) {
    if (!given) return;
    throw Error("{}: positions loop until they settle; leave out {}", model.named("diffuse"), model.named(field));
  };
  refuse(!options.exit.empty() && options.exit != "fixed", "exit");
  refuse(parse_test_noise(options.test_noise, model.named("test_noise")).there(), "test_noise");
  refuse(!options.loops.empty(), "loops");
  refuse(options.whole_prompt, "whole_prompt");
  return parse_diffusion(options.diffuse, model.named("diffuse"));
}

KvPolicy policy_of(const SequenceOptions& options, const Model::State& model) {
  KvPolicy policy = parse_kv_policy(options.kv, model.named("kv"));
  policy.type = parse_kv_type(options.kv_type, model.named("kv_type"));
  return policy;
}

}  // namespace

Runner::State::State(std::shared_ptr<const Model::State> opened, int threads, const RunnerOptions& options)
    : model(std::move(opened)),
      stop_when(options.stop_when),
      engine(model->checkpoint.model, threads, Stop(options.stop, stop_when)),
      scheduler(engine, parse_schedule(options.schedule, model->named("schedule")), options.chunk),
      prefixes(options.prefix_bytes > 0 ? std::make_unique<PrefixCache>(options.prefix_bytes) : nullptr) {}

std::vector<std::int32_t> Runner::State::behind_known(gyre::Sequence& sequence,
                                                      std::vector<std::int32_t> tokens) const {
  std::optional<gyre::Sequence> known = prefixes->find(sequence, tokens);
  if (!known) return tokens;
  sequence = std::move(*known);
  return {tokens.begin() + sequence.length, tokens.end()};
}

void Runner::State::require_own(const Sequence::State& sequence) const {
  if (sequence.model != model) throw Error("the sequence belongs to another model; start one with this runner");
}

Runner::Runner(const Model& model, const RunnerOptions& options)
    : state_(std::make_unique<State>(model.state_, options.threads > 0 ? options.threads : usable_processors(),
                                     options)) {}
Runner::Runner(Runner&&) noexcept = default;
Runner::~Runner() = default;

Sequence Runner::start(const SequenceOptions& options) const {
  const Model::State& model = *state_->model;
  std::vector<int> loops = options.loops.empty() ? model.spec().default_loops() : options.loops;
  check_loops(loops, model);
  std::optional<Diffusion> diffusion;
  if (!options.diffuse.empty()) {
    diffusion = diffusion_of(options, model);
    loops[diffusion_group(model.spec(), model.named("diffuse"))] = diffusion->inner;
  }
  auto state = std::make_shared<Sequence::State>(Sequence::State{
      state_->engine.start(loops, context_of(options.context, model), policy_of(options, model), options.seed,
                           parse_noise_start(options.first_state, model.named("first_state"))),
      state_->model,
      {},
      options.rule,
      {},
      diffusion});
  if (options.whole_prompt && !model.spec().prefix_lm) {
    throw Error("{}: this model was trained to see the tokens before each only; leave {} out",
                model.named("whole_prompt"), model.names == OptionNames::flags ? "the flag" : "it");
  }
  gyre::Sequence& sequence = state->sequence;
  sequence.whole_prompt = options.whole_prompt;
  sequence.test_noise = parse_test_noise(options.test_noise, model.named("test_noise"));
  require_noisy_group(sequence.test_noise, model.spec(), model.named("test_noise"));
  if (options.rule.make && !options.exit.empty()) {
    throw Error("{}: there is a rule of the program's own; leave out one of the two", model.named("exit"));
  }
  if (options.rule.make && diffusion) {
    throw Error("{}: positions loop until they settle; leave out {}", model.named("diffuse"), model.named("exit"));
  }
  if (!options.exit.empty()) {
    state->choice = exit_for(options.exit, model.checkpoint.model,
                             {.loops = sequence.cache.loops(),
                              .kv = sequence.cache.policy(),
                              .first_state = sequence.start,
                              .test_noise = sequence.test_noise});
  }
  if (state->has_exit()) state->exit.emplace(state->make_exit());
  return Sequence(std::move(state));
}

void Runner::submit(Sequence& sequence, std::vector<std::int32_t> tokens, Hook hook, LogitsHook logits) {
  Sequence::State& text = *sequence.state_;
  state_->require_own(text);
  if (text.diffusion) {
    throw Error("{}: this sequence grows by a wavefront; call generate()", state_->model->named("diffuse"));
  }
  if (state_->submitted.contains(&text.sequence)) {
    throw Error("this sequence has a job already; append its tokens one after the other");
  }
  state_->engine.check_tokens(text.sequence, tokens);
  BoundedExit* const exit = text.exit && tokens.size() == 1 ? &*text.exit : nullptr;
  State::Submitted job{&sequence, sequence.state_, sink_of(std::move(hook))};
  // A hook wants to see every token.
  if (!job.trace && !logits && state_->prefixes && text.sequence.length == 0) {
    job.beginning = tokens;
    tokens = state_->behind_known(text.sequence, std::move(tokens));
  }
  State::Submitted& kept = state_->submitted.insert_or_assign(&text.sequence, std::move(job)).first->second;
  state_->scheduler.submit({&text.sequence, std::move(tokens), exit, &kept.trace, true, std::move(logits)});
}

std::vector<Step> Runner::step() {
  std::vector<Step> done;
  state_->engine.stop().check();
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

Step Runner::append(Sequence& sequence, std::span<const std::int32_t> tokens, const Hook& hook,
                    const LogitsHook& logits) {
  if (!idle()) throw Error("other texts are under way; submit this one too, or finish them first");
  submit(sequence, {tokens.begin(), tokens.end()}, hook, logits);
  Step last;
  try {
    while (!idle()) {
      std::vector<Step> done = step();
      if (!done.empty()) last = std::move(done.front());
    }
  } catch (...) {
    cancel(sequence);
    throw;
  }
  return last;
}

std::vector<float> Runner::lens(std::span<const float> states) {
  const auto hidden = static_cast<std::size_t>(state_->model->spec().hidden_size);
  if (states.empty() || states.size() % hidden != 0) {
    throw Error("states: {} numbers are not rows of {}", states.size(), hidden);
  }
  const std::span<const float> logits = state_->engine.head(states);
  return {logits.begin(), logits.end()};
}

std::size_t Runner::layer_passes() const { return state_->engine.count().passes; }
std::size_t Runner::layer_rows() const { return state_->engine.count().rows; }

}  // namespace gyre::api
