#include "engine/engine.hpp"

#include <algorithm>
#include <functional>

#include "base/enum_name.hpp"
#include "base/error.hpp"

namespace gyre {
namespace {

constexpr EnumName<NoiseStart> kNoiseStarts[] = {
    {NoiseStart::noise, "noise"}, {NoiseStart::zero, "zero"}, {NoiseStart::previous, "previous"}};

void require_different_sequences(std::span<const DecodeRow> batch) {
  if (batch.size() < 2) return;
  std::vector<const Sequence*> sequences;
  for (const DecodeRow& row : batch) sequences.push_back(row.sequence);
  std::sort(sequences.begin(), sequences.end(), std::less<>());
  if (std::adjacent_find(sequences.begin(), sequences.end()) == sequences.end()) return;
  throw Error("a sequence is twice in one batch of {}; append its tokens one after the other", batch.size());
}

}  // namespace

void require_in_vocabulary(std::span<const std::int32_t> tokens, const ModelSpec& spec) {
  for (const std::int32_t token : tokens) {
    if (token >= 0 && token < spec.vocab_size) continue;
    throw Error("token {} is outside the vocabulary of {}; the tokenizer belongs to another model", token,
                spec.vocab_size);
  }
}

void commit(std::span<Flight> flights) {
  Sequence& sequence = *flights.front().sequence;
  for (const Flight& flight : flights) sequence.cache.commit(flight.depth.loops);
  sequence.length += static_cast<int>(flights.size());
  if (sequence.start == NoiseStart::previous) sequence.last_states = std::move(flights.back().last_states);
}

Engine::Engine(const Model& model, int threads, Stop stop)
    : model_(model), stop_(stop), pool_(threads), stack_(model, pool_) {
  require_next_tokens(model);
}

void Engine::rest() {
  stack_.rest();
  last_ = std::vector<float>();
}

NoiseStart parse_noise_start(const std::string& text, const std::string& flag) {
  return parse_enum<NoiseStart>(kNoiseStarts, text, flag, "first state");
}

std::string_view name_of(NoiseStart start) { return name_of<NoiseStart>(kNoiseStarts, start); }

Sequence Engine::start(std::vector<int> loops, int context, KvPolicy policy, std::uint64_t noise_seed,
                       NoiseStart start) const {
  const ModelSpec& spec = model_.spec();
  if (spec.position == PositionKind::learned) context = std::min(context, spec.context);
  return {KvCache(spec, std::move(loops), context, policy), noise_seed, start};
}

Sequence Sequence::fork() const {
  return {cache.fork(), noise_seed, start, length, whole_prompt, last_states, test_noise};
}

void Sequence::truncate(int tokens) {
  if (tokens >= length) return;
  if (start == NoiseStart::previous) {
    throw Error("first state previous: the states of token {} are gone; begin a sequence anew", tokens - 1);
  }
  cache.truncate(tokens);
  length = tokens;
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

std::vector<Flight> Engine::flights_of(Sequence& sequence, std::span<const std::int32_t> tokens) const {
  check_tokens(sequence, tokens);
  const int count = static_cast<int>(tokens.size());
  const bool whole = sequence.whole_prompt && sequence.length == 0;
  std::vector<Flight> flights(tokens.size());
  for (int t = 0; t < count; ++t) {
    Flight& flight = flights[static_cast<std::size_t>(t)];
    flight.sequence = &sequence;
    flight.token = tokens[static_cast<std::size_t>(t)];
    flight.offset = t;
    flight.reach = whole ? count : t + 1;
  }
  return flights;
}

std::span<const float> Engine::logits_of(std::span<Flight* const> flights) {
  last_.clear();
  for (const Flight* const flight : flights) {
    const std::span<const float> state = stack_.state(*flight);
    last_.insert(last_.end(), state.begin(), state.end());
  }
  return flights.empty() ? std::span<const float>() : head(last_);
}

std::span<const float> Engine::logits_of(std::span<Flight> flights, Logits wanted) {
  std::vector<Flight*> those;
  const std::size_t count = wanted == Logits::none ? 0 : wanted == Logits::last ? 1 : flights.size();
  for (Flight& flight : flights.last(count)) those.push_back(&flight);
  return logits_of(those);
}

std::span<const float> Engine::prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                       const TraceSink& trace, const AttentionSink& attention) {
  std::vector<Flight> flights = flights_of(sequence, tokens);
  for (Flight& flight : flights) {
    flight.trace = &trace;
    if (attention) flight.attention = &attention;
  }
  stack_.fly(flights, stop_);
  const std::span<const float> logits = logits_of(flights, wanted);
  commit(flights);
  return logits;
}

std::span<const float> Engine::prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                       std::span<BoundedExit> exits, std::vector<TokenDepth>& depths,
                                       const TraceSink& trace) {
  if (sequence.cache.policy().lookup != KvPolicy::Lookup::latest) {
    throw Error("exits in the prompt need the KV policy latest or one of its slots, not {}",
                name_of(sequence.cache.policy()));
  }
  if (exits.size() != tokens.size()) {
    throw Error("a prompt of {} tokens and {} exits; give one exit a token", tokens.size(), exits.size());
  }
  std::vector<Flight> flights = flights_of(sequence, tokens);
  for (std::size_t t = 0; t < flights.size(); ++t) {
    flights[t].in_prompt = true;
    flights[t].exit = &exits[t];
    flights[t].trace = &trace;
  }
  stack_.fly(flights, stop_);
  const std::span<const float> logits = logits_of(flights, wanted);
  commit(flights);
  depths.clear();
  for (Flight& flight : flights) depths.push_back(std::move(flight.depth));
  return logits;
}

std::span<const float> Engine::prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                       BoundedExit& exit, TokenDepth& depth, const TraceSink& trace) {
  std::vector<Flight> flights = flights_of(sequence, tokens);
  for (Flight& flight : flights) {
    flight.exit = &exit;
    flight.as_one = flights;
    flight.trace = &trace;
  }
  stack_.fly(flights, stop_);
  const std::span<const float> logits = logits_of(flights, wanted);
  commit(flights);
  depth = std::move(flights.back().depth);
  return logits;
}

std::span<const float> Engine::decode(std::span<DecodeRow> batch) {
  require_different_sequences(batch);
  std::vector<Flight> flights(batch.size());
  for (std::size_t r = 0; r < batch.size(); ++r) {
    check_tokens(*batch[r].sequence, {&batch[r].token, 1});
    flights[r].sequence = batch[r].sequence;
    flights[r].token = batch[r].token;
    flights[r].exit = batch[r].exit;
    flights[r].trace = batch[r].trace;
  }
  stack_.fly(flights, stop_);
  const std::span<const float> logits = logits_of(flights, Logits::all);
  for (std::size_t r = 0; r < batch.size(); ++r) {
    commit(std::span(flights).subspan(r, 1));
    batch[r].depth = std::move(flights[r].depth);
  }
  return logits;
}

std::span<const float> Engine::decode(Sequence& sequence, std::int32_t token, BoundedExit* exit, TokenDepth& depth,
                                      const TraceSink& trace) {
  DecodeRow row{&sequence, token, exit, {}, &trace};
  const std::span<const float> logits = decode({&row, 1});
  depth = std::move(row.depth);
  return logits;
}

}  // namespace gyre
