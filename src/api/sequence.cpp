#include <algorithm>

#include "api/state.hpp"
#include "base/error.hpp"

namespace gyre::api {
Sequence::Sequence(std::shared_ptr<State> state) : state_(std::move(state)) {}
Sequence::Sequence(Sequence&&) noexcept = default;
Sequence& Sequence::operator=(Sequence&&) noexcept = default;
Sequence::~Sequence() = default;

int Sequence::length() const { return state_->sequence.length; }
int Sequence::context() const { return state_->sequence.cache.context(); }
std::vector<int> Sequence::loops() const { return state_->sequence.cache.loops(); }
std::size_t Sequence::bytes() const { return state_->sequence.cache.bytes(); }
void Sequence::truncate(int tokens) { state_->sequence.truncate(std::max(0, tokens)); }

Sequence Sequence::fork() const {
  auto state = std::make_shared<State>(
      State{state_->sequence.fork(), state_->model, state_->choice, state_->rule, {}, state_->diffusion});
  if (state_->exit) state->exit.emplace(state->make_exit());
  return Sequence(std::move(state));
}

}  // namespace gyre::api
