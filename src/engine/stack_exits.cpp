#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "engine/stack.hpp"

// How a stack asks the exits of the tokens that have run a loop: what rules read is made for all rows that ask at once.

namespace gyre {
namespace {

/// Logits of this many numbers are made at once.
constexpr std::size_t kMostLogits = std::size_t{1} << 22;

bool asked_now(const Flight& flight, std::size_t group) {
  const int most = flight.sequence->cache.loops()[group];
  return flight.exit != nullptr && flight.loop < most;  // after the last loop it leaves anyhow
}

}  // namespace

void Stack::ask_exits(std::size_t group, std::span<Flight* const> here) {
  const bool has_gate = model_.spec().groups[group].exit_gate;
  asking_.clear();
  bool lens = false;
  bool coda = false;
  for (std::size_t i = 0; i < here.size(); ++i) {
    Flight& flight = *here[i];
    if (!asked_now(flight, group)) continue;
    flight.seen.loop = flight.loop;
    const ExitReads reads = flight.exit->reads(flight.loop);
    if (reads.norms) measure(flight, i, reads.since_check);
    if (reads.state) flight.seen.state = row_of(work_.states, i);
    if (reads.gate && has_gate && (reads.gate_of_all || !flight.follows())) asking_.push_back(i);
    lens = lens || reads.logits == LoopStep::Readout::lens;
    coda = coda || reads.logits == LoopStep::Readout::coda;
  }
  if (!asking_.empty()) read_gates(group, here);
  for (Flight* const flight : here) {
    if (asked_now(*flight, group) && !flight->exit->reads(flight->loop).logits) ask(group, *flight);
  }
  if (lens) ask_by_logits(group, here, LoopStep::Readout::lens);
  if (coda) ask_by_logits(group, here, LoopStep::Readout::coda);
  for (Flight* const flight : here) flight->seen.state = {};
}

void Stack::measure(Flight& flight, std::size_t i, bool since_check) {
  const std::size_t row = flight.row.index();
  const std::span<float> before = since_check ? pool_.checked[row] : pool_.states[row];
  const std::span<const float> now = row_of(work_.states, i);
  const StepStatistics sums = kernels().step_statistics(now.data(), before.data(), pool_.steps[row].data(), hidden_);
  if (since_check) std::copy(now.begin(), now.end(), before.begin());
  LoopStep& seen = flight.seen;
  ++seen.steps;
  seen.previous_state_norm = seen.state_norm;
  seen.previous_step_norm = seen.step_norm;
  seen.state_norm = std::sqrt(sums.state);
  seen.step_norm = std::sqrt(sums.step);
  seen.acceleration = std::sqrt(sums.acceleration);
  if (seen.steps == 1) seen.first_step_norm = seen.step_norm;
}

void Stack::read_gates(std::size_t group, std::span<Flight* const> here) {
  take_rows(work_.states, asking_, leaving_);
  if (const Norm& norm = model_.groups()[group].gate_norm; norm.weight != nullptr) {
    constexpr float kEps = 1e-5F;
    normed_ = leaving_;
    for (std::size_t j = 0; j < asking_.size(); ++j) {
      kernels().layer_norm(row_of(normed_, j).data(), norm.weight, norm.bias, kEps, hidden_,
                           row_of(leaving_, j).data());
    }
  }
  gates_.resize(asking_.size());
  layers_.apply(model_.groups()[group].gate, leaving_.data(), asking_.size(), gates_.data());
  for (std::size_t j = 0; j < asking_.size(); ++j) here[asking_[j]]->seen.gate = gates_[j];
}

/// Asks for a token, or for all of those that leave as one.
void Stack::ask(std::size_t group, Flight& flight) {
  if (flight.follows()) return;
  const std::span<Flight> all = flight.as_one.empty() ? std::span(&flight, 1) : flight.as_one;
  seen_.clear();
  for (const Flight& one : all) seen_.push_back(one.seen);
  const auto reason = flight.exit->leave_together(seen_);
  if (!reason) return;
  for (Flight& one : all) {
    if (flight.exit->saves()) one.depth.loops[group] = one.loop;
    one.depth.reasons[group] = *reason;
  }
}

/// What the token would take out of the group now, where its exit wants another than its last state.
void Stack::keep(std::size_t group, Flight& flight, std::size_t i) {
  const Reading reading = flight.exit->reading(flight.loop, flight.loop >= flight.depth.loops[group]);
  const std::span<float> kept = pool_.kept[flight.row.index()];
  const std::span<const float> state = row_of(work_.states, i);
  for (std::size_t c = 0; reading.state != 0 && c < hidden_; ++c) {
    kept[c] = reading.state * state[c] + (reading.kept != 0 ? reading.kept * kept[c] : 0.0F);
  }
  if (flight.depth.read.empty()) flight.depth.read = flight.depth.loops;
  int& read = flight.depth.read[group];
  if (reading.state == 1 && reading.kept == 0) read = flight.loop;
  if (reading.state != 1 && reading.state != 0) read = 0;
}

void Stack::ask_by_logits(std::size_t group, std::span<Flight* const> here, LoopStep::Readout how) {
  // Behind those that leave as one, the later groups see all of them; the head reads the last one alone.
  const bool followers = how == LoopStep::Readout::coda;
  asking_.clear();
  for (std::size_t i = 0; i < here.size(); ++i) {
    const Flight& flight = *here[i];
    if (!asked_now(flight, group) || flight.exit->reads(flight.loop).logits != how) continue;
    if (followers || !flight.follows()) asking_.push_back(i);
  }
  const std::size_t vocabulary = model_.head().out();
  const std::size_t together = std::max<std::size_t>(1, kMostLogits / vocabulary);
  for (std::size_t first = 0; first < asking_.size();) {
    std::size_t end = first;
    for (std::size_t read = 0; end < asking_.size() && read < together; ++end)
      read += here[asking_[end]]->follows() ? 0 : 1;
    const auto rows = std::span(asking_).subspan(first, end - first);
    const std::span<const float> logits = read_out(group, here, rows, how);
    std::size_t j = 0;
    for (const std::size_t row : rows) {
      Flight& flight = *here[row];
      if (flight.follows()) continue;
      flight.seen.logits = logits.subspan(j++ * vocabulary, vocabulary);
      ask(group, flight);
      flight.seen.logits = {};
    }
    first = end;
  }
}

std::span<const float> Stack::read_out(std::size_t group, std::span<Flight* const> here,
                                       std::span<const std::size_t> rows, LoopStep::Readout how) {
  ahead_.rows.clear();
  ahead_.texts.clear();
  take_rows(work_.states, rows, ahead_.states);
  if (model_.spec().embedding_mix) take_rows(work_.embedded, rows, ahead_.embedded);
  for (const std::size_t row : rows) {
    ahead_.rows.push_back(work_.rows[row]);
    ahead_.rows.back().loop = 0;
    ahead_.rows.back().attention = nullptr;
    ahead_.texts.push_back(here[row]->sequence);
    if (how == LoopStep::Readout::coda && here[row]->in_prompt) {
      throw Error(
          "exits in a prompt: later groups have not seen its tokens yet; let the rule decode by the head alone "
          "(decode=lens)");
    }
  }
  if (how == LoopStep::Readout::lens) return head(ahead_.states);
  // Each later group runs once. What they write into the cache at this position is overwritten when the token really
  // gets there.
  apply_exit(group, ahead_.states);
  for (std::size_t g = group + 1; g < model_.groups().size(); ++g) {
    for (std::size_t j = 0; j < rows.size(); ++j) enter(g, *here[rows[j]], j, ahead_);
    run_loop(g, ahead_);
    apply_exit(g, ahead_.states);
  }
  std::size_t read = 0;
  for (std::size_t j = 0; j < rows.size(); ++j) {
    if (here[rows[j]]->follows()) continue;
    const std::span<const float> state = row_of(ahead_.states, j);
    std::copy(state.begin(), state.end(), row_of(ahead_.states, read++).begin());
  }
  return head(std::span(ahead_.states).first(read * hidden_));
}

}  // namespace gyre
