#include "serve/text_answer.hpp"

#include "serve/ids.hpp"
#include "serve/lens_json.hpp"
#include "serve/logprobs.hpp"

namespace gyre::serve {
namespace {

/// Adds what a stream sends of calls to the calls themselves.
void append_calls(Json& calls, const Json& more) {
  for (const Json& one : more) {
    if (one.contains("id")) {
      calls.push_back(one);
      calls.back().erase("index");
    } else {
      Json& arguments = calls.at(one.at("index").get<std::size_t>()).at("function").at("arguments");
      arguments = arguments.get<std::string>() + one.at("function").at("arguments").get<std::string>();
    }
  }
}

}  // namespace

Json depth_details(const TokenDepth& depth) {
  Json reasons = Json::array();
  for (const std::string_view reason : depth.reasons) reasons.push_back(reason);
  return {{"loops", Json::array({depth.loops})}, {"reasons", Json::array({std::move(reasons)})}};
}

Json run_details(const TextRequest& request) {
  const Generation& wanted = request.generation;
  Json json = {
      {"seed", wanted.sampling.seed}, {"noise_seed", wanted.noise_seed}, {"loops", wanted.loops}, {"exit", "fixed"}};
  json["kv"] = name_of(wanted.kv);
  // The server's own rule may name a file.
  if (wanted.exit) json["exit"] = request.own_exit ? wanted.exit->text : "the server's";
  return json;
}

TextAnswer::TextAnswer(const TextRequest& request, const ServedModel& model, Form form, std::string id,
                       std::int64_t created)
    : request_(request),
      model_(model),
      form_(form),
      id_(std::move(id)),
      created_(created),
      choices_(request.generation.choices()) {
  for (Choice& choice : choices_) choice.reader = request.reader;
}

Json TextAnswer::envelope(const char* object) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_},
          {"model", model_.name},
          {"system_fingerprint", model_.fingerprint()}};
}

/// The prompt, as the beginning of the answer. Its tokens stand where they begin in the text that was sent: what begins
/// every text of a model takes no room, nor does a space that a tokenizer puts in front.
void TextAnswer::add_prompt(std::size_t number, const std::vector<std::vector<TokenProbability>>* scores,
                            Piece& piece) {
  const Generation& wanted = request_.generation;
  const std::size_t prompt = number / static_cast<std::size_t>(wanted.n);
  const std::vector<std::int32_t>& tokens = wanted.prompts[prompt];
  const bool from_text = request_.prompt_from_text[prompt];
  const std::size_t before = from_text ? model_.tokenizer().prefix_tokens().size() : 0;
  StreamDecoder decoder(model_.tokenizer());
  std::vector<std::size_t> offsets;
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    offsets.push_back(count_characters(text));
    if (i >= before) text += decoder.push(tokens[i]);
  }
  text += decoder.flush();
  const bool spaced = from_text && text.size() == request_.prompt_texts[prompt].size() + 1 && text.starts_with(' ');
  piece.text = from_text ? request_.prompt_texts[prompt] : text;
  choices_[number].offset = count_characters(piece.text);
  choices_[number].echoed = true;
  if (scores == nullptr) return;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t offset = spaced && offsets[i] > 0 ? offsets[i] - 1 : offsets[i];
    append_logprobs(piece.logprobs, completion_logprobs(model_, tokens[i], offset, (*scores)[i]));
  }
}

void TextAnswer::add_token(std::size_t number, const GeneratedToken& token, Piece& piece) {
  Choice& choice = choices_[number];
  if (choice.reader) {
    add_parts(*choice.reader, choice.reader->read(token.text), piece);
  } else {
    piece.text += token.text;
  }
  if (!token.probabilities.empty()) {
    append_logprobs(piece.logprobs, form_ == Form::chat
                                        ? chat_logprobs(model_, token.probabilities)
                                        : completion_logprobs(model_, token.token, choice.offset, token.probabilities));
  }
  choice.offset += count_characters(token.text);
  if (request_.token_details) piece.details = depth_details(token.depth);
  if (request_.generation.lens > 0) piece.details["lens"] = Json::array({lens_json(model_, token.lens)});
}

void TextAnswer::add_parts(const ReplyReader& reader, const std::vector<ReplyPart>& parts, Piece& piece) {
  std::size_t calls = reader.calls();
  for (const ReplyPart& part : parts) calls -= part.kind == ReplyPart::Kind::call ? 1 : 0;
  for (const ReplyPart& part : parts) {
    if (part.kind == ReplyPart::Kind::text) {
      piece.text += part.text;
    } else if (part.kind == ReplyPart::Kind::call) {
      piece.calls.push_back({{"index", calls++},
                             {"id", new_id("call_")},
                             {"type", "function"},
                             {"function", {{"name", part.text}, {"arguments", ""}}}});
    } else if (part.kind == ReplyPart::Kind::arguments) {
      piece.calls.push_back({{"index", calls - 1}, {"function", {{"arguments", part.text}}}});
    }
  }
}

const char* TextAnswer::finish_reason(std::size_t number, const ChoiceEnd& end) const {
  if (end.reason != StopReason::stop_text && end.reason != StopReason::end_token) return "length";
  const std::optional<ReplyReader>& reader = choices_[number].reader;
  return reader && reader->calls() > 0 ? "tool_calls" : "stop";
}

TextAnswer::Piece TextAnswer::piece_of(const ChoiceEvent& event) {
  Piece piece;
  if (request_.echo && !choices_[event.choice].echoed) {
    add_prompt(event.choice, event.prompt.empty() ? nullptr : &event.prompt, piece);
  }
  if (event.token) add_token(event.choice, *event.token, piece);
  if (event.end) {
    if (std::optional<ReplyReader>& reader = choices_[event.choice].reader) {
      add_parts(*reader, reader->finish(), piece);
    }
    piece.end = event.end;
    ++ended_;
    tokens_ += event.end->tokens;
    if (event.choice % static_cast<std::size_t>(request_.generation.n) == 0) cached_ += event.end->cached;
  }
  return piece;
}

Json TextAnswer::chunk(std::size_t number, Json delta, const Piece& piece) const {
  Json choice = {{"index", number}};
  if (form_ == Form::chat) {
    choice["delta"] = std::move(delta);
  } else {
    choice["text"] = std::move(delta);
  }
  choice["logprobs"] = piece.logprobs;
  choice["finish_reason"] = piece.end ? Json(finish_reason(number, *piece.end)) : Json(nullptr);
  if (!piece.details.is_null()) choice["gyre"] = piece.details;
  Json json = envelope(form_ == Form::chat ? "chat.completion.chunk" : "text_completion");
  json["choices"] = Json::array({std::move(choice)});
  if (request_.stream_usage) json["usage"] = nullptr;
  if (piece.end) json["gyre"] = run_details(request_);
  return json;
}

std::vector<Json> TextAnswer::opening() {
  std::vector<Json> chunks;
  for (std::size_t number = 0; number < choices_.size() && form_ == Form::chat; ++number) {
    chunks.push_back(chunk(number, {{"role", "assistant"}, {"content", ""}}, {}));
  }
  return chunks;
}

std::vector<Json> TextAnswer::chunks(const ChoiceEvent& event) {
  Piece piece = piece_of(event);
  const std::optional<ChoiceEnd> end = std::exchange(piece.end, {});
  std::vector<Json> chunks;
  const bool says_something = !piece.text.empty() || !piece.logprobs.is_null() || !piece.details.is_null();
  if (says_something) {
    Json delta = form_ == Form::chat ? Json{{"content", piece.text}} : Json(piece.text);
    chunks.push_back(chunk(event.choice, std::move(delta), piece));
  }
  for (Json& call : piece.calls) {
    chunks.push_back(chunk(event.choice, {{"tool_calls", Json::array({std::move(call)})}}, {}));
  }
  if (end) {
    Piece last;
    last.end = end;
    chunks.push_back(chunk(event.choice, form_ == Form::chat ? Json::object() : Json(""), last));
  }
  return chunks;
}

std::vector<std::string> TextAnswer::closing() const {
  std::vector<std::string> lines;
  if (request_.stream_usage) {
    Json json = envelope(form_ == Form::chat ? "chat.completion.chunk" : "text_completion");
    json["choices"] = Json::array();
    json["usage"] = usage();
    lines.push_back(dump(json));
  }
  lines.emplace_back("[DONE]");
  return lines;
}

void TextAnswer::collect(const ChoiceEvent& event) {
  const Piece piece = piece_of(event);
  Piece& all = choices_[event.choice].all;
  all.text += piece.text;
  append_calls(all.calls, piece.calls);
  if (!piece.logprobs.is_null()) append_logprobs(all.logprobs, piece.logprobs);
  if (!piece.details.is_null()) append_logprobs(all.details, piece.details);
  if (piece.end) all.end = piece.end;
}

Json TextAnswer::usage() const {
  std::size_t prompt = 0;
  for (const std::vector<std::int32_t>& tokens : request_.generation.prompts) prompt += tokens.size();
  return {{"prompt_tokens", prompt},
          {"completion_tokens", tokens_},
          {"total_tokens", prompt + static_cast<std::size_t>(tokens_)},
          {"prompt_tokens_details", {{"cached_tokens", cached_}}}};
}

Json TextAnswer::message_of(const Piece& all) const {
  const bool calls_alone = all.text.empty() && !all.calls.empty();
  Json message = {
      {"role", "assistant"}, {"content", calls_alone ? Json(nullptr) : Json(all.text)}, {"refusal", nullptr}};
  if (!all.calls.empty()) message["tool_calls"] = all.calls;
  return message;
}

Json TextAnswer::whole() const {
  Json json = envelope(form_ == Form::chat ? "chat.completion" : "text_completion");
  json["choices"] = Json::array();
  for (std::size_t number = 0; number < choices_.size(); ++number) {
    const Piece& all = choices_[number].all;
    Json choice = {{"index", number}};
    if (form_ == Form::chat) {
      choice["message"] = message_of(all);
    } else {
      choice["text"] = all.text;
    }
    choice["logprobs"] = all.logprobs;
    choice["finish_reason"] = all.end ? Json(finish_reason(number, *all.end)) : Json(nullptr);
    if (!all.details.is_null()) choice["gyre"] = all.details;
    json["choices"].push_back(std::move(choice));
  }
  json["usage"] = usage();
  json["gyre"] = run_details(request_);
  return json;
}

}  // namespace gyre::serve
