#include "engine/test_noise.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre {
namespace {

constexpr EnumName<TestNoise::Kind> kNoiseKinds[] = {{TestNoise::Kind::none, "none"}, {TestNoise::Kind::fixed, "fixed"},
                                                     {TestNoise::Kind::geom, "geom"}, {TestNoise::Kind::sqrt, "sqrt"},
                                                     {TestNoise::Kind::line, "line"}, {TestNoise::Kind::chi, "chi"}};

/// Keeps these draws apart from those of first states.
constexpr std::uint64_t kStream = 0x74657374206e6f69ULL;

/// b, the share of noise.
float share_of(const TestNoise& noise, std::uint64_t seed, const Group& group, int loop) {
  const float most = noise.amount * group.noise_std;
  const auto done = static_cast<float>(loop);
  const auto all = static_cast<float>(group.loops);
  switch (noise.kind) {
    case TestNoise::Kind::none:
      return 0;
    case TestNoise::Kind::fixed:
      return most;
    case TestNoise::Kind::geom:
      return most / (done + 1);
    case TestNoise::Kind::sqrt:
      return most / std::sqrt(done + 1);
    case TestNoise::Kind::line:
      return std::max(most, (all - done) / all);
    case TestNoise::Kind::chi:
      return 2 * most * static_cast<float>(unit_interval(mix_bits(seed)));
  }
  return 0;
}

}  // namespace

TestNoise parse_test_noise(const std::string& text, const std::string& flag) {
  if (text.empty() || text == "none") return {};
  const std::size_t equals = std::min(text.find('='), text.size());
  TestNoise noise;
  noise.kind = parse_enum<TestNoise::Kind>(kNoiseKinds, text.substr(0, equals), flag, "kind of noise");
  const char* const end = text.data() + text.size();
  const char* const begin = std::min(text.data() + equals + 1, end);
  const auto [stop, failure] = std::from_chars(begin, end, noise.amount);
  const bool read = failure == std::errc() && stop == end && noise.amount >= 0 && noise.amount <= 1e6F;
  if (read && noise.kind != TestNoise::Kind::none) return noise;
  throw Error("{}: \"{}\" is not of the form KIND=AMOUNT, as in fixed=0.1", flag, text);
}

std::string name_of(const TestNoise& noise) {
  const std::string_view kind = name_of<TestNoise::Kind>(kNoiseKinds, noise.kind);
  return noise.kind == TestNoise::Kind::none ? std::string(kind) : fmt::format("{}={}", kind, noise.amount);
}

bool takes_noise(const Group& group) {
  return group.first_state == FirstState::noise && group.injection != Injection::none;
}

void require_noisy_group(const TestNoise& noise, const ModelSpec& spec, const std::string& flag) {
  if (!noise.there()) return;
  if (std::any_of(spec.groups.begin(), spec.groups.end(), takes_noise)) return;
  throw Error("{}: no group of {} starts from noise and is told again what it was handed; leave it out", flag,
              spec.name.empty() ? "this model" : spec.name);
}

void add_test_noise(const TestNoise& noise, std::uint64_t seed, const Group& group, std::size_t index, int loop,
                    int position, std::span<float> state) {
  const std::uint64_t of_group = combine_seeds(combine_seeds(seed, kStream), index);
  const std::uint64_t of_loop = combine_seeds(of_group, static_cast<std::uint64_t>(loop));
  const float share = share_of(noise, of_loop, group, loop);
  const std::uint64_t counted = static_cast<std::uint64_t>(position) * state.size();
  for (std::size_t c = 0; c < state.size(); ++c) {
    state[c] = (1 - share) * state[c] + share * normal_at(of_loop, counted + c);
  }
}

}  // namespace gyre
