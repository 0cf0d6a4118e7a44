#include "engine/diffuse.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "model/spec.hpp"

namespace gyre {
namespace {

using Freeze = Diffusion::Freeze;
constexpr EnumName<Freeze> kFreezes[] = {{Freeze::latent_diff, "latent-diff"},
                                         {Freeze::acceleration, "acceleration"},
                                         {Freeze::stable, "stable"},
                                         {Freeze::fixed, "fixed"}};

template <typename Number>
Number number_of(const std::string& text, const std::string& part, Number least, Number most, const std::string& flag) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stop != end || !(value >= least && value <= most)) {
    throw Error("{}: {} is no number between {} and {}", flag, part, least, most);
  }
  return value;
}

double norm_of(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

}  // namespace

Diffusion parse_diffusion(const std::string& text, const std::string& flag) {
  Diffusion diffusion;
  const std::map<std::string, int*> counts = {{"inner", &diffusion.inner},
                                              {"steps", &diffusion.steps},
                                              {"headway", &diffusion.headway},
                                              {"wavefront", &diffusion.wavefront}};
  const std::map<std::string, float*> shares = {
      {"tau", &diffusion.tau}, {"ema", &diffusion.ema}, {"noise", &diffusion.noise}};
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    const std::string key = part.substr(0, part.find('='));
    const std::string value = key.size() < part.size() ? part.substr(key.size() + 1) : "";
    if (const auto count = counts.find(key); count != counts.end()) {
      *count->second = number_of(value, part, 1, 4096, flag);
    } else if (const auto share = shares.find(key); share != shares.end()) {
      *share->second = number_of(value, part, 0.0F, key == "tau" ? 1e9F : 1.0F, flag);
    } else if (key == "freeze") {
      diffusion.freeze = parse_enum<Freeze>(kFreezes, value, flag, "freeze rule");
    } else {
      throw Error("{}: \"{}\" is none of inner, steps, headway, wavefront, tau, ema, noise, freeze", flag, part);
    }
  }
  if (diffusion.steps % diffusion.inner != 0) {
    throw Error("{}: {} loops are no multiple of the {} of a step", flag, diffusion.steps, diffusion.inner);
  }
  return diffusion;
}

std::size_t diffusion_group(const ModelSpec& spec, const std::string& flag) {
  const std::vector<int> looped = spec.looped_groups();
  const Group* const core = looped.size() == 1 ? &spec.groups[static_cast<std::size_t>(looped.front())] : nullptr;
  if (core == nullptr || core->injection == Injection::none || core->bare_first_loop) {
    throw Error(
        "{}: this takes a model with one looped group that takes its input anew in every loop (Huginn, its "
        "retrofits, Parcae)",
        flag);
  }
  return static_cast<std::size_t>(looped.front());
}

Diffuser::Diffuser(Engine& engine, Sequence& sequence, Diffusion diffusion, std::size_t vocabulary)
    : engine_(engine),
      sequence_(sequence),
      diffusion_(diffusion),
      vocabulary_(vocabulary),
      core_(diffusion_group(engine.model().spec(), "diffusion")) {
  if (sequence.cache.loops()[core_] != diffusion.inner) {
    throw Error("diffusion: the sequence runs {} loops, a step {}", sequence.cache.loops()[core_], diffusion.inner);
  }
  if (sequence.start == NoiseStart::previous) {
    throw Error("diffusion: positions do not wait for the states of those before them; use another first state");
  }
}

/// States that enter the core are those of the step before, and what leaves it is kept.
void Diffuser::hear(const TracePoint& point, bool mixes_noise) {
  if (static_cast<std::size_t>(point.group) != core_) return;
  const auto hidden = static_cast<std::size_t>(engine_.model().spec().hidden_size);
  const float noise_std = engine_.model().spec().groups[core_].noise_std;
  const auto first = static_cast<std::size_t>(point.position - sequence_.length);
  for (std::size_t i = 0; i * hidden < point.states.size(); ++i) {
    Position& position = wave_[first + i];
    const std::span<float> state = point.states.subspan(i * hidden, hidden);
    if (point.loop == diffusion_.inner) {
      position.long_before = std::exchange(position.before, std::move(position.state));
      position.state.assign(state.begin(), state.end());
    } else if (point.loop == 0 && position.loops > 0) {
      const float share = mixes_noise ? diffusion_.noise / static_cast<float>(1 + position.loops) : 0.0F;
      const std::uint64_t seed =
          combine_seeds(combine_seeds(sequence_.noise_seed, core_), static_cast<std::uint64_t>(position.loops));
      const std::uint64_t place = (static_cast<std::uint64_t>(point.position) + i) * hidden;
      for (std::size_t c = 0; c < hidden; ++c) {
        state[c] = (1 - share) * position.state[c];
        if (share > 0) state[c] += share * noise_std * normal_at(seed, place + c);
      }
    }
  }
}

/// `inner` loops of all positions of the wavefront; logits of what follows each of them.
std::span<const float> Diffuser::step(bool mixes_noise) {
  engine_.stop().check();
  std::vector<std::int32_t> tokens;
  for (const Position& position : wave_) tokens.push_back(position.token);
  flights_ = engine_.flights_of(sequence_, tokens);
  const TraceSink trace = [&](const TracePoint& point) { hear(point, mixes_noise); };
  Stack& stack = engine_.stack();
  std::vector<Flight*> all;
  for (Flight& flight : flights_) {
    flight.trace = &trace;
    stack.board(flight);
    all.push_back(&flight);
  }
  for (std::size_t group = 0; group < sequence_.cache.loops().size(); ++group) {
    for (std::size_t i = 0; group == core_ && i < all.size(); ++i) {
      const std::span<float> input = stack.state(*all[i]);
      std::vector<float>& last = wave_[i].input;
      for (std::size_t c = 0; c < last.size(); ++c) input[c] += diffusion_.ema * (last[c] - input[c]);
      last.assign(input.begin(), input.end());
    }
    for (int loop = 0; loop < sequence_.cache.loops()[group]; ++loop) stack.run(group, all);
  }
  ++count_.steps;
  count_.positions += static_cast<std::int64_t>(wave_.size());
  for (Position& position : wave_) position.loops += diffusion_.inner;
  return engine_.logits_of(all);
}

/// The first `count` positions are done: they are part of the sequence as they are.
void Diffuser::freeze(std::size_t count) {
  commit(std::span(flights_).first(count));
  wave_.erase(wave_.begin(), wave_.begin() + static_cast<std::ptrdiff_t>(count));
}

void Diffuser::prefill(std::span<const std::int32_t> tokens) {
  if (tokens.empty()) return;
  wave_.clear();
  for (const std::int32_t token : tokens) wave_.push_back({token});
  for (int loops = 0; loops < diffusion_.steps; loops += diffusion_.inner) step(false);
  freeze(tokens.size());
}

bool Diffuser::settled(const Position& position) const {
  if (position.loops >= kMostLoops) return true;  // it never will
  const double norm = norm_of(position.state) + static_cast<double>(std::numeric_limits<float>::min());
  switch (diffusion_.freeze) {
    case Freeze::fixed:
      return position.loops >= diffusion_.steps;
    case Freeze::stable:
      return position.steps_alike >= diffusion_.steps / diffusion_.inner;
    case Freeze::latent_diff:
    case Freeze::acceleration:
      break;
  }
  const bool second = diffusion_.freeze == Freeze::acceleration;
  if (position.before.empty() || (second && position.long_before.empty())) return false;
  std::vector<float> change(position.state.size());
  for (std::size_t c = 0; c < change.size(); ++c) {
    change[c] = position.state[c] - position.before[c];
    if (second) change[c] -= position.before[c] - position.long_before[c];
  }
  return norm_of(change) / norm < static_cast<double>(diffusion_.tau);
}

std::vector<Diffuser::Frozen> Diffuser::next(const std::vector<std::int32_t>& text, Sampler& sampler) {
  if (wave_.empty()) wave_.push_back({text.back()});
  while (true) {
    const std::span<const float> logits = step(true);
    const std::size_t width = logits.size() / wave_.size();
    std::vector<std::int32_t> said = text;
    std::size_t settled_count = 0;
    for (std::size_t i = 0; i < wave_.size(); ++i) {
      Position& position = wave_[i];
      const std::int32_t token = sampler.draw(logits.subspan(i * width, vocabulary_), said);
      position.steps_alike = token == position.predicted ? position.steps_alike + 1 : 1;
      position.predicted = token;
      if (i + 1 < wave_.size()) wave_[i + 1].token = token;
      said.push_back(token);
      if (settled(position)) settled_count = i + 1;
    }
    std::vector<Frozen> frozen;
    for (std::size_t i = 0; i < settled_count; ++i) frozen.push_back({wave_[i].predicted, wave_[i].loops});
    const std::int32_t next_token = wave_.back().predicted;
    freeze(settled_count);
    const auto room = static_cast<std::size_t>(sequence_.cache.context() - sequence_.length);
    const std::size_t most = std::min(static_cast<std::size_t>(diffusion_.wavefront), room);
    for (int h = 0; h < diffusion_.headway && wave_.size() < most; ++h) wave_.push_back({next_token});
    if (!frozen.empty()) return frozen;
  }
}

}  // namespace gyre
