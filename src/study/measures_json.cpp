#include "study/measures_json.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "study/json_numbers.hpp"
#include "study/token_classes.hpp"

namespace gyre {
namespace {

constexpr std::size_t kClassedTokens = 8192;

const std::string& name_of_group(const ModelSpec& spec, std::size_t group) { return spec.groups[group].name; }

nlohmann::json matrix_json(const std::vector<std::vector<double>>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const std::vector<double>& row : rows) json.push_back(rounded_all(row));
  return json;
}

nlohmann::json medians_json(const std::vector<ByWindow>& all) {
  nlohmann::json json = nlohmann::json::array();
  for (const ByWindow& values : all) json.push_back(median_json(values));
  return json;
}

nlohmann::json endings_json(const std::vector<std::vector<Ending>>& windows) {
  std::map<std::string, int> periods;
  int fixed = 0;
  int moving = 0;
  int tokens = 0;
  for (const std::vector<Ending>& window : windows) {
    for (const Ending& ending : window) {
      ++tokens;
      if (ending.kind == Ending::Kind::fixed) ++fixed;
      if (ending.kind == Ending::Kind::moving) ++moving;
      if (ending.kind == Ending::Kind::cycle) ++periods[std::to_string(ending.period)];
    }
  }
  return {{"tokens", tokens}, {"fixed", fixed}, {"cycles", periods}, {"moving", moving}};
}

nlohmann::json reason(const std::string& why) { return why.empty() ? nlohmann::json(nullptr) : nlohmann::json(why); }

nlohmann::json attention_json(const AttentionEntropy& attention) {
  return {{"entropy", medians_json(attention.entropy)},
          {"normalised", medians_json(attention.normalised)},
          {"change", medians_json(attention.change)},
          {"head_change", medians_json(attention.head_change)}};
}

nlohmann::json group_probes_json(const GroupProbes& probes, const ModelSpec& spec) {
  return {{"group", probes.group},
          {"name", name_of_group(spec, static_cast<std::size_t>(probes.group))},
          {"floor", medians_json(probes.floor)},
          {"attention_entropy", attention_json(probes.attention)},
          {"further_loops", probes.further},
          {"fixed_point_residual", median_json(probes.residual)},
          {"endings", endings_json(probes.endings)},
          {"difference_width", rounded_all(probes.width)},
          {"lyapunov", medians_json(probes.exponents)},
          {"lyapunov_further", medians_json(probes.further_exponents)},
          {"growth", medians_json(probes.growth)},
          {"largest_singular_value", medians_json(probes.largest)},
          {"spectral_radius", median_json(probes.spectral_radius)},
          {"no_differences", reason(probes.no_differences)},
          {"no_jacobians", reason(probes.no_jacobians)},
          {"basin_spread", median_json(probes.basin_spread)},
          {"basin_vote", median_json(probes.basin_vote)}};
}

/// The measures that classes are compared by: those at the last loop, and what halfway there the lens still lacks.
std::vector<std::pair<std::string, const std::vector<double>*>> main_measures(const GroupMeasures& group) {
  std::vector<std::pair<std::string, const std::vector<double>*>> measures;
  const LoopMeasures& last = group.loops.back();
  measures.emplace_back("relative_step", &last.relative_step);
  if (group.loops.size() > 1) {
    measures.emplace_back("cosine", &last.cosine);
    measures.emplace_back("contraction", &last.contraction);
    measures.emplace_back("lens_kl_halfway", &group.loops[group.loops.size() / 2 - 1].lens_kl);
  }
  if (!group.drift_to_loop.empty()) measures.emplace_back("drift_to_loop", &group.drift_to_loop);
  return measures;
}

nlohmann::json class_json(const TokenClass& one, const Dynamics& dynamics, const ModelSpec& spec) {
  nlohmann::json groups = nlohmann::json::array();
  for (const GroupMeasures& group : dynamics.groups) {
    nlohmann::json json = {{"group", group.group},
                           {"name", name_of_group(spec, static_cast<std::size_t>(group.group))}};
    for (const auto& [name, values] : main_measures(group)) {
      json[name] = median_json(values_by_window(*values, one.tokens, dynamics.windows));
    }
    groups.push_back(std::move(json));
  }
  return {{"by", one.by},
          {"name", one.name},
          {"tokens", one.tokens.size()},
          {"loss", median_json(values_by_window(dynamics.losses, one.tokens, dynamics.windows))},
          {"groups", std::move(groups)}};
}

}  // namespace

nlohmann::json geometry_json(const Dynamics& dynamics, const ModelSpec& spec) {
  if (!dynamics.geometry) return nullptr;
  const Geometry& geometry = *dynamics.geometry;
  nlohmann::json groups = nlohmann::json::array();
  for (const GroupGeometry& group : geometry.groups) {
    nlohmann::json loops = nlohmann::json::array();
    for (std::size_t k = 0; k < group.loops.size(); ++k) {
      const LoopGeometry& loop = group.loops[k];
      loops.push_back({{"loop", k},
                       {"effective_rank", rounded(loop.effective_rank)},
                       {"spectrum_decay", rounded(loop.spectrum_decay)},
                       {"two_nn_dimension", rounded(loop.two_nn_dimension)},
                       {"likelihood_dimension", rounded(loop.likelihood_dimension)}});
    }
    groups.push_back({{"group", group.group},
                      {"name", name_of_group(spec, static_cast<std::size_t>(group.group))},
                      {"loops", std::move(loops)},
                      {"cka", matrix_json(group.cka)}});
  }
  return {{"points", geometry.points},
          {"cka_points", geometry.cka_points},
          {"groups", std::move(groups)},
          {"groups_cka", matrix_json(geometry.groups_cka)}};
}

nlohmann::json probes_json(const Dynamics& dynamics, const ModelSpec& spec) {
  if (!dynamics.probes) return nullptr;
  nlohmann::json groups = nlohmann::json::array();
  for (const GroupProbes& group : dynamics.probes->groups) groups.push_back(group_probes_json(group, spec));
  return {{"windows", dynamics.probes->windows}, {"tokens", dynamics.probes->tokens}, {"groups", std::move(groups)}};
}

nlohmann::json classes_json(const Dynamics& dynamics, const ModelSpec& spec, const Tokenizer& tokenizer) {
  if (dynamics.losses.empty() || dynamics.windows.empty()) return nullptr;
  nlohmann::json json = nlohmann::json::array();
  for (const TokenClass& one : token_classes(dynamics, tokenizer, kClassedTokens)) {
    json.push_back(class_json(one, dynamics, spec));
  }
  return json;
}

}  // namespace gyre
