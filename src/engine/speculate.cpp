#include "engine/speculate.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/error.hpp"
#include "engine/cost.hpp"

namespace gyre {
namespace {

/// What a row costs that shares a pass with others, in rows alone: 0.4 where weights come from memory, 0.9 where they
/// stay in the second-level cache (docs/performance.md).
constexpr double kSharedRow = 0.5;
/// How much the last round counts in the mean.
constexpr double kNewest = 0.25;
constexpr int kFirstPause = 128;
constexpr int kLongestPause = 4096;

/// As options of `fixed`: the loops of the looped groups.
ExitChoice fixed_at(const std::vector<int>& loops, const ModelSpec& spec) {
  std::string text;
  for (const int group : spec.looped_groups()) {
    text += fmt::format("{}{}", text.empty() ? "" : "/", loops[static_cast<std::size_t>(group)]);
  }
  return parse_exit("fixed:loops=" + text);
}

}  // namespace

Draft parse_draft(const std::string& text, const ModelSpec& spec, const std::vector<int>& most,
                  const std::string& flag) {
  Draft draft;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    if (part.starts_with("loops=")) {
      draft.loops = parse_loops(part.substr(6), spec, flag);
    } else if (part.starts_with("tokens=")) {
      const char* const last = part.data() + part.size();
      const auto [stop, failure] = std::from_chars(part.data() + 7, last, draft.tokens);
      if (failure == std::errc() && stop == last && draft.tokens >= 1 && draft.tokens <= 64) continue;
      throw Error("{}: {} is no whole number between 1 and 64", flag, part);
    } else {
      throw Error("{}: \"{}\" is neither loops=… nor tokens=…", flag, part);
    }
  }
  if (draft.loops.empty()) throw Error("{}: loops is missing; write for example {} loops=2,tokens=4", flag, flag);
  bool fewer = false;
  for (std::size_t g = 0; g < most.size(); ++g) {
    if (draft.loops[g] > most[g]) {
      throw Error("{}: {} loops are more than the {} of this run; give fewer", flag, draft.loops[g], most[g]);
    }
    fewer = fewer || draft.loops[g] < most[g];
  }
  if (!fewer) throw Error("{}: as many loops as at full depth draft nothing sooner; give fewer", flag);
  return draft;
}

Speculator::Speculator(Engine& engine, Sequence& sequence, Draft draft, const SamplingOptions& sampling,
                       std::size_t vocabulary)
    : engine_(engine),
      sequence_(sequence),
      draft_(std::move(draft)),
      drafter_(sampling),
      vocabulary_(vocabulary),
      exit_(fixed_at(draft_.loops, engine.model().spec()), {engine.model().spec(), sequence.cache.loops(), {}}),
      draft_cost_(static_cast<double>(layer_passes(engine.model().spec(), draft_.loops)) /
                  static_cast<double>(layer_passes(engine.model().spec(), sequence.cache.loops()))),
      accepted_(draft_.tokens),
      next_pause_(kFirstPause) {
  if (sequence.start == NoiseStart::previous) {
    throw Error("draft: a token that starts where the one before ended cannot be taken back; use another first state");
  }
  if (sequence.cache.policy().slots != KvPolicy::Slots::loop) {
    throw Error(
        "draft: under the KV policy {} a token reads other loops of earlier ones alone than among them; use latest, "
        "full or all_or_last",
        name_of(sequence.cache.policy()));
  }
  SamplingOptions other = sampling;
  other.seed = combine_seeds(sampling.seed, 0x6472616674ULL);  // draws of its own
  drafter_ = Sampler(other);
}

std::vector<std::int32_t> Speculator::plain(const std::vector<std::int32_t>& text, Sampler& sampler) {
  TokenDepth depth;
  ++count_.plain;
  return {sampler.draw(engine_.decode(sequence_, text.back(), nullptr, depth).first(vocabulary_), text)};
}

/// Appends drafted tokens to the text, and to the sequence all but the last of them.
void Speculator::draft(std::vector<std::int32_t>& text, int tokens) {
  shares_.clear();
  for (int t = 0; t < tokens; ++t) {
    TokenDepth depth;
    const std::span<const float> logits = engine_.decode(sequence_, text.back(), &exit_, depth).first(vocabulary_);
    shares_.push_back(drafter_.probabilities(logits, text));
    text.push_back(drafter_.draw(shares_.back()));
  }
}

std::vector<std::int32_t> Speculator::next(std::vector<std::int32_t> text, Sampler& sampler) {
  const int room = sequence_.cache.context() - sequence_.length - 1;
  const int tokens = std::min(draft_.tokens, room);
  if (pause_ > 0) --pause_;
  if (tokens < 1 || pause_ > 0) return plain(text, sampler);
  const int before = sequence_.length;
  const std::size_t known = text.size();
  draft(text, tokens);
  sequence_.truncate(before);
  const auto pass = std::span(text).subspan(known - 1);
  const std::span<const float> logits = engine_.prefill(sequence_, pass, Engine::Logits::all);
  const std::size_t width = logits.size() / pass.size();
  std::vector<std::int32_t> kept;
  for (std::size_t t = 0; kept.size() == t; ++t) {
    const std::span<const std::int32_t> said(text.data(), known + t);
    std::vector<double> shares = sampler.probabilities(logits.subspan(t * width, vocabulary_), said);
    if (t == static_cast<std::size_t>(tokens)) {  // all were accepted, and the pass says what follows them
      kept.push_back(sampler.draw(shares));
      break;
    }
    const auto drafted = static_cast<std::size_t>(text[known + t]);
    if (sampler.uniform() * shares_[t][drafted] < shares[drafted]) {
      kept.push_back(text[known + t]);
      continue;
    }
    for (std::size_t i = 0; i < shares.size(); ++i) shares[i] = std::max(0.0, shares[i] - shares_[t][i]);
    kept.push_back(sampler.draw(shares));
    break;
  }
  const int accepted = static_cast<int>(kept.size()) - 1;
  sequence_.truncate(before + 1 + accepted);
  judge(accepted, tokens);
  return kept;
}

void Speculator::judge(int accepted, int drafted) {
  ++count_.rounds;
  count_.drafted += drafted;
  count_.accepted += accepted;
  accepted_ += kNewest * (accepted - accepted_);
  const double cost = 1 + drafted * (draft_cost_ + kSharedRow);
  if (accepted_ + 1 >= cost) {
    next_pause_ = kFirstPause;
    return;
  }
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
  accepted_ = cost - 1;  // the next round decides anew
}

}  // namespace gyre
