#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "serve/fields.hpp"
#include "serve/format_cache.hpp"
#include "serve/generation.hpp"
#include "serve/reply_reader.hpp"
#include "serve/served_model.hpp"
#include "serve/tools.hpp"

namespace gyre::serve {

/// What a request may ask for at most.
struct RequestLimits {
  std::size_t texts = 2048;  ///< prompts times n
  std::size_t stops = 64;
  std::size_t stop_bytes = 1024;
  int logprobs = 100;
  int lens = 20;
  std::int64_t tokens = 1 << 24;
  int loops = 64;       ///< of a group, or
  int loops_times = 4;  ///< so many times its own, whichever is more
};
inline constexpr RequestLimits kRequestLimits;

/// A request for texts: what the engine is to do, and how the answer is to look.
struct TextRequest {
  Generation generation;
  bool stream = false;
  bool stream_usage = false;                   ///< a last chunk tells how many tokens there were
  bool echo = false;                           ///< the answer begins with the prompt
  bool token_details = false;                  ///< gyre.tokens: loops and reasons of every token; with gyre.lens too
  bool own_exit = false;                       ///< the request chose the exit rule
  std::vector<std::string> prompt_texts = {};  ///< of an echo, where they came as texts
  std::vector<bool> prompt_from_text = {};     ///< of each, whether it came as text, so that what begins every text of
                                               ///< the model was put before it
  std::optional<ReplyReader> reader = {};      ///< where functions may be called: a copy for each text
};

/// The served model that "model" names; without one, the only one there is. Throws ApiError.
std::size_t model_of(Fields& body, std::span<const ServedModel> models);

/// The fields that all APIs share: the model, which is given back, sampling, stop texts, seed, stream, and those under
/// "gyre".
const ServedModel& read_shared_fields(Fields& body, std::span<const ServedModel> models, FormatCache& formats,
                                      TextRequest& request);

/// What the texts have to be, in any of the ways in which clients say it: response_format (json_object, json_schema),
/// json_schema, guided_choice, guided_regex, guided_json, structured_outputs. Read behind the end tokens.
void read_format(Fields& body, FormatCache& formats, TextRequest& request);

/// The same, as "format" of Responses' "text" says it.
void read_text_format(Fields& text, FormatCache& formats, TextRequest& request);

/// What a message says: a text itself, or the texts of a list of parts of these kinds. Throws ApiError about `field`.
std::string read_content(const Json& content, const std::string& field, std::initializer_list<std::string_view> kinds);

/// Of /v1/completions.
TextRequest read_completion_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats);

/// Of /v1/chat/completions.
TextRequest read_chat_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats);

/// What a chat template is given: messages in any of the forms that clients send, and what else belongs to them.
Conversation read_chat(Fields& body);

/// The end of a request whose other fields have been read: the functions that it offers (what its template is given of
/// them, what the model may write, and how that is read), and the conversation, which stands in `field`, as its prompt.
void finish_chat(Fields& body, ToolStyle style, const ServedModel& model, FormatCache& formats, TextRequest& request,
                 Conversation conversation, const char* field);

/// A list of tokens of the model. Throws ApiError about `field`.
std::vector<std::int32_t> read_tokens(const Json& list, const ServedModel& model, const std::string& field);

/// Throws ApiError unless there is room for the prompt, and for one token behind it.
void require_fits(std::span<const std::int32_t> prompt, const ServedModel& model, const std::string& field);

}  // namespace gyre::serve
