#include "engine/engine.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "base/random.hpp"
#include "format/json_object.hpp"

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

Engine::Engine(const Model& model, int threads) : model_(model), pool_(threads), layers_(model.spec(), pool_) {}

NoiseStart parse_noise_start(const std::string& text, const std::string& flag) {
  for (const auto& [start, name] : kNoiseStarts) {
    if (name == text) return start;
  }
  throw Error("{}: \"{}\" is no first state; choose noise, zero or previous", flag, text);
}

std::string_view name_of(NoiseStart start) { return name_of<NoiseStart>(kNoiseStarts, start); }

Sequence Engine::start(std::vector<int> loops, int context, KvPolicy policy, std::uint64_t noise_seed,
                       NoiseStart start) const {
  return {KvCache(model_.spec(), std::move(loops), context, policy), noise_seed, start, 0};
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

void Engine::embed(std::span<const std::int32_t> tokens, int position, std::vector<float>& states) const {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const float scale = model_.spec().embedding_scale;
  states.resize(tokens.size() * hidden);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const float* row = model_.embedding() + static_cast<std::size_t>(tokens[t]) * hidden;
    const float* place = model_.positions() == nullptr
                             ? nullptr
                             : model_.positions() + (static_cast<std::size_t>(position) + t) * hidden;
    for (std::size_t i = 0; i < hidden; ++i) {
      states[t * hidden + i] = row[i] * scale + (place != nullptr ? place[i] : 0.0F);
    }
  }
  if (!model_.spec().embedding_norm) return;
  const std::vector<float> raw = states;
  layers_.apply(model_.embedding_norm(), raw.data(), tokens.size(), states.data());
}

void Engine::enter_group(std::size_t group, const Sequence& sequence, Workspace& work) const {
  const Group& spec = model_.spec().groups[group];
  if (spec.injection != Injection::none) work.handed = work.states;
  if (spec.first_state == FirstState::carried) return;
  if (spec.first_state == FirstState::zero || sequence.start == NoiseStart::zero) {
    std::fill(work.states.begin(), work.states.end(), 0.0F);
    return;
  }
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  if (sequence.start == NoiseStart::previous && !sequence.last_states.empty()) {
    const std::vector<float>& last = sequence.last_states[group];
    for (std::size_t i = 0; i < work.states.size(); i += hidden) std::copy_n(last.data(), hidden, &work.states[i]);
    return;
  }
  const std::uint64_t seed = combine_seeds(sequence.noise_seed, group);
  const auto first = static_cast<std::uint64_t>(sequence.length) * hidden;
  for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] = spec.noise_std * normal_at(seed, first + i);
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

void Engine::run_loop(std::size_t group, int loop, const TokenBatch& batch, KvCache& cache, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  const GroupWeights& weights = model_.groups()[group];
  const bool damped = loop > 0 && spec.damping != 1.0F;
  if (damped) work.before = work.states;
  inject(group, work);
  for (int l = 0; l < spec.layers; ++l) {
    layers_.run(weights.layers[static_cast<std::size_t>(l)], cache.slot(group, l, loop), batch, cache, work.states);
  }
  if (spec.loop_norm) {
    work.joined = work.states;
    layers_.apply(weights.loop_norm, work.joined.data(), batch.tokens.size(), work.states.data());
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

void Engine::leave_group(std::size_t group, Sequence& sequence, int tokens, int loops) {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  if (sequence.start == NoiseStart::previous) {
    sequence.last_states.resize(model_.groups().size());
    sequence.last_states[group].assign(main_.states.end() - static_cast<std::ptrdiff_t>(hidden), main_.states.end());
  }
  sequence.cache.finish_group(group, tokens, loops);
  apply_exit(group, main_.states);
}

std::span<const float> Engine::prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                       const TraceSink& trace) {
  check_tokens(sequence, tokens);
  embed(tokens, sequence.length, main_.states);
  const TokenBatch batch{tokens, sequence.length};
  const std::vector<int> loops = sequence.cache.loops();
  for (std::size_t g = 0; g < loops.size(); ++g) {
    enter_group(g, sequence, main_);
    const auto report = [&](int loop) {
      if (trace) trace({static_cast<int>(g), loop, sequence.length, main_.states});
    };
    report(0);
    for (int loop = 0; loop < loops[g]; ++loop) {
      require_not_interrupted();  // a long prompt at many loops may take minutes
      run_loop(g, loop, batch, sequence.cache, main_);
      report(loop + 1);
    }
    leave_group(g, sequence, static_cast<int>(tokens.size()), loops[g]);
  }
  sequence.length += static_cast<int>(tokens.size());
  if (wanted == Logits::none) return {};
  const std::span<const float> states = main_.states;
  return head(wanted == Logits::all ? states : states.last(static_cast<std::size_t>(model_.spec().hidden_size)));
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
  logits_.resize(n * model_.head().out);
  layers_.apply(model_.head(), input, n, logits_.data());
  if (spec.logit_softcap > 0) {
    for (float& logit : logits_) logit = spec.logit_softcap * std::tanh(logit / spec.logit_softcap);
  }
  return logits_;
}

std::span<const float> Engine::decode(Sequence& sequence, std::int32_t token, BoundedExit* exit, TokenDepth& depth) {
  check_tokens(sequence, {&token, 1});
  embed({&token, 1}, sequence.length, main_.states);
  const TokenBatch batch{{&token, 1}, sequence.length};
  const std::vector<int>& loops = sequence.cache.loops();
  depth.loops = loops;
  depth.reasons.assign(loops.size(), {});
  for (std::size_t g = 0; g < loops.size(); ++g) {
    enter_group(g, sequence, main_);
    if (exit != nullptr && loops[g] > 1) {
      loop_with_exit(g, batch, sequence, *exit, depth);
    } else {
      for (int loop = 0; loop < loops[g]; ++loop) run_loop(g, loop, batch, sequence.cache, main_);
    }
    leave_group(g, sequence, 1, depth.loops[g]);
  }
  ++sequence.length;
  return head(main_.states);
}

void Engine::see_loop(std::size_t group, int loop, LoopStep& seen) {
  const StepStatistics sums =
      kernels().step_statistics(main_.states.data(), before_.data(), step_.data(), step_.size());
  seen.loop = loop;
  seen.previous_state_norm = seen.state_norm;
  seen.previous_step_norm = seen.step_norm;
  seen.state_norm = std::sqrt(sums.state);
  seen.step_norm = std::sqrt(sums.step);
  seen.acceleration = std::sqrt(sums.acceleration);
  if (loop == 1) seen.first_step_norm = seen.step_norm;
  if (model_.spec().groups[group].exit_gate) {
    layers_.apply(model_.groups()[group].gate, main_.states.data(), 1, &seen.gate);
  }
}

void Engine::loop_with_exit(std::size_t group, const TokenBatch& batch, Sequence& sequence, BoundedExit& exit,
                            TokenDepth& depth) {
  const int most = sequence.cache.loops()[group];
  step_.assign(main_.states.size(), 0.0F);
  LoopStep seen;
  seen.group = static_cast<int>(group);
  seen.state_norm = std::sqrt(std::inner_product(main_.states.begin(), main_.states.end(), main_.states.begin(), 0.0F));
  seen.logits = [&](LoopStep::Decode how) { return decode_unfinished(group, batch, sequence, how); };
  exit.enter_group(seen.group, sequence.length);
  depth.reasons[group] = "end";
  for (int loop = 0; loop < most; ++loop) {
    before_ = main_.states;
    run_loop(group, loop, batch, sequence.cache, main_);
    if (loop + 1 == most) return;
    see_loop(group, loop + 1, seen);
    const auto reason = exit.leave_after(seen);
    if (!reason) continue;
    depth.loops[group] = seen.loop;
    depth.reasons[group] = *reason;
    return;
  }
}

std::span<const float> Engine::decode_unfinished(std::size_t group, const TokenBatch& batch, Sequence& sequence,
                                                 LoopStep::Decode how) {
  if (how == LoopStep::Decode::lens) return head(main_.states);
  // Each later group runs once. What they write into the cache at this position is overwritten when the token really
  // gets there.
  ahead_.states = main_.states;
  apply_exit(group, ahead_.states);
  for (std::size_t g = group + 1; g < model_.groups().size(); ++g) {
    enter_group(g, sequence, ahead_);
    run_loop(g, 0, batch, sequence.cache, ahead_);
    apply_exit(g, ahead_.states);
  }
  return head(ahead_.states);
}

}  // namespace gyre
