#include "serve/responses_answer.hpp"

#include <utility>

#include "serve/ids.hpp"
#include "serve/logprobs.hpp"

namespace gyre::serve {
namespace {

bool is_message(const Json& item) { return item.at("type") == "message"; }

/// What the request said, or what holds without it.
Json said_or(const Json& asked, const char* name, const Json& otherwise) {
  const auto found = asked.find(name);
  return found == asked.end() || found->is_null() ? otherwise : *found;
}

void append(Json& text, const std::string& more) { text = fmt::format("{}{}", text.get<std::string>(), more); }

}  // namespace

ResponsesAnswer::ResponsesAnswer(const TextRequest& request, const ServedModel& model, Json asked, std::string id,
                                 std::int64_t created)
    : request_(request),
      model_(model),
      asked_(std::move(asked)),
      id_(std::move(id)),
      created_(created),
      reader_(request.reader) {}

Json ResponsesAnswer::event(const char* type) const { return {{"type", type}, {"sequence_number", 0}}; }

Json ResponsesAnswer::item_event(const char* type) const {
  Json made = event(type);
  made["item_id"] = output_.back().at("id");
  made["output_index"] = output_.size() - 1;
  if (is_message(output_.back())) made["content_index"] = 0;
  return made;
}

void ResponsesAnswer::number(Events& events) {
  for (Json& one : events) one["sequence_number"] = sequence_++;
}

std::vector<Json> ResponsesAnswer::opening() {
  Events events;
  for (const char* type : {"response.created", "response.in_progress"}) {
    events.push_back(event(type));
    events.back()["response"] = whole();
  }
  number(events);
  return events;
}

std::vector<Json> ResponsesAnswer::chunks(const ChoiceEvent& happened) {
  Events events;
  if (happened.token) {
    const GeneratedToken& token = *happened.token;
    if (!token.probabilities.empty()) logprobs_.push_back(chat_logprobs(model_, token.probabilities)["content"][0]);
    if (request_.token_details) append_logprobs(details_, depth_details(token.depth));
    if (reader_) {
      for (const ReplyPart& part : reader_->read(token.text)) add(part, events);
    } else {
      add({ReplyPart::Kind::text, token.text}, events);
    }
  }
  if (happened.end) {
    if (reader_) {
      for (const ReplyPart& part : reader_->finish()) add(part, events);
    }
    end_ = happened.end;
    const bool whole_text = end_->reason == StopReason::stop_text || end_->reason == StopReason::end_token;
    if (output_.empty()) open_message(events);
    close_item(events, whole_text ? "completed" : "incomplete");
    events.push_back(event(whole_text ? "response.completed" : "response.incomplete"));
    events.back()["response"] = whole();
  }
  number(events);
  return events;
}

void ResponsesAnswer::add(const ReplyPart& part, Events& events) {
  switch (part.kind) {
    case ReplyPart::Kind::text:
      add_text(part.text, events);
      break;
    case ReplyPart::Kind::call:
      open_call(part.text, events);
      break;
    case ReplyPart::Kind::arguments:
      add_arguments(part.text, events);
      break;
    case ReplyPart::Kind::call_end:
      close_item(events, "completed");
      break;
  }
}

void ResponsesAnswer::open_message(Events& events) {
  output_.push_back({{"id", new_id("msg_")},
                     {"type", "message"},
                     {"status", "in_progress"},
                     {"role", "assistant"},
                     {"content", Json::array()}});
  open_ = true;
  events.push_back(event("response.output_item.added"));
  events.back()["output_index"] = output_.size() - 1;
  events.back()["item"] = output_.back();
  output_.back()["content"].push_back(
      {{"type", "output_text"}, {"text", ""}, {"annotations", Json::array()}, {"logprobs", Json::array()}});
  events.push_back(item_event("response.content_part.added"));
  events.back()["part"] = output_.back()["content"][0];
}

void ResponsesAnswer::open_call(const std::string& name, Events& events) {
  close_item(events, "completed");
  output_.push_back({{"id", new_id("fc_")},
                     {"type", "function_call"},
                     {"status", "in_progress"},
                     {"call_id", new_id("call_")},
                     {"name", name},
                     {"arguments", ""}});
  open_ = true;
  events.push_back(event("response.output_item.added"));
  events.back()["output_index"] = output_.size() - 1;
  events.back()["item"] = output_.back();
}

void ResponsesAnswer::add_text(const std::string& text, Events& events) {
  if (text.empty()) return;
  if (!open_) open_message(events);
  Json& part = output_.back()["content"][0];
  append(part["text"], text);
  part["logprobs"].insert(part["logprobs"].end(), logprobs_.begin(), logprobs_.end());
  events.push_back(item_event("response.output_text.delta"));
  events.back()["delta"] = text;
  events.back()["logprobs"] = std::exchange(logprobs_, Json::array());
}

void ResponsesAnswer::add_arguments(const std::string& text, Events& events) {
  append(output_.back()["arguments"], text);
  events.push_back(item_event("response.function_call_arguments.delta"));
  events.back()["delta"] = text;
}

void ResponsesAnswer::close_item(Events& events, const char* status) {
  if (!open_) return;
  open_ = false;
  Json& item = output_.back();
  item["status"] = status;
  if (is_message(item)) {
    Json& part = item["content"][0];
    events.push_back(item_event("response.output_text.done"));
    events.back()["text"] = part["text"];
    events.back()["logprobs"] = part["logprobs"];
    events.push_back(item_event("response.content_part.done"));
    events.back()["part"] = part;
  } else {
    events.push_back(item_event("response.function_call_arguments.done"));
    events.back()["name"] = item["name"];
    events.back()["arguments"] = item["arguments"];
  }
  logprobs_ = Json::array();
  events.push_back(event("response.output_item.done"));
  events.back()["output_index"] = output_.size() - 1;
  events.back()["item"] = item;
}

Json ResponsesAnswer::failure(const ApiError& error) {
  Json json = error.to_json();
  Events events = {event("error")};
  for (const char* name : {"code", "message", "param"}) events.front()[name] = json["error"][name];
  events.front()["error"] = json["error"];  // where most clients look
  number(events);
  return events.front();
}

Json ResponsesAnswer::usage(const ChoiceEnd& end) const {
  const std::size_t prompt = request_.generation.prompts.front().size();
  return {{"input_tokens", prompt},
          {"input_tokens_details", {{"cached_tokens", end.cached}, {"cache_write_tokens", 0}}},
          {"output_tokens", end.tokens},
          {"output_tokens_details", {{"reasoning_tokens", 0}}},
          {"total_tokens", prompt + static_cast<std::size_t>(end.tokens)}};
}

Json ResponsesAnswer::whole() const {
  const Generation& wanted = request_.generation;
  const bool short_text = end_ && end_->reason != StopReason::stop_text && end_->reason != StopReason::end_token;
  Json json = {{"id", id_},
               {"object", "response"},
               {"created_at", created_},
               {"status", !end_        ? "in_progress"
                          : short_text ? "incomplete"
                                       : "completed"},
               {"background", false},
               {"error", nullptr},
               {"incomplete_details", short_text ? Json{{"reason", "max_output_tokens"}} : Json(nullptr)},
               {"instructions", said_or(asked_, "instructions", nullptr)},
               {"max_output_tokens", said_or(asked_, "max_output_tokens", nullptr)},
               {"model", model_.name},
               {"output", output_},
               {"parallel_tool_calls", said_or(asked_, "parallel_tool_calls", true)},
               {"previous_response_id", nullptr},
               {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
               {"store", false},
               {"temperature", wanted.sampling.temperature},
               {"text", said_or(asked_, "text", {{"format", {{"type", "text"}}}})},
               {"tool_choice", said_or(asked_, "tool_choice", "auto")},
               {"tools", said_or(asked_, "tools", Json::array())},
               {"top_logprobs", std::max(0, wanted.logprobs)},
               {"top_p", wanted.sampling.top_p},
               {"truncation", "disabled"},
               {"usage", end_ ? usage(*end_) : Json(nullptr)},
               {"user", said_or(asked_, "user", nullptr)},
               {"metadata", said_or(asked_, "metadata", Json::object())}};
  json["gyre"] = run_details(request_);
  if (!details_.is_null()) json["gyre"].update(Json{{"tokens", details_}});
  return json;
}

}  // namespace gyre::serve
