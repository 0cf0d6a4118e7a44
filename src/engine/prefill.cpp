#include <algorithm>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "engine/engine.hpp"

namespace gyre {

void Engine::embed_prompt(Sequence& sequence, std::span<const std::int32_t> tokens) {
  check_tokens(sequence, tokens);
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const int count = static_cast<int>(tokens.size());
  const bool whole = sequence.whole_prompt && sequence.length == 0;
  main_.states.resize(tokens.size() * hidden);
  rows_.clear();
  for (int t = 0; t < count; ++t) {
    const auto place = static_cast<std::size_t>(t);
    rows_.push_back({tokens[place], sequence.length + t, t, whole ? count : t + 1, &sequence.cache});
    embed(tokens[place], sequence.length + t, std::span(main_.states).subspan(place * hidden, hidden));
  }
  embed_norm(main_.states);
  layers_.reserve(rows_.size(), sequence.length + count);
}

std::span<const float> Engine::prompt_logits(Logits wanted) {
  if (wanted == Logits::none) return {};
  const std::span<const float> states = main_.states;
  return head(wanted == Logits::all ? states : states.last(static_cast<std::size_t>(model_.spec().hidden_size)));
}

std::span<const float> Engine::prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                       const TraceSink& trace) {
  embed_prompt(sequence, tokens);
  Transaction transaction(sequence);
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const int count = static_cast<int>(tokens.size());
  const std::vector<int> loops = sequence.cache.loops();
  for (std::size_t g = 0; g < loops.size(); ++g) {
    enter_group(g, sequence, sequence.length, 0, tokens.size(), main_);
    const auto report = [&](int loop) {
      if (trace) trace({static_cast<int>(g), loop, sequence.length, main_.states});
    };
    report(0);
    for (int loop = 0; loop < loops[g]; ++loop) {
      require_not_interrupted();  // a long prompt at many loops may take minutes
      run_loop(g, loop, rows_, main_);
      report(loop + 1);
    }
    leave_group(g, sequence, count, loops[g], std::span<const float>(main_.states).last(hidden));
    apply_exit(g, main_.states);
  }
  const std::span<const float> logits = prompt_logits(wanted);
  transaction.commit(count);
  return logits;
}

std::span<const float> Engine::prefill(Sequence& sequence, std::span<const std::int32_t> tokens, Logits wanted,
                                       std::span<BoundedExit> exits, std::vector<TokenDepth>& depths) {
  if (sequence.cache.policy().lookup != KvPolicy::Lookup::latest) {
    throw Error("--kv: exits in the prompt need the policy latest or one of its slots, not {}",
                name_of(sequence.cache.policy()));
  }
  if (exits.size() != tokens.size()) {
    throw Error("a prompt of {} tokens and {} exits; give one exit a token", tokens.size(), exits.size());
  }
  embed_prompt(sequence, tokens);
  for (TokenRow& row : rows_) row.in_prompt = true;
  Transaction transaction(sequence);
  const auto hidden = static_cast<std::size_t>(model_.spec().hidden_size);
  const int count = static_cast<int>(tokens.size());
  const std::vector<int> loops = sequence.cache.loops();
  std::vector<DecodeRow> batch;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    batch.push_back({&sequence, tokens[t], &exits[t], {loops, std::vector<std::string_view>(loops.size())}});
  }
  const std::vector<TokenRow> all = rows_;
  for (std::size_t g = 0; g < loops.size(); ++g) {
    require_not_interrupted();
    rows_ = all;
    enter_group(g, sequence, sequence.length, 0, tokens.size(), main_);
    loop_rows(g, batch, [&](std::size_t r, std::span<const float> /*state*/) {
      sequence.cache.leave_early(g, static_cast<int>(r), batch[r].depth.loops[g]);
    });
    leave_group(g, sequence, count, loops[g], std::span<const float>(main_.states).last(hidden));
    apply_exit(g, main_.states);
  }
  const std::span<const float> logits = prompt_logits(wanted);
  std::vector<TokenDepth> done;
  for (DecodeRow& row : batch) done.push_back(std::move(row.depth));
  depths = std::move(done);
  transaction.commit(count);
  return logits;
}

}  // namespace gyre
