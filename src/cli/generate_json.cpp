#include "cli/generate_json.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gyre::cli {
namespace {

nlohmann::json sampling_json(const SamplingOptions& sampling) {
  nlohmann::json json = {{"temperature", sampling.temperature},
                         {"top_k", sampling.top_k},
                         {"top_p", sampling.top_p},
                         {"min_p", sampling.min_p},
                         {"repetition_penalty", sampling.repetition_penalty}};
  if (!sampling.bias.empty()) json["logit_bias"] = sampling.bias;
  return json;
}

nlohmann::json draft_json(const GenerateRequest& request, const Generation& result) {
  const DraftCount& count = result.draft;
  const double verified = count.rounds > 0 ? (count.accepted + count.rounds) / static_cast<double>(count.rounds) : 0;
  return {{"draft", request.draft},
          {"rounds", count.rounds},
          {"drafted", count.drafted},
          {"accepted", count.accepted},
          {"plain_passes", count.plain},
          {"tokens_per_verifying_pass", verified},
          {"tokens_per_full_pass", static_cast<double>(result.tokens.size()) / std::max(1, result.decode_passes)}};
}

nlohmann::json chat_json(const GenerateRequest& request) {
  nlohmann::json json = {{"template_arguments", request.template_arguments}};
  if (!request.system.empty()) json["system"] = request.system;
  if (!request.messages_file.empty()) json["messages"] = request.messages_file;
  return json;
}

}  // namespace

int looped_loops(const std::vector<int>& loops, const std::vector<int>& most) {
  int sum = 0;
  for (std::size_t g = 0; g < most.size(); ++g) sum += most[g] > 1 ? loops[g] : 0;
  return sum;
}

double milliseconds_per_token(const Generation& result) {
  const auto drafted = result.draft.rounds > 0;  // a pass may give several
  return result.decode_milliseconds /
         std::max(1, drafted ? static_cast<int>(result.tokens.size()) : result.decode_passes);
}

nlohmann::json token_json(const GeneratedToken& token, const std::vector<int>& most) {
  nlohmann::json json = {{"token", token.token},
                         {"text", token.text},
                         {"loops", looped_loops(token.depth.loops, most)},
                         {"group_loops", token.depth.loops},
                         {"group_reasons", token.depth.reasons},
                         {"milliseconds", token.milliseconds}};
  if (!token.depth.read.empty()) json["group_loops_read"] = token.depth.read;
  return json;
}

nlohmann::json probabilities_json(const GeneratedToken& token, const Tokenizer& tokenizer) {
  const auto of = [&](const TokenProbability& one) {
    return nlohmann::json{{"token", one.token},
                          {"text", tokenizer.decode(std::vector<std::int32_t>{one.token})},
                          {"logprob", one.log_probability}};
  };
  nlohmann::json json = of(token.probabilities.front());
  json["top_logprobs"] = nlohmann::json::array();
  for (std::size_t i = 1; i < token.probabilities.size(); ++i)
    json["top_logprobs"].push_back(of(token.probabilities[i]));
  return json;
}

nlohmann::json result_json(const GenerateRequest& request, const Model& model, const Generation& result,
                           const std::vector<int>& loops) {
  nlohmann::json json = provenance(request.run, model);
  json["exit"] = request.exit;
  json["sampling"] = sampling_json(request.generate.sampling);
  json["context"] = context_of(request.context, model.spec());
  if (!request.generate.stops.empty()) json["stop"] = request.generate.stops;
  if (request.ignore_end) json["ignore_end"] = true;
  if (request.chat || !request.messages_file.empty()) json["chat"] = chat_json(request);
  if (request.messages_file.empty()) json["prompt"] = request.prompt;
  if (!request.messages_file.empty()) json["messages"] = request.messages_file;
  if (request.chat) json["chat"] = true;
  if (!request.system.empty()) json["system"] = request.system;
  if (!request.template_arguments.empty()) json["template_arguments"] = request.template_arguments;
  json["text"] = result.text;
  json["stop_reason"] = name_of(result.reason);
  if (!request.diffusion.empty()) {
    const Diffuser::Count& count = result.diffusion;
    json["diffusion"] = {{"diffuse", request.diffusion},
                         {"steps", count.steps},
                         {"positions_per_step", static_cast<double>(count.positions) / std::max(1, count.steps)},
                         {"tokens_per_step", static_cast<double>(result.tokens.size()) / std::max(1, count.steps)}};
  }
  if (!request.draft.empty()) json["speculation"] = draft_json(request, result);
  if (request.whole_prompt) json["whole_prompt"] = true;
  if (request.exit_prompt != "last") json["exit_prompt"] = request.exit_prompt;
  if (!result.prompt_depths.empty()) {
    DepthSum prompt_depths;
    for (const TokenDepth& depth : result.prompt_depths) prompt_depths.add(depth, loops);
    json["mean_loops_per_prompt_token"] = prompt_depths.mean();
  }
  json["prefill_milliseconds"] = result.prefill_milliseconds;
  json["milliseconds_per_token"] = milliseconds_per_token(result);
  return json;
}

}  // namespace gyre::cli
