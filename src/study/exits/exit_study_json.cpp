#include <cmath>
#include <numeric>

#include "study/exits/exit_study_files.hpp"
#include "study/statistics_json.hpp"

namespace gyre {
namespace {

constexpr ExitCost kAllCosts[] = {ExitCost::cross_entropy, ExitCost::kl, ExitCost::disagreement};

/// What stands beside the points of one study, and the resamples that all of them share.
class Writer {
 public:
  explicit Writer(const ExitStudy& study) : study_(study), bootstrap_(study.units), constants_(study.constant_sums()) {
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      std::vector<UnitSums> constants;
      for (const ConstantDepth& constant : study.constants) constants.push_back(constant.tasks[t]);
      tasks_.push_back({Bootstrap(study.tasks[t].items), std::move(constants)});
    }
  }

  [[nodiscard]] nlohmann::json sums(const UnitSums& sums) const {
    nlohmann::json json;
    for (const ExitCost cost : kAllCosts) {
      json[std::string(name_of(cost))] = estimate_json(bootstrap_.ratio(costs_of(sums, cost), sums.tokens));
    }
    json["loops_per_token"] = per_token(sums.loops, sums);
    json["layer_runs_per_token"] = per_token(sums.layer_runs, sums);
    return json;
  }

  [[nodiscard]] nlohmann::json point(const ExitPoint& point) const {
    nlohmann::json json = sums(point.sums);
    json["rule"] = point.rule;
    json["threshold"] = point.threshold ? nlohmann::json(*point.threshold) : nlohmann::json(nullptr);
    json["time"] = time(point.time);
    json["minus"] = minus(point);
    json["dealt_over_all"] = sums_brief(point.dealt);
    json["dealt_within_units"] = sums_brief(point.dealt_within);
    if (!tasks_.empty()) json["tasks"] = task_points(point.tasks);
    if (point.free && point.free_dealt) json["free_running"] = free_point(*point.free, *point.free_dealt);
    return json;
  }

  [[nodiscard]] nlohmann::json front(const ExitFront& front) const {
    nlohmann::json recorded = nlohmann::json::array();
    for (const RecordedThreshold& one : front.recorded) {
      recorded.push_back({{"threshold", one.threshold}, {"loops_per_token", one.loops_per_token}});
    }
    nlohmann::json points = nlohmann::json::array();
    std::vector<UnitSums> sums;
    for (const ExitPoint& one : front.points) {
      points.push_back(point(one));
      sums.push_back(one.sums);
    }
    nlohmann::json above;
    for (const ExitCost cost : kAllCosts) {
      above[std::string(name_of(cost))] = difference_json(front_difference(bootstrap_, sums, constants_, cost));
    }
    return {{"rule", front.rule},
            {"threshold_key", front.key.empty() ? nlohmann::json(nullptr) : nlohmann::json(front.key)},
            {"recorded_at_full_depth", std::move(recorded)},
            {"points", std::move(points)},
            {"task_fronts_minus_constants", task_fronts(front.points)},
            {"front_minus_constants", std::move(above)}};
  }

  [[nodiscard]] nlohmann::json constant(const ConstantDepth& constant) const {
    nlohmann::json json = sums(constant.sums);
    json["loops"] = constant.loops;
    json["time"] = time(constant.time);
    json["minus_full_depth"] = differences(constant.sums, study_.constants.back().sums);
    if (!tasks_.empty()) json["tasks"] = task_constants(constant.tasks);
    if (constant.free) json["free_running"] = free_sums(constant.free->sums);
    return json;
  }

  [[nodiscard]] nlohmann::json oracle(const OracleDepth& oracle) const {
    nlohmann::json json = sums(oracle.sums);
    json["name"] = oracle.name;
    json["depths"] = oracle.what;
    json["cross_entropy_of_the_depths_it_picks"] = oracle.promised;
    json["minus_full_depth"] = differences(oracle.sums, study_.constants.back().sums);
    return json;
  }

 private:
  static nlohmann::json time(const std::optional<ExitTime>& time) {
    if (!time) return nullptr;
    return {{"milliseconds_per_token", time->milliseconds_per_token}, {"of_full_depth", time->of_full_depth}};
  }

  [[nodiscard]] static nlohmann::json sums_brief(const UnitSums& sums) {
    nlohmann::json json;
    for (const ExitCost cost : kAllCosts) json[std::string(name_of(cost))] = per_token(costs_of(sums, cost), sums);
    json["loops_per_token"] = per_token(sums.loops, sums);
    return json;
  }

  [[nodiscard]] nlohmann::json differences(const UnitSums& trial, const UnitSums& control) const {
    nlohmann::json json;
    for (const ExitCost cost : kAllCosts) {
      json[std::string(name_of(cost))] = difference_json(cost_difference(bootstrap_, trial, control, cost));
    }
    return json;
  }

  [[nodiscard]] nlohmann::json minus(const ExitPoint& point) const {
    nlohmann::json constants;
    for (const ExitCost cost : kAllCosts) {
      constants[std::string(name_of(cost))] =
          difference_json(cost_above_constants(bootstrap_, point.sums, constants_, cost));
    }
    return {{"dealt_over_all", differences(point.sums, point.dealt)},
            {"dealt_within_units", differences(point.sums, point.dealt_within)},
            {"constants_at_its_loops", std::move(constants)},
            {"best_constant", differences(point.sums, study_.constants[study_.best].sums)},
            {"full_depth", differences(point.sums, study_.constants.back().sums)}};
  }

  [[nodiscard]] nlohmann::json free_sums(const UnitSums& sums) const {
    return {{"disagreement", estimate_json(bootstrap_.ratio(sums.disagreement, sums.tokens))},
            {"loops_per_token", per_token(sums.loops, sums)}};
  }

  [[nodiscard]] nlohmann::json free_point(const FreeRun& free, const FreeRun& dealt) const {
    std::vector<UnitSums> constants;
    for (const ConstantDepth& constant : study_.constants) {
      if (constant.free) constants.push_back(constant.free->sums);
    }
    constexpr ExitCost kCost = ExitCost::disagreement;
    nlohmann::json json = free_sums(free.sums);
    json["minus_dealt"] = difference_json(cost_difference(bootstrap_, free.sums, dealt.sums, kCost));
    json["minus_constants_at_its_loops"] =
        difference_json(cost_above_constants(bootstrap_, free.sums, constants, kCost));
    return json;
  }

  /// Of one task: its resamples, and what constant depths made of it.
  struct TaskControls {
    Bootstrap bootstrap;
    std::vector<UnitSums> constants;
  };

  static nlohmann::json task_sums(const TaskControls& task, const UnitSums& sums) {
    std::vector<double> right = sums.items;
    for (std::size_t i = 0; i < right.size(); ++i) right[i] -= sums.errors[i];
    return {{"accuracy", estimate_json(task.bootstrap.ratio(right, sums.items))},
            {"error", estimate_json(task.bootstrap.ratio(sums.errors, sums.items))},
            {"loops_per_token", per_token(sums.loops, sums)},
            {"layer_runs_per_token", per_token(sums.layer_runs, sums)}};
  }

  static nlohmann::json error_json(const Estimate& difference) { return {{"error", difference_json(difference)}}; }

  [[nodiscard]] nlohmann::json task_constants(const std::vector<UnitSums>& tasks) const {
    nlohmann::json json = nlohmann::json::array();
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      json.push_back(task_sums(tasks_[t], tasks[t]));
      json.back()["minus_full_depth"] =
          error_json(cost_difference(tasks_[t].bootstrap, tasks[t], tasks_[t].constants.back(), ExitCost::error));
    }
    return json;
  }

  [[nodiscard]] nlohmann::json task_points(const std::vector<TaskPoint>& tasks) const {
    nlohmann::json json = nlohmann::json::array();
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const auto& [bootstrap, constants] = tasks_[t];
      const UnitSums& sums = tasks[t].sums;
      const auto minus = [&, &own = bootstrap](const UnitSums& control) {
        return error_json(cost_difference(own, sums, control, ExitCost::error));
      };
      json.push_back(task_sums(tasks_[t], sums));
      json.back()["minus"] = {
          {"dealt", minus(tasks[t].dealt)},
          {"constants_at_its_loops", error_json(cost_above_constants(bootstrap, sums, constants, ExitCost::error))},
          {"full_depth", minus(constants.back())}};
      json.back()["dealt"] = {{"error", cost_of(tasks[t].dealt)},
                              {"loops_per_token", per_token(tasks[t].dealt.loops, tasks[t].dealt)}};
    }
    return json;
  }

  static double cost_of(const UnitSums& sums) {
    return std::accumulate(sums.errors.begin(), sums.errors.end(), 0.0) / static_cast<double>(sums.items.size());
  }

  [[nodiscard]] nlohmann::json task_fronts(const std::vector<ExitPoint>& points) const {
    nlohmann::json json = nlohmann::json::array();
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      std::vector<UnitSums> sums;
      for (const ExitPoint& point : points) sums.push_back(point.tasks[t].sums);
      json.push_back(error_json(front_difference(tasks_[t].bootstrap, sums, tasks_[t].constants, ExitCost::error)));
    }
    return json;
  }

  const ExitStudy& study_;
  Bootstrap bootstrap_;
  std::vector<UnitSums> constants_;
  std::vector<TaskControls> tasks_;
};

}  // namespace

nlohmann::json exit_study_json(const ExitStudy& study) {
  const Writer writer(study);
  nlohmann::json constants = nlohmann::json::array();
  for (const ConstantDepth& one : study.constants) constants.push_back(writer.constant(one));
  nlohmann::json fronts = nlohmann::json::array();
  for (const ExitFront& one : study.fronts) fronts.push_back(writer.front(one));
  nlohmann::json oracles = nlohmann::json::array();
  for (const OracleDepth& one : study.oracles) oracles.push_back(writer.oracle(one));
  nlohmann::json tasks = nlohmann::json::array();
  for (const StudiedTask& task : study.tasks) {
    tasks.push_back({{"task", task.name}, {"data", task.file}, {"measure", task.measure}, {"items", task.items}});
  }
  return {{"units", study.units},
          {"tasks", std::move(tasks)},
          {"unit", study.of_documents ? "document" : "window"},
          {"tokens", study.tokens},
          {"best_constant", study.constants[study.best].loops},
          {"constants", std::move(constants)},
          {"fronts", std::move(fronts)},
          {"oracles", std::move(oracles)}};
}

}  // namespace gyre
