#include "study/study.hpp"

#include <fmt/chrono.h>

#include <ctime>

#include "study/json_numbers.hpp"
#include "study/measures_json.hpp"

namespace gyre {
namespace {

constexpr std::size_t kHeatTokens = 96;
constexpr int kContextBefore = 40;  ///< bytes of text shown before a token

nlohmann::json loop_json(const LoopMeasures& loop, int number) {
  return {{"loop", number},
          {"step", spread_json(loop.step)},
          {"relative_step", spread_json(loop.relative_step)},
          {"cosine", spread_json(loop.cosine)},
          {"acceleration", spread_json(loop.acceleration)},
          {"normalised_acceleration", spread_json(loop.normalised_acceleration)},
          {"contraction", spread_json(loop.contraction)},
          {"curvature", spread_json(loop.curvature)},
          {"below_floor", loop.below_floor},
          {"lens",
           {{"ce", mean_json(loop.lens_loss)},
            {"entropy", mean_json(loop.lens_entropy)},
            {"kl_to_last", mean_json(loop.lens_kl)},
            {"argmax_flips", mean_json(loop.lens_flip)},
            {"differs_from_full_depth", mean_json(loop.lens_differs)}}}};
}

nlohmann::json group_json(const GroupMeasures& measures, const StudySubject& subject) {
  const Group& group = subject.spec.groups[static_cast<std::size_t>(measures.group)];
  nlohmann::json loops = nlohmann::json::array();
  for (std::size_t k = 0; k < measures.loops.size(); ++k) {
    loops.push_back(loop_json(measures.loops[k], static_cast<int>(k) + 1));
  }
  return {{"group", measures.group},        {"name", group.name},
          {"layers", group.layers},         {"loops", measures.loops.size()},
          {"loops_data", std::move(loops)}, {"drift_to_loop", spread_json(measures.drift_to_loop)}};
}

std::string text_before(const StudySubject& subject, std::span<const std::int32_t> inputs, int position) {
  std::string text;
  for (int t = position - 1; t >= 0 && static_cast<int>(text.size()) < kContextBefore; --t) {
    text.insert(0, subject.tokenizer.piece(inputs[static_cast<std::size_t>(t)]));
  }
  return text;
}

nlohmann::json trajectories_json(const StudiedCheckpoint& checkpoint, const StudySubject& subject) {
  nlohmann::json tokens = nlohmann::json::array();
  const std::span<const std::int32_t> inputs = checkpoint.dynamics.inputs;
  for (const Trajectory& trajectory : checkpoint.dynamics.trajectories) {
    nlohmann::json points = nlohmann::json::array();
    for (const TrajectoryPoint& point : trajectory.points) {
      points.push_back(
          {{"group", point.group}, {"loop", point.loop}, {"x", rounded(point.x)}, {"y", rounded(point.y)}});
    }
    tokens.push_back(
        {{"position", trajectory.position},
         {"token", subject.tokenizer.piece(inputs[static_cast<std::size_t>(trajectory.position)])},
         {"before", text_before(subject, inputs, trajectory.position)},
         {"explained_variance", {rounded(trajectory.explained_first), rounded(trajectory.explained_second)}},
         {"points", std::move(points)}});
  }
  return {{"tokens", std::move(tokens)}};
}

nlohmann::json heat_json(const StudiedCheckpoint& checkpoint, const StudySubject& subject) {
  const std::size_t count = std::min(kHeatTokens, static_cast<std::size_t>(checkpoint.dynamics.tokens));
  nlohmann::json tokens = nlohmann::json::array();
  for (std::size_t t = 0; t < count; ++t) tokens.push_back(subject.tokenizer.piece(checkpoint.dynamics.inputs[t]));
  nlohmann::json groups = nlohmann::json::array();
  for (const GroupMeasures& measures : checkpoint.dynamics.groups) {
    nlohmann::json rows = nlohmann::json::array();
    for (std::size_t t = 0; t < count; ++t) {
      nlohmann::json row = nlohmann::json::array();
      for (const LoopMeasures& loop : measures.loops) row.push_back(rounded(loop.relative_step[t]));
      rows.push_back(std::move(row));
    }
    groups.push_back({{"group", measures.group},
                      {"name", subject.spec.groups[static_cast<std::size_t>(measures.group)].name},
                      {"relative_step", std::move(rows)}});
  }
  return {{"tokens", std::move(tokens)}, {"groups", std::move(groups)}};
}

nlohmann::json checkpoint_json(const StudiedCheckpoint& checkpoint, const StudySubject& subject) {
  nlohmann::json groups = nlohmann::json::array();
  for (const GroupMeasures& measures : checkpoint.dynamics.groups) groups.push_back(group_json(measures, subject));
  return {{"path", checkpoint.path},
          {"step", checkpoint.step ? nlohmann::json(*checkpoint.step) : nlohmann::json(nullptr)},
          {"model_hash", checkpoint.model_hash},
          {"ce", rounded(checkpoint.dynamics.cross_entropy)},
          {"groups", std::move(groups)},
          {"geometry", geometry_json(checkpoint.dynamics, subject.spec)},
          {"probes", probes_json(checkpoint.dynamics, subject.spec)},
          {"classes", classes_json(checkpoint.dynamics, subject.spec, subject.tokenizer)},
          {"trajectories", trajectories_json(checkpoint, subject)},
          {"heat", heat_json(checkpoint, subject)}};
}

nlohmann::json model_json(const StudySubject& subject) {
  nlohmann::json groups = nlohmann::json::array();
  for (std::size_t g = 0; g < subject.spec.groups.size(); ++g) {
    const Group& group = subject.spec.groups[g];
    groups.push_back(
        {{"name", group.name}, {"layers", group.layers}, {"loops", subject.loops[g]}, {"looped", group.looped()}});
  }
  return {{"name", subject.spec.name},
          {"parameters", subject.parameters},
          {"vocab_size", subject.spec.vocab_size},
          {"hidden_size", subject.spec.hidden_size},
          {"groups", std::move(groups)}};
}

nlohmann::json evidence_json(const std::vector<Evidence>& evidence) {
  nlohmann::json json = nlohmann::json::array();
  for (const Evidence& one : evidence) {
    json.push_back({{"group", one.group},
                    {"verdict", name_of(one.verdict())},
                    {"value", rounded(one.value)},
                    {"interval", {rounded(one.interval.low), rounded(one.interval.high)}},
                    {one.beyond ? "more_than" : "least", rounded(one.least)},
                    {"most", rounded(one.most)},
                    {"tokens", one.tokens},
                    {"windows", one.windows},
                    {"decidable", one.decidable}});
    if (!one.quantity.empty()) json.back()["quantity"] = one.quantity;
    for (const auto& [name, value] : one.beside) json.back()[name] = rounded(value);
  }
  return json;
}

}  // namespace

nlohmann::json findings_json(const std::vector<Finding>& findings) {
  nlohmann::json json = nlohmann::json::array();
  for (const Finding& finding : findings) {
    const nlohmann::json holds = finding.verdict == Verdict::unclear
                                     ? nlohmann::json(nullptr)
                                     : nlohmann::json(finding.verdict == Verdict::holds);
    json.push_back({{"id", finding.id},
                    {"title", finding.title},
                    {"paper", finding.paper},
                    {"here", finding.here},
                    {"verdict", name_of(finding.verdict)},
                    {"holds", holds},
                    {"evidence", evidence_json(finding.evidence)}});
  }
  return json;
}

nlohmann::json study_json(const StudySubject& subject, const std::vector<StudiedCheckpoint>& checkpoints) {
  nlohmann::json all = nlohmann::json::array();
  for (const StudiedCheckpoint& checkpoint : checkpoints) all.push_back(checkpoint_json(checkpoint, subject));
  nlohmann::json text = subject.text;
  text["tokens"] = checkpoints.back().dynamics.tokens;
  return {{"program", subject.program},
          {"command", subject.command},
          {"date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))},
          {"text", std::move(text)},
          {"settings", subject.settings},
          {"model", model_json(subject)},
          {"checkpoints", std::move(all)},
          {"findings", findings_json(findings_of(subject.spec, checkpoints))}};
}

nlohmann::json token_measures_json(const std::vector<StudiedCheckpoint>& checkpoints) {
  nlohmann::json json = nlohmann::json::array();
  for (const StudiedCheckpoint& checkpoint : checkpoints) {
    for (const GroupMeasures& group : checkpoint.dynamics.groups) {
      for (std::size_t k = 0; k < group.loops.size(); ++k) {
        const LoopMeasures& loop = group.loops[k];
        json.push_back({{"checkpoint", checkpoint.path},
                        {"group", group.group},
                        {"loop", k + 1},
                        {"step", rounded_all(loop.step)},
                        {"relative_step", rounded_all(loop.relative_step)},
                        {"cosine", rounded_all(loop.cosine)},
                        {"acceleration", rounded_all(loop.acceleration)},
                        {"normalised_acceleration", rounded_all(loop.normalised_acceleration)},
                        {"contraction", rounded_all(loop.contraction)},
                        {"curvature", rounded_all(loop.curvature)},
                        {"lens_ce", rounded_all(loop.lens_loss)},
                        {"lens_entropy", rounded_all(loop.lens_entropy)},
                        {"lens_kl_to_last", rounded_all(loop.lens_kl)},
                        {"lens_argmax_flip", loop.lens_flip},
                        {"lens_differs", loop.lens_differs}});
      }
      json.push_back({{"checkpoint", checkpoint.path},
                      {"group", group.group},
                      {"drift_to_loop", rounded_all(group.drift_to_loop)}});
    }
  }
  return json;
}

}  // namespace gyre
