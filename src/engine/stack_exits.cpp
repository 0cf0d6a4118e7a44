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
    if (reads.norms) measure(flight, i);
    if (reads.gate && has_gate) asking_.push_back(i);
    lens = lens || reads.logits == LoopStep::Readout::lens;
    coda = coda || reads.logits == LoopStep::Readout::coda;
  }
  if (!asking_.empty()) read_gates(group, here);
  for (Flight* const flight : here) {
    if (asked_now(*flight, group) && !flight->exit->reads(flight->loop).logits) ask(group, *flight);
  }
  if (lens) ask_by_logits(group, here, LoopStep::Readout::lens);
  if (coda) ask_by_logits(group, here, LoopStep::Readout::coda);
}

void Stack::measure(Flight& flight, std::size_t i) {
  const std::size_t row = flight.row.index();
  const float* const before = pool_.states[row].data();
  const float* const now = row_of(work_.states, i).data();
  const StepStatistics sums = kernels().step_statistics(now, before, pool_.steps[row].data(), hidden_);
  LoopStep& seen = flight.seen;
  seen.previous_state_norm = seen.state_norm;
  seen.previous_step_norm = seen.step_norm;
  seen.state_norm = std::sqrt(sums.state);
  seen.step_norm = std::sqrt(sums.step);
  seen.acceleration = std::sqrt(sums.acceleration);
  if (flight.loop == 1) seen.first_step_norm = seen.step_norm;
}

void Stack::read_gates(std::size_t group, std::span<Flight* const> here) {
  take_rows(asking_, leaving_);
  gates_.resize(asking_.size());
  layers_.apply(model_.groups()[group].gate, leaving_.data(), asking_.size(), gates_.data());
  for (std::size_t j = 0; j < asking_.size(); ++j) here[asking_[j]]->seen.gate = gates_[j];
}

void Stack::ask(std::size_t group, Flight& flight) {
  const auto reason = flight.exit->leave_after(flight.seen);
  if (!reason) return;
  flight.depth.loops[group] = flight.loop;
  flight.depth.reasons[group] = *reason;
}

void Stack::ask_by_logits(std::size_t group, std::span<Flight* const> here, LoopStep::Readout how) {
  asking_.clear();
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (asked_now(*here[i], group) && here[i]->exit->reads(here[i]->loop).logits == how) asking_.push_back(i);
  }
  const std::size_t vocabulary = model_.head().out();
  const std::size_t together = std::max<std::size_t>(1, kMostLogits / vocabulary);
  for (std::size_t first = 0; first < asking_.size(); first += together) {
    const auto rows = std::span(asking_).subspan(first, std::min(together, asking_.size() - first));
    const std::span<const float> logits = read_out(group, here, rows, how);
    for (std::size_t j = 0; j < rows.size(); ++j) {
      Flight& flight = *here[rows[j]];
      flight.seen.logits = logits.subspan(j * vocabulary, vocabulary);
      ask(group, flight);
      flight.seen.logits = {};
    }
  }
}

std::span<const float> Stack::read_out(std::size_t group, std::span<Flight* const> here,
                                       std::span<const std::size_t> rows, LoopStep::Readout how) {
  ahead_.rows.clear();
  take_rows(rows, ahead_.states);
  for (const std::size_t row : rows) {
    ahead_.rows.push_back(work_.rows[row]);
    ahead_.rows.back().loop = 0;
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
  return head(ahead_.states);
}

}  // namespace gyre
  ahead_.texts.clear();
    ahead_.texts.push_back(here[row]->sequence);
