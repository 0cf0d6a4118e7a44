#include "engine/engine.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre {
namespace {

constexpr EnumName<NoiseStart> kNoiseStarts[] = {
    {NoiseStart::noise, "noise"}, {NoiseStart::zero, "zero"}, {NoiseStart::previous, "previous"}};

}  // namespace

void require_in_vocabulary(std::span<const std::int32_t> tokens, const ModelSpec& spec) {
  for (const std::int32_t token : tokens) {
    if (token >= 0 && token < spec.vocab_size) continue;
    throw Error("token {} is outside the vocabulary of {}; the tokenizer belongs to another model", token,
                spec.vocab_size);
  }
}

Transaction::Transaction(std::span<const DecodeRow> batch) {
  before_.reserve(batch.size());
  for (const DecodeRow& row : batch) add(*row.sequence);
}

Transaction::~Transaction() {
  for (Before& before : before_) {
    before.sequence->cache.restore(std::move(before.extent));
    before.sequence->last_states = std::move(before.last_states);
  }
}

void Transaction::commit(int tokens) {
  for (const Before& before : before_) before.sequence->length += tokens;
  before_.clear();
}

Engine::Engine(const Model& model, int threads) : model_(model), pool_(threads), layers_(model.spec(), pool_) {}

NoiseStart parse_noise_start(const std::string& text, const std::string& flag) {
  return parse_enum<NoiseStart>(kNoiseStarts, text, flag, "first state");
}

std::string_view name_of(NoiseStart start) { return name_of<NoiseStart>(kNoiseStarts, start); }

Sequence Engine::start(std::vector<int> loops, int context, KvPolicy policy, std::uint64_t noise_seed,
                       NoiseStart start) const {
  const ModelSpec& spec = model_.spec();
  if (spec.position == PositionKind::learned) context = std::min(context, spec.context);
  return {KvCache(spec, std::move(loops), context, policy), noise_seed, start, 0};
}

void Engine::check_tokens(const Sequence& sequence, std::span<const std::int32_t> tokens) const {
  if (tokens.empty()) throw Error("the prompt is empty; give at least one token");
  const auto room = static_cast<std::size_t>(sequence.cache.context() - sequence.length);
  if (tokens.size() > room) {
    throw Error("{} tokens do not fit: {} of {} positions of the context are left", tokens.size(), room,
                sequence.cache.context());
  }
  require_in_vocabulary(tokens, model_.spec());
}

void Engine::embed(std::int32_t token, int position, std::span<float> state) const {
  model_.embed(token, state);
  const float scale = model_.spec().embedding_scale;
  if (scale != 1.0F) {
    for (float& value : state) value *= scale;
  }
  if (model_.positions() == nullptr) return;
  const float* const place = model_.positions() + static_cast<std::size_t>(position) * state.size();
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += place[i];
}

void Engine::embed_norm(std::vector<float>& states) {
  if (!model_.spec().embedding_norm) return;
  normed_ = states;
  layers_.apply(model_.embedding_norm(), normed_.data(), rows_.size(), states.data());
}

void Engine::enter_group(std::size_t group, const Sequence& sequence, int position, std::size_t first, std::size_t last,
                         Workspace& work) const {
  const Group& spec = model_.spec().groups[group];
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const std::span<float> states = std::span(work.states).subspan(first * hidden, (last - first) * hidden);
  if (spec.injection != Injection::none) {
    work.handed.resize(work.states.size());
    std::copy(states.begin(), states.end(), work.handed.begin() + static_cast<std::ptrdiff_t>(first * hidden));
  }
  if (spec.fast.there()) {
    work.fast.resize(work.states.size());
    const float* const fast = model_.groups()[group].fast.first_state;
    for (std::size_t i = 0; i < states.size(); i += hidden) std::copy_n(fast, hidden, &work.fast[first * hidden + i]);
  }
  if (spec.first_state == FirstState::carried) return;
  if (spec.first_state == FirstState::zero || sequence.start == NoiseStart::zero) {
    std::fill(states.begin(), states.end(), 0.0F);
    return;
  }
  if (sequence.start == NoiseStart::previous && sequence.length > 0) {
    const std::vector<float>& previous = sequence.last_states[group];
    for (std::size_t i = 0; i < states.size(); i += hidden) std::copy_n(previous.data(), hidden, &states[i]);
    return;
  }
  const std::uint64_t seed = combine_seeds(sequence.noise_seed, group);
  const auto counted = static_cast<std::uint64_t>(position) * hidden;
  for (std::size_t i = 0; i < states.size(); ++i) states[i] = spec.noise_std * normal_at(seed, counted + i);
}

void Engine::inject(std::size_t group, Workspace& work) {
  const Linear& map = model_.groups()[group].inject;
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const std::size_t n = work.states.size() / hidden;
  switch (model_.spec().groups[group].injection) {
    case Injection::none:
      return;
    case Injection::add:
      for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] += work.handed[i];
      return;
    case Injection::linear:
      work.joined.resize(2 * work.states.size());
      for (std::size_t t = 0; t < n; ++t) {
        std::copy_n(work.states.data() + t * hidden, hidden, work.joined.data() + 2 * t * hidden);
        std::copy_n(work.handed.data() + t * hidden, hidden, work.joined.data() + (2 * t + 1) * hidden);
      }
      layers_.apply(map, work.joined.data(), n, work.states.data());
      return;
    case Injection::decay: {
      const float* decay = model_.groups()[group].decay;
      work.joined.resize(work.states.size());
      layers_.apply(map, work.handed.data(), n, work.joined.data());
      for (std::size_t i = 0; i < work.states.size(); ++i) {
        work.states[i] = decay[i % hidden] * work.states[i] + work.joined[i];
      }
      return;
    }
  }
}

void Engine::damp(std::size_t group, Workspace& work) const {
  const float damping = model_.spec().groups[group].damping;
  for (std::size_t i = 0; i < work.states.size(); ++i) {
    work.states[i] = work.before[i] + damping * (work.states[i] - work.before[i]);
  }
}

void Engine::run_layers(std::span<const Layer> layers, LayerPass first, std::span<const TokenRow> rows,
                        std::span<float> states) {
  pool_.run([&](int part) {
    LayerPass pass = first;
    for (const Layer& layer : layers) {
      layers_.run(layer, pass, rows, states, part);
      ++pass.layer;
    }
  });
}

void Engine::run_fast_stack(std::size_t group, int loop, std::span<const TokenRow> rows, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  const FastWeights& weights = model_.groups()[group].fast;
  work.joined.resize(work.states.size());
  for (int run = 0; run < spec.fast.runs; ++run) {
    for (std::size_t i = 0; i < work.states.size(); ++i) work.joined[i] = work.fast[i] + work.states[i];
    run_layers(weights.layers, {group, spec.layers + run * spec.fast.layers, loop}, rows, work.joined);
    layers_.apply(weights.norm, work.joined.data(), rows.size(), work.fast.data());
  }
  for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] += work.fast[i];
}

void Engine::run_loop(std::size_t group, int loop, std::span<const TokenRow> rows, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  const GroupWeights& weights = model_.groups()[group];
  const bool damped = loop > 0 && spec.damping != 1.0F;
  if (damped) work.before = work.states;
  inject(group, work);
  if (spec.fast.there()) run_fast_stack(group, loop, rows, work);
  run_layers(weights.layers, {group, 0, loop}, rows, work.states);
  if (spec.loop_norm) {
    work.joined = work.states;
    layers_.apply(weights.loop_norm, work.joined.data(), rows.size(), work.states.data());
  }
  if (damped) damp(group, work);
}

void Engine::apply_exit(std::size_t group, std::vector<float>& states) {
  const Group& spec = model_.spec().groups[group];
  const GroupWeights& weights = model_.groups()[group];
  const std::size_t n = states.size() / static_cast<std::size_t>(model_.spec().hidden_size);
  if (spec.exit_norm) {
    left_ = states;
    layers_.apply(weights.exit_norm, left_.data(), n, states.data());
  }
  if (spec.exit_linear) {
    left_ = states;
    layers_.apply(weights.exit, left_.data(), n, states.data());
  }
}

void Engine::leave_group(std::size_t group, Sequence& sequence, int tokens, int loops,
                         std::span<const float> last_state) {
  if (sequence.start == NoiseStart::previous) {
    sequence.last_states.resize(model_.groups().size());
    sequence.last_states[group].assign(last_state.begin(), last_state.end());
  }
  sequence.cache.finish_group(group, tokens, loops);
}

std::span<const float> Engine::head(std::span<const float> states) {
  const ModelSpec& spec = model_.spec();
  const std::size_t n = states.size() / static_cast<std::size_t>(spec.hidden_size);
  const float* input = states.data();
  if (spec.final_norm) {
    normed_.resize(states.size());
    layers_.apply(model_.final_norm(), states.data(), n, normed_.data());
    input = normed_.data();
  }
  logits_.resize(n * model_.head().out());
  layers_.apply(model_.head(), input, n, logits_.data());
  if (spec.logit_softcap > 0) {
    for (float& logit : logits_) logit = spec.logit_softcap * std::tanh(logit / spec.logit_softcap);
  }
  return logits_;
}

}  // namespace gyre
