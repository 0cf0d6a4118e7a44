#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.hpp"
#include "model/spec.hpp"

namespace gyre {
namespace {

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || stop != text.data() + text.size()) return {};
  return value;
}

std::optional<LayerLoop> parse_run(std::string_view text) {
  const std::size_t times = text.find('x');
  if (times == std::string_view::npos) return {};
  const std::string_view range = text.substr(0, times);
  const std::size_t dash = range.find('-');
  const auto first = whole_number(range.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : whole_number(range.substr(dash + 1));
  const auto loops = whole_number(text.substr(times + 1));
  if (!first || !last || !loops || *first < 0 || *last < *first || *loops < 1 || *loops > kMostLoops) return {};
  return LayerLoop{*first, *last, *loops};
}

/// A stretch of a group, without what stands at its ends unless it has those ends. `begin` is the group's first layer
/// in the whole model: pieces are named by their layers there, so that no two have one name.
Group stretch(const Group& group, int first, int count, int begin) {
  Group piece = group;
  if (count < group.layers) piece.name = fmt::format("{} {}-{}", group.name, begin + first, begin + first + count - 1);
  piece.layers = count;
  if (first > 0) {
    piece.injection = Injection::none;
    piece.first_state = FirstState::carried;
    piece.noise_std = Group().noise_std;
    piece.bare_first_loop = false;
  }
  if (first + count < group.layers) {
    piece.loop_norm = piece.exit_norm = piece.exit_linear = piece.exit_gate = piece.exit_gate_norm = false;
  }
  for (const auto layers : {&Group::value_layers, &Group::window_layers}) {
    (piece.*layers).clear();
    for (const int layer : group.*layers) {
      if (layer >= first && layer < first + count) (piece.*layers).push_back(layer - first);
    }
  }
  return piece;
}

}  // namespace

std::vector<int> parse_loops(const std::string& text, const ModelSpec& spec, const std::string& flag) {
  std::vector<int> counts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    int count = 0;
    const auto [stop, failure] = std::from_chars(text.data() + begin, text.data() + end, count);
    if (failure != std::errc() || stop != text.data() + end || count < 1 || count > kMostLoops) {
      throw Error("{}: \"{}\" is not a loop count; give one number, or one per looped group as in 4/8/4", flag, text);
    }
    counts.push_back(count);
    begin = end + 1;
  }
  const std::vector<int> looped = spec.looped_groups();
  if (counts.size() != 1 && counts.size() != looped.size()) {
    throw Error("{}: {} counts for {} looped groups; give one number, or one per looped group", flag, counts.size(),
                looped.size());
  }
  std::vector<int> loops = spec.default_loops();
  for (std::size_t i = 0; i < looped.size(); ++i) {
    loops[static_cast<std::size_t>(looped[i])] = counts.size() == 1 ? counts[0] : counts[i];
  }
  return loops;
}

std::vector<LayerLoop> parse_layer_loops(const std::string& text, const std::string& flag) {
  std::vector<LayerLoop> runs;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto run = parse_run(std::string_view(text).substr(begin, end - begin));
    if (!run) throw Error("{}: \"{}\" is not FIRST-LASTxLOOPS, as in 10-13x4 (layers counted from 0)", flag, text);
    runs.push_back(*run);
    begin = end + 1;
  }
  std::sort(runs.begin(), runs.end(), [](const LayerLoop& a, const LayerLoop& b) { return a.first < b.first; });
  return runs;
}

ModelSpec with_loops(const ModelSpec& spec, std::span<const LayerLoop> runs, float damping, const std::string& flag) {
  ModelSpec looped = spec;
  looped.groups.clear();
  int begin = 0;  // of this group, in layers of the whole model
  std::size_t next = 0;
  for (const Group& group : spec.groups) {
    const int end = begin + group.layers;
    int at = begin;
    for (; next < runs.size() && runs[next].first < end; ++next) {
      const LayerLoop& run = runs[next];
      if (run.first < at) throw Error("{}: the runs overlap at layer {}; name every layer once", flag, run.first);
      if (run.last >= end) {
        throw Error("{}: layers {}-{} reach over the end of group \"{}\" (layers {}-{})", flag, run.first, run.last,
                    group.name, begin, end - 1);
      }
      if (group.fast.there()) {
        throw Error("{}: layer {} belongs to group \"{}\", whose layers loop together with a fast stack only", flag,
                    run.first, group.name);
      }
      if (group.minus_state || group.update_rank > 0) {
        throw Error("{}: layer {} belongs to group \"{}\", which is not to be cut: its loop ends in {}", flag,
                    run.first, group.name, group.minus_state ? "minus_state" : "a gated update");
      }
      if (!group.order.empty() || !group.skips.empty()) {
        throw Error("{}: layer {} belongs to group \"{}\", whose {} already how its layers run", flag, run.first,
                    group.name, group.order.empty() ? "skips say" : "order says");
      }
      if (group.looped()) {
        throw Error("{}: layer {} belongs to group \"{}\", which loops already; give its loops instead", flag,
                    run.first, group.name);
      }
      if (run.first > at) looped.groups.push_back(stretch(group, at - begin, run.first - at, begin));
      Group core = stretch(group, run.first - begin, run.last - run.first + 1, begin);
      core.name = fmt::format("{}-{}", run.first, run.last);
      core.loops = run.loops;
      core.damping = damping;
      looped.groups.push_back(core);
      at = run.last + 1;
    }
    if (at < end) looped.groups.push_back(stretch(group, at - begin, end - at, begin));
    begin = end;
  }
  if (next < runs.size()) {
    throw Error("{}: layer {} is beyond the model's last, {}", flag, runs[next].last, begin - 1);
  }
  validate(looped, flag);
  return looped;
}

}  // namespace gyre
