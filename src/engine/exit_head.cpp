#include "engine/exit_head.hpp"

#include <algorithm>
#include <cmath>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<HeadKind> kHeadKinds[] = {{HeadKind::drop, "drop"}, {HeadKind::gate, "gate"}};
constexpr EnumName<HeadReadout> kReadouts[] = {
    {HeadReadout::coda, "coda"}, {HeadReadout::lens, "lens"}, {HeadReadout::full, "full"}};

/// Numbers larger than these were learned of nothing.
constexpr double kMost = 1e9;

std::vector<float> numbers(const JsonObject& object, std::string_view key, const std::string& where) {
  std::vector<float> result;
  for (const nlohmann::json& number : object.array(key)) {
    if (!number.is_number() || !(std::abs(number.get<double>()) <= kMost)) {
      throw Error("{}: {} holds {}; train it anew with gyre train-exit", where, key, number.dump());
    }
    result.push_back(number.get<float>());
  }
  return result;
}

GroupHead read_group(const nlohmann::json& json, std::size_t hidden, const std::string& file) {
  constexpr int kMostGroups = 1 << 20;
  const JsonObject object(json, file + ": groups");
  object.allow({"group", "state", "relative_step", "loops"});
  GroupHead head;
  head.group = object.integer("group", 0, kMostGroups);
  const std::string where = fmt::format("{}: group {}", file, head.group);
  head.state = numbers(object, "state", where);
  head.relative_step = object.number("relative_step", -kMost, kMost);
  head.loops = numbers(object, "loops", where);
  if (head.state.size() != hidden) {
    throw Error("{}: state holds {} numbers and hidden_size is {}; train it anew with gyre train-exit", where,
                head.state.size(), hidden);
  }
  return head;
}

}  // namespace

HeadKind parse_head_kind(const std::string& text, const std::string& flag) {
  return parse_enum<HeadKind>(kHeadKinds, text, flag, "kind of head");
}

HeadReadout parse_head_readout(const std::string& text, const std::string& flag) {
  return parse_enum<HeadReadout>(kReadouts, text, flag, "read-out");
}

std::string_view name_of(HeadKind kind) { return name_of<HeadKind>(kHeadKinds, kind); }
std::string_view name_of(HeadReadout readout) { return name_of<HeadReadout>(kReadouts, readout); }

double GroupHead::score(std::span<const float> x, float state_norm, float step_norm, int loop) const {
  double result = static_cast<double>(loops[static_cast<std::size_t>(loop - 1)]);
  if (!(state_norm > 0)) return result;
  double along = 0;
  for (std::size_t c = 0; c < x.size(); ++c) along += static_cast<double>(state[c]) * static_cast<double>(x[c]);
  const auto norm = static_cast<double>(state_norm);
  result += along / norm * std::sqrt(static_cast<double>(x.size()));
  return result + static_cast<double>(relative_step) * static_cast<double>(step_norm) / norm;
}

const GroupHead* ExitHead::of_group(int group) const {
  const auto found =
      std::find_if(groups.begin(), groups.end(), [&](const GroupHead& one) { return one.group == group; });
  return found == groups.end() ? nullptr : &*found;
}

ExitHead read_exit_head(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  const nlohmann::json json = parse_json(text, file.string());
  if (!json.is_object() || !json.contains(kExitHeadKey)) {
    throw Error("{} is no file of gyre train-exit; write one with gyre train-exit", file.string());
  }
  const JsonObject object(json, file.string());
  (void)object.integer(kExitHeadKey, kExitHeadVersion, kExitHeadVersion);
  ExitHead head;
  head.kind = object.choice<HeadKind>("kind", kHeadKinds);
  head.readout = object.choice<HeadReadout>("decode", kReadouts);
  const JsonObject trained = object.object("trained_for");
  head.model_sha256 = trained.text("model_sha256");
  head.weights = trained.array("weights");
  head.stack = trained.array("groups");
  constexpr int kMostHidden = 1 << 20;
  const auto hidden = static_cast<std::size_t>(trained.integer("hidden_size", 1, kMostHidden));
  for (const nlohmann::json& group : object.array("groups")) {
    head.groups.push_back(read_group(group, hidden, file.string()));
    const int number = head.groups.back().group;
    if (head.of_group(number) != &head.groups.back()) throw Error("{}: group {} is there twice", file.string(), number);
  }
  if (head.groups.empty()) throw Error("{}: groups is empty; train it anew with gyre train-exit", file.string());
  head.file = file.string();
  head.sha256 = sha256(std::as_bytes(std::span(text)));
  return head;
}

nlohmann::json to_json(const ExitHead& head) {
  nlohmann::json groups = nlohmann::json::array();
  for (const GroupHead& group : head.groups) {
    groups.push_back({{"group", group.group},
                      {"state", group.state},
                      {"relative_step", group.relative_step},
                      {"loops", group.loops}});
  }
  return {{kExitHeadKey, kExitHeadVersion},
          {"kind", name_of(head.kind)},
          {"decode", name_of(head.readout)},
          {"trained_for",
           {{"model_sha256", head.model_sha256},
            {"weights", head.weights},
            {"groups", head.stack},
            {"hidden_size", head.groups.front().state.size()}}},
          {"groups", std::move(groups)}};
}

void require_shape(const ExitHead& head, const ModelSpec& spec, std::span<const int> loops, std::optional<int> only) {
  constexpr std::string_view kMend = "take the head of this model, or train one with gyre train-exit";
  for (const int group : spec.looped_groups()) {
    if (only && *only != group) continue;
    const int most = loops[static_cast<std::size_t>(group)];
    if (most == 1) continue;  // nobody is asked there
    const GroupHead* const one = head.of_group(group);
    if (one == nullptr) {
      throw Error("exit head: {} was not trained on group {}, which loops here; {}", head.file, group, kMend);
    }
    if (one->state.size() != static_cast<std::size_t>(spec.hidden_size)) {
      throw Error("exit head: {} was trained on states of {} numbers, and this model's have {}; {}", head.file,
                  one->state.size(), spec.hidden_size, kMend);
    }
    if (most > static_cast<int>(one->loops.size()) + 1) {
      throw Error("exit head: {} was trained on {} loops of group {}, and this run has {}; run no more, or train anew",
                  head.file, one->loops.size() + 1, group, most);
    }
  }
  for (const GroupHead& one : head.groups) {
    const std::vector<int> looped = spec.looped_groups();
    if (std::find(looped.begin(), looped.end(), one.group) != looped.end()) continue;
    throw Error("exit head: {} was trained on group {}, which does not loop here; {}", head.file, one.group, kMend);
  }
}

}  // namespace gyre
