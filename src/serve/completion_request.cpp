#include <utility>

#include "serve/request.hpp"

namespace gyre::serve {
namespace {

void add_prompt(const Json& prompt, const ServedModel& model, const std::string& field, TextRequest& request) {
  const bool text = prompt.is_string();
  if (!text && !prompt.is_array()) {
    throw bad_request(field, "{}: expected a text or a list of tokens, found {}", field, kind_of(prompt));
  }
  std::vector<std::int32_t> tokens =
      text ? model.encode_prompt(prompt.get_ref<const std::string&>(), field) : read_tokens(prompt, model, field);
  require_fits(tokens, model, field);
  if (request.echo) request.prompt_texts.push_back(text ? prompt.get<std::string>() : std::string());
  request.prompt_from_text.push_back(text);
  request.generation.prompts.push_back(std::move(tokens));
}

/// A text, a list of texts, a list of tokens, or a list of those.
void read_prompts(Fields& body, const ServedModel& model, TextRequest& request) {
  const Json* const prompt = body.find("prompt");
  if (prompt == nullptr) throw body.wrong("prompt", "it is missing; give a text, tokens, or a list of either");
  const bool single = !prompt->is_array() || prompt->empty() || prompt->front().is_number();
  if (single) {
    add_prompt(*prompt, model, "prompt", request);
    return;
  }
  if (prompt->size() > kRequestLimits.texts)
    throw body.wrong("prompt", "{} entries; {} are the most", prompt->size(), kRequestLimits.texts);
  for (std::size_t i = 0; i < prompt->size(); ++i)
    add_prompt((*prompt)[i], model, fmt::format("prompt[{}]", i), request);
}

int read_logprobs(Fields& body) {
  const Json* const value = body.find("logprobs");
  if (value != nullptr && value->is_boolean()) return value->get<bool>() ? 1 : -1;
  return static_cast<int>(body.integer("logprobs", 0, kRequestLimits.logprobs).value_or(-1));
}

}  // namespace

std::vector<std::int32_t> read_tokens(const Json& list, const ServedModel& model, const std::string& field) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool known =
        list[i].is_number_integer() && (!list[i].is_number_unsigned() || list[i].get<std::uint64_t>() < (1U << 31U));
    const std::int64_t token = known ? list[i].get<std::int64_t>() : -1;
    if (token < 0 || token >= model.vocabulary()) {
      throw bad_request(field, "{}[{}]: {} is no token of this model, which has 0 to {}", field, i,
                        dump(list[i]).substr(0, 40), model.vocabulary() - 1);
    }
    tokens.push_back(static_cast<std::int32_t>(token));
  }
  return tokens;
}

TextRequest read_completion_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats) {
  Fields body(json, "");
  TextRequest request;
  Generation& generation = request.generation;
  const ServedModel& model = read_shared_fields(body, models, formats, request);
  request.echo = body.boolean("echo").value_or(false);
  generation.logprobs = read_logprobs(body);
  if (request.echo) generation.prompt_logprobs = generation.logprobs;
  const auto tokens = body.integer("max_tokens", -1, kRequestLimits.tokens).value_or(16);
  generation.limits.tokens = static_cast<int>(tokens < 0 ? kRequestLimits.tokens : tokens);
  const auto best_of = body.integer("best_of", 1, 128);
  if (best_of && *best_of != generation.n) throw body.wrong("best_of", "it has to be n; all texts are sent");
  read_prompts(body, model, request);
  if (generation.choices() > kRequestLimits.texts) {
    throw body.wrong("n", "{} texts are wanted; {} are the most", generation.choices(), kRequestLimits.texts);
  }
  if (generation.prompt_logprobs >= 0) {
    if (request.own_exit && generation.exit) {
      throw body.wrong("echo", "a prompt is scored at full depth; leave out gyre.exit, or logprobs");
    }
    generation.exit.reset();
  }
  body.done();
  return request;
}

}  // namespace gyre::serve
