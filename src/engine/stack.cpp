#include "engine/stack.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.hpp"

namespace gyre {
namespace {

void copy(std::span<const float> from, std::span<float> to) { std::copy(from.begin(), from.end(), to.begin()); }

bool asks(const Flight& flight, std::size_t group) {
  return flight.exit != nullptr && flight.sequence->cache.loops()[group] > 1;
}

}  // namespace

Stack::Stack(const Model& model, ThreadPool& pool)
    : model_(model),
      threads_(pool),
      layers_(model.spec(), pool),
      hidden_(static_cast<std::size_t>(model.spec().hidden_size)),
      pool_(hidden_) {}

void Stack::board(Flight& flight) {
  flight.row = StateRow(pool_);
  flight.group = 0;
  flight.loop = 0;
  flight.depth.loops = flight.sequence->cache.loops();
  flight.depth.reasons.assign(flight.depth.loops.size(), {});
  flight.depth.read.clear();
  const std::span<float> state = pool_.states[flight.row.index()];
  embed(flight, state);
  if (model_.spec().embedding_mix) copy(state, pool_.embedded[flight.row.index()]);
}

void Stack::take_rows(const std::vector<float>& from, std::span<const std::size_t> rows,
                      std::vector<float>& out) const {
  out.resize(rows.size() * hidden_);
  for (std::size_t j = 0; j < rows.size(); ++j) copy(row_of(from, rows[j]), row_of(out, j));
}

void Stack::embed(const Flight& flight, std::span<float> state) {
  model_.embed(flight.token, state);
  const ModelSpec& spec = model_.spec();
  if (spec.embedding_scale != 1.0F) {
    for (float& value : state) value *= spec.embedding_scale;
  }
  if (model_.positions() != nullptr) {
    const float* const place = model_.positions() + static_cast<std::size_t>(flight.position()) * hidden_;
    for (std::size_t i = 0; i < hidden_; ++i) state[i] += place[i];
  }
  if (!spec.embedding_norm) return;
  normed_.assign(state.begin(), state.end());
  layers_.apply(model_.embedding_norm(), normed_.data(), 1, state.data());
}

void Stack::run(std::size_t group, std::span<Flight* const> here) {
  gather(group, here);
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (here[i]->loop == 0) enter(group, *here[i], i, work_);
  }
  trace(here, true);
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (here[i]->loop == 0) start_group(group, *here[i], i);
  }
  run_loop(group, work_);
  for (Flight* const flight : here) ++flight->loop;
  trace(here, false);
  ask_exits(group, here);
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (asks(*here[i], group) && here[i]->exit->keeps()) keep(group, *here[i], i);
  }
  leave(group, here);
}

void Stack::fly(std::span<Flight> flights, const Stop& stop) {
  for (Flight& flight : flights) board(flight);
  std::vector<Flight*> here;
  for (std::size_t group = 0; group < model_.groups().size(); ++group) {
    while (true) {
      here.clear();
      for (Flight& flight : flights) {
        if (flight.group == group) here.push_back(&flight);
      }
      if (here.empty()) break;
      stop.check();  // a long prompt at many loops may take minutes
      run(group, here);
    }
  }
}

void Stack::gather(std::size_t group, std::span<Flight* const> here) {
  const Group& spec = model_.spec().groups[group];
  const std::size_t n = here.size();
  work_.rows.clear();
  work_.texts.clear();
  work_.states.resize(n * hidden_);
  const bool mixes = model_.spec().embedding_mix;
  if (mixes) work_.embedded.resize(n * hidden_);
  if (spec.injection != Injection::none) work_.handed.resize(n * hidden_);
  if (spec.fast.there()) work_.fast.resize(n * hidden_);
  int furthest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Flight& flight = *here[i];
    const std::size_t row = flight.row.index();
    work_.rows.push_back({flight.token, flight.position(), flight.offset, flight.reach, flight.loop,
                          &flight.sequence->cache, flight.attention});
    work_.texts.push_back(flight.sequence);
    const int positions = flight.sequence->length + std::max(flight.reach, flight.offset + 1);
    furthest = std::max(furthest, positions);
    layers_.reserve_positions(flight.sequence->cache.rotary_length(), positions);
    copy(pool_.states[row], row_of(work_.states, i));
    if (mixes) copy(pool_.embedded[row], row_of(work_.embedded, i));
    if (flight.loop == 0) continue;
    if (spec.injection != Injection::none) copy(pool_.handed[row], row_of(work_.handed, i));
    if (spec.fast.there()) copy(pool_.fast[row], row_of(work_.fast, i));
  }
  layers_.reserve(n, furthest);
}

/// Row i is handed to the group: what it starts from.
void Stack::enter(std::size_t group, const Flight& flight, std::size_t i, Workspace& work) const {
  const Group& spec = model_.spec().groups[group];
  const Sequence& sequence = *flight.sequence;
  const std::span<float> state = row_of(work.states, i);
  if (spec.injection != Injection::none) {
    work.handed.resize(work.states.size());
    copy(state, row_of(work.handed, i));
  }
  if (spec.fast.there()) {
    work.fast.resize(work.states.size());
    copy({model_.groups()[group].fast.first_state, hidden_}, row_of(work.fast, i));
  }
  if (spec.first_state == FirstState::carried) return;
  if (spec.first_state == FirstState::zero || sequence.start == NoiseStart::zero) {
    std::fill(state.begin(), state.end(), 0.0F);
  } else if (sequence.start == NoiseStart::previous && !sequence.last_states.empty()) {
    copy(sequence.last_states[group], state);
  } else {
    const std::uint64_t seed = combine_seeds(sequence.noise_seed, group);
    const std::uint64_t counted = static_cast<std::uint64_t>(flight.position()) * hidden_;
    for (std::size_t c = 0; c < hidden_; ++c) state[c] = spec.noise_std * normal_at(seed, counted + c);
  }
}

/// Row i has entered, and a trace has had its say: what it carries from loop to loop.
void Stack::start_group(std::size_t group, Flight& flight, std::size_t i) {
  const std::size_t row = flight.row.index();
  copy(row_of(work_.states, i), pool_.states[row]);
  if (model_.spec().groups[group].injection != Injection::none) copy(row_of(work_.handed, i), pool_.handed[row]);
  flight.seen = {.group = static_cast<int>(group)};
  if (!asks(flight, group)) return;
  flight.exit->enter_group(flight.seen.group, flight.position());
  const ExitReads reads = flight.exit->reads(0);
  if (!reads.norms) return;
  const std::span<const float> state = row_of(work_.states, i);
  flight.seen.state_norm = std::sqrt(std::inner_product(state.begin(), state.end(), state.begin(), 0.0F));
  const std::span<float> step = pool_.steps[row];
  std::fill(step.begin(), step.end(), 0.0F);
  if (reads.since_check) copy(state, pool_.checked[row]);
}

/// Tells of each row of neighbouring positions at once.
void Stack::trace(std::span<Flight* const> here, bool entering) {
  for (std::size_t first = 0; first < here.size();) {
    const Flight& flight = *here[first];
    std::size_t end = first + 1;
    while (end < here.size() && here[end]->sequence == flight.sequence && here[end]->loop == flight.loop &&
           here[end]->offset == here[end - 1]->offset + 1) {
      ++end;
    }
    if (flight.trace != nullptr && *flight.trace && (!entering || flight.loop == 0)) {
      (*flight.trace)({static_cast<int>(flight.group), flight.loop, flight.position(),
                       std::span(work_.states).subspan(first * hidden_, (end - first) * hidden_)});
    }
    first = end;
  }
}

void Stack::add_noise(std::size_t group, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  if (!takes_noise(spec)) return;
  const NormPlacement placement = model_.spec().norm_placement;
  const bool normed = placement == NormPlacement::sandwich || placement == NormPlacement::post;
  for (std::size_t i = 0; i < work.rows.size(); ++i) {
    const Sequence& text = *work.texts[i];
    if (!text.test_noise.there()) continue;
    const std::span<float> state = row_of(work.states, i);
    const TokenRow& row = work.rows[i];
    add_test_noise(text.test_noise, text.noise_seed, spec, group, row.loop, row.position, state);
    if (!normed) continue;
    normed_.assign(state.begin(), state.end());
    const Layer& last = model_.groups()[group].layers[static_cast<std::size_t>(spec.layer_of(spec.runs() - 1))];
    layers_.apply(last.mlp_out, normed_.data(), 1, state.data());
  }
}

void Stack::inject(std::size_t group, Workspace& work) {
  const Linear& map = model_.groups()[group].inject;
  const std::size_t n = work.rows.size();
  switch (model_.spec().groups[group].injection) {
    case Injection::none:
      return;
    case Injection::add:
      for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] += work.handed[i];
      return;
    case Injection::linear:
      work.joined.resize(2 * work.states.size());
      for (std::size_t i = 0; i < n; ++i) {
        copy(row_of(work.states, i), row_of(work.joined, 2 * i));
        copy(row_of(work.handed, i), row_of(work.joined, 2 * i + 1));
      }
      layers_.apply(map, work.joined.data(), n, work.states.data());
      return;
    case Injection::decay: {
      const float* decay = model_.groups()[group].decay;
      work.joined.resize(work.states.size());
      layers_.apply(map, work.handed.data(), n, work.joined.data());
      for (std::size_t i = 0; i < work.states.size(); ++i) {
        work.states[i] = decay[i % hidden_] * work.states[i] + work.joined[i];
      }
      return;
    }
  }
}

void Stack::run_fast_stack(std::size_t group, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  const FastWeights& weights = model_.groups()[group].fast;
  work.joined.resize(work.states.size());
  for (int run = 0; run < spec.fast.runs; ++run) {
    for (std::size_t i = 0; i < work.states.size(); ++i) work.joined[i] = work.fast[i] + work.states[i];
    run_layers({weights.layers}, {group, spec.runs() + run * spec.fast.layers}, work, work.joined);
    layers_.apply(weights.norm, work.joined.data(), work.rows.size(), work.fast.data());
  }
  for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] += work.fast[i];
}

void Stack::run_loop(std::size_t group, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  const GroupWeights& weights = model_.groups()[group];
  for (const TokenRow& row : work.rows) row.cache->open(group, row.loop, row.offset);
  if (keeps_state(spec)) work.before = work.states;
  add_noise(group, work);
  inject(group, work);
  for (std::size_t i = 0; spec.bare_first_loop && i < work.rows.size(); ++i) {
    if (work.rows[i].loop == 0) copy(row_of(work.before, i), row_of(work.states, i));
  }
  if (spec.fast.there()) run_fast_stack(group, work);
  run_layers({weights.layers, spec.order, spec.skips, weights.skips}, {group, 0}, work, work.states);
  if (spec.loop_norm) {
    work.joined = work.states;
    layers_.apply(weights.loop_norm, work.joined.data(), work.rows.size(), work.states.data());
  }
  settle(group, work);
}

/// What becomes of a loop's result beside the state that entered it.
void Stack::settle(std::size_t group, Workspace& work) {
  const Group& spec = model_.spec().groups[group];
  if (spec.minus_state) {
    for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] -= work.before[i];
  }
  if (spec.update_rank > 0) return update(group, work);
  if (spec.damping == 1.0F) return;
  for (std::size_t i = 0; i < work.states.size(); ++i) {
    if (work.rows[i / hidden_].loop == 0) continue;  // there is nothing to be damped towards yet
    work.states[i] = work.before[i] + spec.damping * (work.states[i] - work.before[i]);
  }
}

/// x + exp(−softplus(u) ⊙ decay) ⊙ d, of d = loop(x) − x and u = up(down d) + b.
void Stack::update(std::size_t group, Workspace& work) {
  const UpdateWeights& weights = model_.groups()[group].update;
  const std::size_t n = work.rows.size();
  const std::size_t low = n * weights.down.out();
  for (std::size_t i = 0; i < work.states.size(); ++i) work.states[i] -= work.before[i];
  work.joined.resize(low + work.states.size());
  float* const up = work.joined.data() + low;
  layers_.apply(weights.down, work.states.data(), n, work.joined.data());
  layers_.apply(weights.up, work.joined.data(), n, up);
  for (std::size_t i = 0; i < work.states.size(); ++i) {
    const float rate = up[i] > 20.0F ? up[i] : std::log1p(std::exp(up[i]));
    work.states[i] = work.before[i] + std::exp(-rate * weights.decay[i % hidden_]) * work.states[i];
  }
}

void Stack::leave(std::size_t group, std::span<Flight* const> here) {
  const Group& spec = model_.spec().groups[group];
  going_.clear();
  for (std::size_t i = 0; i < here.size(); ++i) {
    Flight& flight = *here[i];
    const std::span<const float> state = row_of(work_.states, i);
    copy(state, pool_.states[flight.row.index()]);
    if (spec.fast.there()) copy(row_of(work_.fast, i), pool_.fast[flight.row.index()]);
    if (flight.loop < flight.depth.loops[group]) continue;
    going_.push_back(i);
    if (asks(flight, group) && flight.depth.reasons[group].empty()) flight.depth.reasons[group] = "end";
    flight.sequence->cache.leave(group, flight.offset, flight.loop);
    if (flight.sequence->start == NoiseStart::previous) {
      flight.last_states.resize(model_.groups().size());
      flight.last_states[group].assign(state.begin(), state.end());
    }
    ++flight.group;
    flight.loop = 0;
  }
  take_out(group, here);
}

/// What those that go hand to the next group.
void Stack::take_out(std::size_t group, std::span<Flight* const> here) {
  const Group& spec = model_.spec().groups[group];
  for (const std::size_t i : going_) {
    const Flight& flight = *here[i];
    if (!asks(flight, group) || !flight.exit->keeps()) continue;
    const std::size_t row = flight.row.index();
    copy(pool_.kept[row], pool_.states[row]);
  }
  if (going_.empty() || !(spec.exit_norm || spec.exit_linear)) return;
  leaving_.resize(going_.size() * hidden_);
  for (std::size_t j = 0; j < going_.size(); ++j) {
    copy(pool_.states[here[going_[j]]->row.index()], row_of(leaving_, j));
  }
  apply_exit(group, leaving_);
  for (std::size_t j = 0; j < going_.size(); ++j) {
    copy(row_of(leaving_, j), pool_.states[here[going_[j]]->row.index()]);
  }
}

void Stack::apply_exit(std::size_t group, std::vector<float>& states) {
  const Group& spec = model_.spec().groups[group];
  const GroupWeights& weights = model_.groups()[group];
  const std::size_t n = states.size() / hidden_;
  if (spec.exit_norm) {
    normed_ = states;
    layers_.apply(weights.exit_norm, normed_.data(), n, states.data());
  }
  if (spec.exit_linear) {
    normed_ = states;
    layers_.apply(weights.exit, normed_.data(), n, states.data());
  }
}

std::span<const float> Stack::final_states(std::span<const float> states) {
  if (!model_.spec().final_norm) return states;
  normed_.resize(states.size());
  layers_.apply(model_.final_norm(), states.data(), states.size() / hidden_, normed_.data());
  return normed_;
}

void Stack::rest() {
  layers_.rest();
  if (pool_.unused()) pool_ = StatePool(hidden_);
  work_ = Workspace();
  ahead_ = Workspace();
  for (std::vector<float>* numbers : {&gates_, &leaving_, &normed_, &logits_}) *numbers = std::vector<float>();
}

std::span<const float> Stack::head(std::span<const float> states) {
  const ModelSpec& spec = model_.spec();
  const std::size_t n = states.size() / hidden_;
  logits_.resize(n * model_.head().out());
  layers_.apply(model_.head(), final_states(states).data(), n, logits_.data());
  if (spec.logit_softcap > 0) {
    for (float& logit : logits_) logit = spec.logit_softcap * std::tanh(logit / spec.logit_softcap);
  }
  return logits_;
}

}  // namespace gyre
