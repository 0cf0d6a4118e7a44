#include "serve/native_answer.hpp"

namespace gyre::serve {
namespace {

/// Its sampling unless a request says otherwise.
struct NativeDefaults {
  double temperature = 0.8;
  double top_p = 0.95;
  double min_p = 0.05;
  int top_k = 40;
};

const char* stop_type(StopReason reason) {
  if (reason == StopReason::stop_text) return "word";
  return reason == StopReason::end_token ? "eos" : "limit";
}

}  // namespace

TextRequest read_native_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats) {
  const NativeDefaults usual;
  Json filled = json;
  const auto otherwise = [&](const char* name, const Json& value) {
    if (!filled.contains(name) || filled[name].is_null()) filled[name] = value;
  };
  otherwise("temperature", usual.temperature);
  otherwise("top_p", usual.top_p);
  otherwise("min_p", usual.min_p);
  otherwise("top_k", usual.top_k);
  constexpr int kMostTokens = 1 << 24;
  if (filled.contains("n_predict")) {
    Fields(filled, "").integer("n_predict", -1, kMostTokens);
    if (filled.contains("max_tokens")) throw bad_request("max_tokens", "max_tokens: n_predict says it already");
    filled["max_tokens"] = filled["n_predict"];
    filled.erase("n_predict");
  } else {
    otherwise("max_tokens", -1);
  }
  for (const char* name : {"n", "echo", "logprobs", "best_of", "stream_options"}) {
    if (filled.contains(name)) throw bad_request(name, "{}: there is no such field here; ask /v1/completions", name);
  }
  // Of Continue and the like, with values that change nothing.
  Fields extra(filled, "");
  extra.only("n_probs", {0});
  extra.only("n_keep", {0, -1});
  extra.only("return_tokens", {true, false});
  extra.ignore({"repeat_last_n"});
  for (const char* name : {"n_probs", "n_keep", "return_tokens", "repeat_last_n"}) filled.erase(name);
  TextRequest request = read_completion_request(filled, models, formats);
  if (request.token_details) {
    throw bad_request("gyre", "gyre.tokens, gyre.lens: there is no room for them in this form; ask /v1/completions");
  }
  if (request.generation.prompts.size() != 1) {
    throw bad_request("prompt", "prompt: several are for /v1/completions; give one");
  }
  return request;
}

std::vector<Json> NativeAnswer::chunks(const ChoiceEvent& event) {
  std::vector<Json> chunks;
  if (event.token && !event.token->text.empty()) {
    chunks.push_back(
        {{"index", 0}, {"content", event.token->text}, {"tokens", Json::array({event.token->token})}, {"stop", false}});
  }
  if (event.end) {
    end_ = event.end;
    chunks.push_back(last(""));
  }
  return chunks;
}

void NativeAnswer::collect(const ChoiceEvent& event) {
  if (event.token) {
    text_ += event.token->text;
    tokens_.push_back(event.token->token);
  }
  if (event.end) end_ = event.end;
}

Json NativeAnswer::last(const std::string& content) const {
  const Generation& wanted = request_.generation;
  const auto prompt = static_cast<int>(wanted.prompts.front().size());
  return {{"index", 0},
          {"content", content},
          {"tokens", tokens_},
          {"stop", true},
          {"stop_type", end_ ? stop_type(end_->reason) : "none"},
          {"model", model_.name},
          {"tokens_predicted", end_ ? end_->tokens : 0},
          {"tokens_evaluated", prompt},
          {"tokens_cached", end_ ? end_->cached : 0},
          {"truncated", false},
          {"generation_settings",
           {{"seed", wanted.sampling.seed},
            {"temperature", wanted.sampling.temperature},
            {"top_k", wanted.sampling.top_k},
            {"top_p", wanted.sampling.top_p},
            {"min_p", wanted.sampling.min_p},
            {"n_ctx", model_.context}}}};
}

}  // namespace gyre::serve
