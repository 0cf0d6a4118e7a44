#include "cli/generate_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace gyre::cli {
namespace {

nlohmann::json sampling_json(const api::GenerateOptions& options) {
  nlohmann::json json = {{"temperature", options.temperature},
                         {"top_k", options.top_k},
                         {"top_p", options.top_p},
                         {"min_p", options.min_p},
                         {"repetition_penalty", options.repetition_penalty}};
  if (!options.logit_bias.empty()) json["logit_bias"] = options.logit_bias;
  return json;
}

double per(double count, int passes) { return count / std::max(1, passes); }

nlohmann::json draft_json(const std::string& draft, const api::Generation& result) {
  const auto& count = result.draft;
  const double verified = count.rounds > 0 ? (count.accepted + count.rounds) / static_cast<double>(count.rounds) : 0;
  return {{"draft", draft},
          {"rounds", count.rounds},
          {"drafted", count.drafted},
          {"accepted", count.accepted},
          {"plain_passes", count.plain},
          {"tokens_per_verifying_pass", verified},
          {"tokens_per_full_pass", per(static_cast<double>(result.tokens.size()), result.passes)}};
}

nlohmann::json diffusion_json(const std::string& diffuse, const api::Generation& result) {
  const auto& count = result.diffusion;
  return {{"diffuse", diffuse},
          {"steps", count.steps},
          {"positions_per_step", per(static_cast<double>(count.positions), count.steps)},
          {"tokens_per_step", per(static_cast<double>(result.tokens.size()), count.steps)}};
}

void add_prompt(const GenerateRequest& request, nlohmann::json& json) {
  if (request.messages_file.empty()) json["prompt"] = request.prompt;
  if (!request.messages_file.empty()) json["messages"] = request.messages_file;
  if (request.chat) json["chat"] = true;
  if (!request.system.empty()) json["system"] = request.system;
  if (!request.template_arguments.empty()) json["template_arguments"] = request.template_arguments;
}

}  // namespace

int looped_loops(const std::vector<int>& loops, const std::vector<int>& most) {
  int sum = 0;
  for (std::size_t g = 0; g < most.size(); ++g) sum += most[g] > 1 ? loops[g] : 0;
  return sum;
}

double milliseconds_per_token(const api::Generation& result) {
  const auto drafted = result.draft.rounds > 0;  // a pass may give several
  return result.decode_milliseconds / std::max(1, drafted ? static_cast<int>(result.tokens.size()) : result.passes);
}

nlohmann::json token_json(const api::GeneratedToken& token, const std::vector<int>& most, const api::Model& model) {
  nlohmann::json json = {{"token", token.token},
                         {"text", token.text},
                         {"loops", looped_loops(token.loops, most)},
                         {"group_loops", token.loops},
                         {"group_reasons", token.reasons},
                         {"milliseconds", token.milliseconds}};
  if (!token.loops_read.empty()) json["group_loops_read"] = token.loops_read;
  if (token.logprobs.empty()) return json;
  const auto of = [&](const api::TokenLogprob& one) {
    return nlohmann::json{{"token", one.token}, {"text", model.decode({&one.token, 1})}, {"logprob", one.logprob}};
  };
  nlohmann::json& own = json["probabilities"] = of(token.logprobs.front());
  own["top_logprobs"] = nlohmann::json::array();
  for (std::size_t i = 1; i < token.logprobs.size(); ++i) own["top_logprobs"].push_back(of(token.logprobs[i]));
  return json;
}

nlohmann::json result_json(const GenerateRequest& request, nlohmann::json provenance, const api::Generation& result,
                           const std::vector<int>& loops) {
  nlohmann::json json = std::move(provenance);
  const api::GenerateOptions& options = request.generate;
  add_flags(request.run, json);
  add_prompt(request, json);
  json["sampling"] = sampling_json(options);
  if (!options.stop.empty()) json["stop"] = options.stop;
  if (options.ignore_end) json["ignore_end"] = true;
  if (options.exit_prompt != "last") json["exit_prompt"] = options.exit_prompt;
  if (!options.draft.empty()) json["speculation"] = draft_json(options.draft, result);
  if (!request.sequence.diffuse.empty()) json["diffusion"] = diffusion_json(request.sequence.diffuse, result);
  json["text"] = result.text;
  json["stop_reason"] = result.stop_reason;
  if (!result.prompt_loops.empty()) {
    DepthSum prompt_depths;
    for (const std::vector<int>& depth : result.prompt_loops) prompt_depths.add(depth, loops);
    json["mean_loops_per_prompt_token"] = prompt_depths.mean();
  }
  json["prefill_milliseconds"] = result.prefill_milliseconds;
  json["milliseconds_per_token"] = milliseconds_per_token(result);
  return json;
}

}  // namespace gyre::cli
