#include "serve/lens_json.hpp"

namespace gyre::serve {
namespace {

Json group_json(const ServedModel& model, const GroupLens& lens) {
  Json accelerations = Json::array({nullptr});  // the first loop has no step before it
  for (const float value : lens.accelerations) accelerations.push_back(value);
  Json drawn = Json::array();
  Json words = Json::array();
  for (const std::vector<TokenProbability>& after : lens.words) {
    drawn.push_back(after.front().log_probability);
    Json likeliest = Json::array();
    for (const TokenProbability& one : std::span(after).subspan(1)) {
      likeliest.push_back({{"token", model.piece(one.token)}, {"id", one.token}, {"logprob", one.log_probability}});
    }
    words.push_back(std::move(likeliest));
  }
  return {{"group", model.spec().groups[static_cast<std::size_t>(lens.group)].name},
          {"state", lens.state_norms},
          {"step", lens.step_norms},
          {"acceleration", std::move(accelerations)},
          {"drawn", std::move(drawn)},
          {"words", std::move(words)}};
}

}  // namespace

Json lens_json(const ServedModel& model, const TokenLens& lens) {
  Json groups = Json::array();
  for (const GroupLens& group : lens) groups.push_back(group_json(model, group));
  return groups;
}

}  // namespace gyre::serve
