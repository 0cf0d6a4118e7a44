#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/error.hpp"
#include "engine/engine.hpp"

namespace gyre {

std::span<const float> Engine::decode(Sequence& sequence, std::int32_t token, BoundedExit* exit, TokenDepth& depth) {
  DecodeRow row{&sequence, token, exit, std::move(depth)};
  const std::span<const float> logits = decode({&row, 1});
  depth = std::move(row.depth);
  return logits;
}

void Engine::require_different_sequences(std::span<const DecodeRow> batch) {
  if (batch.size() < 2) return;
  sequences_.clear();
  for (const DecodeRow& row : batch) sequences_.push_back(row.sequence);
  std::sort(sequences_.begin(), sequences_.end(), std::less<>());
  if (std::adjacent_find(sequences_.begin(), sequences_.end()) == sequences_.end()) return;
  throw Error("a sequence is twice in one batch of {}; append its tokens one after the other", batch.size());
}

std::span<const float> Engine::decode(std::span<DecodeRow> batch) {
  require_different_sequences(batch);
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  main_.states.resize(batch.size() * hidden);
  rows_.clear();
  int longest = 0;
  for (std::size_t r = 0; r < batch.size(); ++r) {
    DecodeRow& row = batch[r];
    check_tokens(*row.sequence, {&row.token, 1});
    rows_.push_back({row.token, row.sequence->length, 0, 1, &row.sequence->cache});
    embed(row.token, row.sequence->length, std::span(main_.states).subspan(r * hidden, hidden));
    longest = std::max(longest, row.sequence->length + 1);
    row.depth.loops = row.sequence->cache.loops();
    row.depth.reasons.assign(row.depth.loops.size(), {});
  }
  embed_norm(main_.states);
  layers_.reserve(rows_.size(), longest);
  Transaction transaction(batch);
  const std::vector<TokenRow> all = rows_;
  for (std::size_t g = 0; g < model_.groups().size(); ++g) {
    rows_ = all;
    for (std::size_t r = 0; r < batch.size(); ++r) {
      enter_group(g, *batch[r].sequence, batch[r].sequence->length, r, r + 1, main_);
    }
    loop_rows(g, batch, [&](std::size_t r, std::span<const float> state) {
      leave_group(g, *batch[r].sequence, 1, batch[r].depth.loops[g], state);
    });
    apply_exit(g, main_.states);
  }
  const std::span<const float> logits = head(main_.states);
  transaction.commit(1);
  return logits;
}

void Engine::loop_rows(std::size_t group, std::span<DecodeRow> batch, const RowSink& left) {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  begin_steps(group, batch);
  finished_.resize(main_.states.size());
  std::vector<std::size_t> staying;
  for (int loop = 0; !active_.empty(); ++loop) {
    before_ = main_.states;
    run_loop(group, loop, rows_, main_);
    staying.clear();
    for (std::size_t place = 0; place < active_.size(); ++place) {
      const std::size_t r = active_[place].row;
      if (!leaves(group, loop + 1, place, batch[r])) {
        staying.push_back(place);
        continue;
      }
      const std::span<const float> state = std::span<const float>(main_.states).subspan(place * hidden, hidden);
      std::copy(state.begin(), state.end(), finished_.begin() + static_cast<std::ptrdiff_t>(r * hidden));
      left(r, state);
    }
    if (staying.size() < active_.size()) keep_rows(staying);
  }
  main_.states = finished_;
}

void Engine::begin_steps(std::size_t group, std::span<DecodeRow> batch) {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  step_.assign(main_.states.size(), 0.0F);
  active_.clear();
  for (std::size_t r = 0; r < batch.size(); ++r) {
    Active& active = active_.emplace_back(Active{r});
    if (batch[r].exit == nullptr || batch[r].depth.loops[group] == 1) continue;
    const float* const state = main_.states.data() + r * hidden;
    active.seen.group = static_cast<int>(group);
    active.seen.state_norm = std::sqrt(std::inner_product(state, state + hidden, state, 0.0F));
    batch[r].exit->enter_group(active.seen.group, rows_[r].position);
  }
}

bool Engine::leaves(std::size_t group, int loop, std::size_t place, DecodeRow& row) {
  const int most = row.sequence->cache.loops()[group];
  const bool asks = row.exit != nullptr && most > 1;
  if (loop == most) {
    if (asks) row.depth.reasons[group] = "end";
    return true;
  }
  if (!asks) return false;
  LoopStep& seen = active_[place].seen;
  see_loop(group, loop, place, seen);
  seen.logits = [&](LoopStep::Readout how) { return read_unfinished(group, place, *row.sequence, how); };
  const auto reason = row.exit->leave_after(seen);
  if (!reason) return false;
  row.depth.loops[group] = loop;
  row.depth.reasons[group] = *reason;
  return true;
}

/// What belongs to the other rows goes; the order stays.
void Engine::keep_rows(std::span<const std::size_t> places) {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const auto keep = [&](std::vector<float>& values) {
    if (values.size() != active_.size() * hidden) return;  // not in use in this group
    for (std::size_t i = 0; i < places.size(); ++i) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(places[i] * hidden), hidden,
                  values.begin() + static_cast<std::ptrdiff_t>(i * hidden));
    }
    values.resize(places.size() * hidden);
  };
  keep(main_.states);
  keep(main_.handed);
  keep(main_.fast);
  keep(step_);
  for (std::size_t i = 0; i < places.size(); ++i) {
    rows_[i] = rows_[places[i]];
    if (i != places[i]) active_[i] = std::move(active_[places[i]]);
  }
  rows_.resize(places.size());
  active_.resize(places.size());
}

void Engine::see_loop(std::size_t group, int loop, std::size_t place, LoopStep& seen) {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const std::size_t first = place * hidden;
  const float* const state = main_.states.data() + first;
  const StepStatistics sums = kernels().step_statistics(state, before_.data() + first, step_.data() + first, hidden);
  seen.loop = loop;
  seen.previous_state_norm = seen.state_norm;
  seen.previous_step_norm = seen.step_norm;
  seen.state_norm = std::sqrt(sums.state);
  seen.step_norm = std::sqrt(sums.step);
  seen.acceleration = std::sqrt(sums.acceleration);
  if (loop == 1) seen.first_step_norm = seen.step_norm;
  if (model_.spec().groups[group].exit_gate) layers_.apply(model_.groups()[group].gate, state, 1, &seen.gate);
}

std::span<const float> Engine::read_unfinished(std::size_t group, std::size_t place, const Sequence& sequence,
                                               LoopStep::Readout how) {
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const std::span<const float> state = std::span<const float>(main_.states).subspan(place * hidden, hidden);
  if (how == LoopStep::Readout::lens) return head(state);
  if (rows_[place].in_prompt) {
    throw Error(
        "exits in a prompt: later groups have not seen its tokens yet; let the rule decode by the head alone "
        "(decode=lens)");
  }
  // Each later group runs once. What they write into the cache at this position is overwritten when the token really
  // gets there.
  ahead_.states.assign(state.begin(), state.end());
  apply_exit(group, ahead_.states);
  for (std::size_t g = group + 1; g < model_.groups().size(); ++g) {
    enter_group(g, sequence, rows_[place].position, 0, 1, ahead_);
    run_loop(g, 0, std::span(rows_).subspan(place, 1), ahead_);
    apply_exit(g, ahead_.states);
  }
  return head(ahead_.states);
}

}  // namespace gyre
