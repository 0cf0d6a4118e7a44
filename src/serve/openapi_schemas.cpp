#include "serve/openapi.hpp"

namespace gyre::serve {
namespace {

/// What all requests for texts share.
constexpr const char* kSharedFields = R"({
  "model": {"type": "string", "description": "One of /v1/models; may be left out where there is one."},
  "temperature": {"type": "number", "minimum": 0, "maximum": 100},
  "top_p": {"type": "number", "minimum": 0, "maximum": 1},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1},
  "top_k": {"type": "integer", "minimum": -1, "maximum": 16777216},
  "repetition_penalty": {"type": "number", "minimum": 0.01, "maximum": 100},
  "repeat_penalty": {"type": "number", "minimum": 0.01, "maximum": 100, "description": "Another name of it."},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2, "description": "Of tokens that were generated."},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2, "description": "Of tokens that were generated."},
  "logit_bias": {"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
  "seed": {"type": "integer", "description": "-1: any."},
  "n": {"type": "integer", "minimum": 1, "maximum": 128},
  "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 64}]},
  "ignore_eos": {"type": "boolean"},
  "stream": {"type": "boolean"},
  "stream_options": {"type": "object", "properties": {
    "include_usage": {"type": "boolean"}, "include_obfuscation": {"description": "Changes nothing."}},
    "additionalProperties": false},
  "response_format": {"type": "object", "properties": {
    "type": {"enum": ["text", "json_object", "json_schema"]},
    "json_schema": {"type": "object", "properties": {"name": {"type": "string"}, "schema": {"type": "object"},
                    "strict": {"type": "boolean"}, "description": {"type": "string"}}},
    "schema": {"type": "object"}}, "required": ["type"]},
  "json_schema": {"anyOf": [{"type": "object"}, {"type": "string"}, {"const": true}]},
  "guided_json": {"anyOf": [{"type": "object"}, {"type": "string"}, {"const": true}]},
  "guided_choice": {"type": "array", "items": {"type": "string"}, "maxItems": 512},
  "guided_regex": {"type": "string"},
  "structured_outputs": {"type": "object", "properties": {
    "json": {"anyOf": [{"type": "object"}, {"type": "string"}, {"const": true}]},
    "choice": {"type": "array", "items": {"type": "string"}}, "regex": {"type": "string"},
    "json_object": {"type": "boolean"}}, "additionalProperties": false},
  "gyre": {"type": "object", "description": "How deep the tokens go.", "properties": {
    "loops": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
    "exit": {"type": "string"}, "kv": {"type": "string"}, "noise_seed": {"type": "integer", "minimum": 0},
    "tokens": {"type": "boolean"},
    "lens": {"type": "integer", "minimum": 1, "maximum": 20,
             "description": "Likeliest words behind every loop of every token; brings tokens along."}}}
})";

constexpr const char* kRequests = R"({
  "CompletionRequest": {"type": "object", "required": ["prompt"], "properties": {
    "prompt": {"anyOf": [{"type": "string"}, {"type": "array"}],
               "description": "A text, a list of texts, a list of tokens or a list of those."},
    "max_tokens": {"type": "integer", "minimum": -1, "maximum": 16777216},
    "echo": {"type": "boolean"},
    "logprobs": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, {"type": "boolean"}]},
    "best_of": {"type": "integer", "minimum": 1, "maximum": 128, "description": "It has to be n."}}},
  "ChatRequest": {"type": "object", "required": ["messages"], "properties": {
    "messages": {"type": "array", "items": {"$ref": "#/components/schemas/ChatMessage"}, "maxItems": 4096},
    "max_tokens": {"type": "integer", "minimum": -1, "maximum": 16777216},
    "max_completion_tokens": {"type": "integer", "minimum": 1, "maximum": 16777216},
    "logprobs": {"type": "boolean"},
    "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 100},
    "tools": {"type": "array", "items": {"$ref": "#/components/schemas/ChatTool"}, "maxItems": 128},
    "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, {"type": "object"}]},
    "parallel_tool_calls": {"type": "boolean"},
    "documents": {"type": "array"},
    "add_generation_prompt": {"type": "boolean"},
    "chat_template_kwargs": {"type": "object"}}},
  "ChatMessage": {"type": "object", "required": ["role"], "properties": {
    "role": {"type": "string"},
    "content": {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": {"type": "object"}}]},
    "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"}},
    "tool_call_id": {"type": "string"}}},
  "ChatTool": {"type": "object", "required": ["type", "function"], "properties": {
    "type": {"const": "function"}, "function": {"$ref": "#/components/schemas/Function"}}},
  "Function": {"type": "object", "required": ["name"], "properties": {
    "name": {"type": "string"}, "description": {"type": "string"}, "parameters": {"type": "object"},
    "strict": {"type": "boolean"}}},
  "ResponsesRequest": {"type": "object", "required": ["input"], "properties": {
    "input": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}, "maxItems": 4096}]},
    "instructions": {"type": "string"},
    "max_output_tokens": {"type": "integer", "minimum": 1, "maximum": 16777216},
    "text": {"type": "object", "properties": {"format": {"type": "object"}}},
    "include": {"type": "array", "items": {"enum": ["message.output_text.logprobs"]}},
    "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 100},
    "tools": {"type": "array", "items": {"type": "object"}, "maxItems": 128},
    "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, {"type": "object"}]},
    "parallel_tool_calls": {"type": "boolean"},
    "store": {"const": false, "description": "Nothing is stored."}}},
  "NativeRequest": {"type": "object", "required": ["prompt"], "properties": {
    "prompt": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
    "n_predict": {"type": "integer", "minimum": -1, "maximum": 16777216}}},
  "EmbeddingRequest": {"type": "object", "required": ["input"], "properties": {
    "model": {"type": "string"},
    "input": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 2048}]},
    "encoding_format": {"enum": ["float", "base64"]},
    "dimensions": {"type": "integer", "minimum": 1, "description": "That of the model."}}},
  "TokenizeRequest": {"type": "object", "properties": {
    "model": {"type": "string"}, "content": {"type": "string"}, "prompt": {"type": "string"},
    "add_special": {"type": "boolean"}, "add_special_tokens": {"type": "boolean"},
    "with_pieces": {"type": "boolean"}, "parse_special": {"type": "boolean"}}},
  "DetokenizeRequest": {"type": "object", "required": ["tokens"], "properties": {
    "model": {"type": "string"}, "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0}}}},
  "TemplateRequest": {"type": "object", "required": ["messages"], "properties": {
    "model": {"type": "string"},
    "messages": {"type": "array", "items": {"$ref": "#/components/schemas/ChatMessage"}, "maxItems": 4096},
    "tools": {"type": "array", "items": {"$ref": "#/components/schemas/ChatTool"}, "maxItems": 128},
    "documents": {"type": "array"}, "add_generation_prompt": {"type": "boolean"},
    "chat_template_kwargs": {"type": "object"}}}
})";

constexpr const char* kAnswers = R"({
  "Error": {"type": "object", "required": ["error"], "additionalProperties": false, "properties": {
    "error": {"type": "object", "required": ["message", "type", "param", "code"], "additionalProperties": false,
      "properties": {"message": {"type": "string"}, "type": {"type": "string"},
                     "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}}}},
  "Usage": {"type": "object", "additionalProperties": false,
    "required": ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"], "properties": {
    "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
    "prompt_tokens_details": {"type": "object", "required": ["cached_tokens"],
                              "properties": {"cached_tokens": {"type": "integer"}}}}},
  "Run": {"type": "object", "required": ["seed", "noise_seed", "loops", "exit", "kv"],
    "description": "How the text was run, with which it can be had again.", "properties": {
    "seed": {"type": "integer"}, "noise_seed": {"type": "integer"},
    "loops": {"type": "array", "items": {"type": "integer"}}, "exit": {"type": "string"}, "kv": {"type": "string"}}},
  "TextLogprobs": {"type": ["object", "null"], "additionalProperties": false,
    "required": ["tokens", "token_logprobs", "top_logprobs", "text_offset"], "properties": {
    "tokens": {"type": "array", "items": {"type": "string"}},
    "token_logprobs": {"type": "array", "items": {"type": ["number", "null"]}},
    "top_logprobs": {"type": "array", "items": {"type": ["object", "null"], "additionalProperties": {"type": "number"}}},
    "text_offset": {"type": "array", "items": {"type": "integer"}}}},
  "TokenLogprob": {"type": "object", "required": ["token", "logprob", "bytes"], "additionalProperties": false,
    "properties": {"token": {"type": "string"}, "logprob": {"type": "number"},
                   "bytes": {"type": "array", "items": {"type": "integer"}},
                   "top_logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}}}},
  "ChatLogprobs": {"type": ["object", "null"], "required": ["content", "refusal"], "additionalProperties": false,
    "properties": {"content": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}},
                   "refusal": {"type": "null"}}},
  "ToolCall": {"type": "object", "required": ["id", "type", "function"], "properties": {
    "id": {"type": "string"}, "type": {"const": "function"},
    "function": {"type": "object", "required": ["name", "arguments"], "properties": {
      "name": {"type": "string"}, "arguments": {"type": "string"}}}}},
  "Completion": {"type": "object", "additionalProperties": false,
    "required": ["id", "object", "created", "model", "system_fingerprint", "choices"], "properties": {
    "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"},
    "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object", "additionalProperties": false,
      "required": ["index", "text", "logprobs", "finish_reason"], "properties": {
        "index": {"type": "integer"}, "text": {"type": "string"},
        "logprobs": {"$ref": "#/components/schemas/TextLogprobs"},
        "finish_reason": {"enum": ["stop", "length", null]}, "gyre": {"type": "object"}}}},
    "usage": {"anyOf": [{"$ref": "#/components/schemas/Usage"}, {"type": "null"}]},
    "gyre": {"$ref": "#/components/schemas/Run"}}},
  "Chat": {"type": "object", "additionalProperties": false,
    "required": ["id", "object", "created", "model", "system_fingerprint", "choices", "usage", "gyre"], "properties": {
    "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
    "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object", "additionalProperties": false,
      "required": ["index", "message", "logprobs", "finish_reason"], "properties": {
        "index": {"type": "integer"},
        "message": {"type": "object", "required": ["role", "content", "refusal"], "additionalProperties": false,
          "properties": {"role": {"const": "assistant"}, "content": {"type": ["string", "null"]},
            "refusal": {"type": "null"},
            "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"}}}},
        "logprobs": {"$ref": "#/components/schemas/ChatLogprobs"},
        "finish_reason": {"enum": ["stop", "length", "tool_calls"]}, "gyre": {"type": "object"}}}},
    "usage": {"$ref": "#/components/schemas/Usage"}, "gyre": {"$ref": "#/components/schemas/Run"}}},
  "ChatChunk": {"type": "object", "additionalProperties": false,
    "required": ["id", "object", "created", "model", "system_fingerprint", "choices"], "properties": {
    "id": {"type": "string"}, "object": {"const": "chat.completion.chunk"}, "created": {"type": "integer"},
    "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object", "additionalProperties": false,
      "required": ["index", "delta", "logprobs", "finish_reason"], "properties": {
        "index": {"type": "integer"},
        "delta": {"type": "object", "additionalProperties": false, "properties": {
          "role": {"const": "assistant"}, "content": {"type": "string"},
          "tool_calls": {"type": "array", "items": {"type": "object", "required": ["index", "function"],
            "additionalProperties": false, "properties": {
              "index": {"type": "integer"}, "id": {"type": "string"}, "type": {"const": "function"},
              "function": {"type": "object", "required": ["arguments"], "additionalProperties": false,
                "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}}}}}}},
        "logprobs": {"$ref": "#/components/schemas/ChatLogprobs"},
        "finish_reason": {"enum": ["stop", "length", "tool_calls", null]}, "gyre": {"type": "object"}}}},
    "usage": {"anyOf": [{"$ref": "#/components/schemas/Usage"}, {"type": "null"}]},
    "gyre": {"$ref": "#/components/schemas/Run"}}},
  "OutputText": {"type": "object", "required": ["type", "text", "annotations", "logprobs"],
    "additionalProperties": false, "properties": {
    "type": {"const": "output_text"}, "text": {"type": "string"}, "annotations": {"type": "array"},
    "logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}}}},
  "OutputItem": {"anyOf": [
    {"type": "object", "required": ["id", "type", "status", "role", "content"], "additionalProperties": false,
     "properties": {"id": {"type": "string"}, "type": {"const": "message"},
       "status": {"enum": ["in_progress", "completed", "incomplete"]}, "role": {"const": "assistant"},
       "content": {"type": "array", "items": {"$ref": "#/components/schemas/OutputText"}}}},
    {"type": "object", "required": ["id", "type", "status", "call_id", "name", "arguments"],
     "additionalProperties": false,
     "properties": {"id": {"type": "string"}, "type": {"const": "function_call"},
       "status": {"enum": ["in_progress", "completed", "incomplete"]}, "call_id": {"type": "string"},
       "name": {"type": "string"}, "arguments": {"type": "string"}}}]},
  "Response": {"type": "object", "additionalProperties": false,
    "required": ["id", "object", "created_at", "status", "error", "incomplete_details", "instructions",
                 "max_output_tokens", "model", "output", "parallel_tool_calls", "previous_response_id", "store",
                 "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "usage", "metadata", "gyre"],
    "properties": {
    "id": {"type": "string"}, "object": {"const": "response"}, "created_at": {"type": "integer"},
    "status": {"enum": ["in_progress", "completed", "incomplete"]}, "background": {"const": false},
    "error": {"type": "null"},
    "incomplete_details": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["reason"],
      "properties": {"reason": {"const": "max_output_tokens"}}}]},
    "instructions": {"type": ["string", "null"]}, "max_output_tokens": {"type": ["integer", "null"]},
    "model": {"type": "string"},
    "output": {"type": "array", "items": {"$ref": "#/components/schemas/OutputItem"}},
    "parallel_tool_calls": {"type": "boolean"}, "previous_response_id": {"type": "null"},
    "reasoning": {"type": "object"}, "store": {"const": false}, "temperature": {"type": "number"},
    "text": {"type": "object"}, "tool_choice": {}, "tools": {"type": "array"}, "top_logprobs": {"type": "integer"},
    "top_p": {"type": "number"}, "truncation": {"const": "disabled"},
    "usage": {"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": false,
      "required": ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"],
      "properties": {"input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"},
        "total_tokens": {"type": "integer"},
        "input_tokens_details": {"type": "object", "required": ["cached_tokens", "cache_write_tokens"]},
        "output_tokens_details": {"type": "object", "required": ["reasoning_tokens"]}}}]},
    "user": {"type": ["string", "null"]}, "metadata": {"type": "object"}, "gyre": {"type": "object"}}},
  "ResponseEvent": {"type": "object", "required": ["type", "sequence_number"], "additionalProperties": false,
    "properties": {
    "type": {"enum": ["response.created", "response.in_progress", "response.output_item.added",
      "response.content_part.added", "response.output_text.delta", "response.output_text.done",
      "response.content_part.done", "response.function_call_arguments.delta",
      "response.function_call_arguments.done", "response.output_item.done", "response.completed",
      "response.incomplete", "error"]},
    "sequence_number": {"type": "integer"}, "response": {"$ref": "#/components/schemas/Response"},
    "item": {"$ref": "#/components/schemas/OutputItem"}, "part": {"$ref": "#/components/schemas/OutputText"},
    "item_id": {"type": "string"}, "output_index": {"type": "integer"}, "content_index": {"type": "integer"},
    "delta": {"type": "string"}, "text": {"type": "string"}, "name": {"type": "string"},
    "arguments": {"type": "string"},
    "logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}},
    "code": {"type": ["string", "null"]}, "message": {"type": "string"}, "param": {"type": ["string", "null"]},
    "error": {"type": "object"}}},
  "Native": {"type": "object", "required": ["index", "content", "tokens", "stop"], "additionalProperties": false,
    "properties": {"index": {"type": "integer"}, "content": {"type": "string"},
    "tokens": {"type": "array", "items": {"type": "integer"}}, "stop": {"type": "boolean"},
    "stop_type": {"enum": ["none", "eos", "limit", "word"]}, "model": {"type": "string"},
    "tokens_predicted": {"type": "integer"}, "tokens_evaluated": {"type": "integer"},
    "tokens_cached": {"type": "integer"}, "truncated": {"type": "boolean"},
    "generation_settings": {"type": "object"}}},
  "Embeddings": {"type": "object", "required": ["object", "data", "model", "usage"], "properties": {
    "object": {"const": "list"}, "model": {"type": "string"},
    "data": {"type": "array", "items": {"type": "object", "required": ["object", "index", "embedding"], "properties": {
      "object": {"const": "embedding"}, "index": {"type": "integer"},
      "embedding": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]}}}},
    "usage": {"type": "object", "required": ["prompt_tokens", "total_tokens"]},
    "gyre": {"type": "object", "properties": {"truncated": {"type": "integer"}}}}},
  "Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "gyre"],
    "additionalProperties": false, "properties": {
    "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
    "owned_by": {"type": "string"},
    "gyre": {"type": "object", "required": ["sha256", "context", "vocabulary", "groups"], "properties": {
      "sha256": {"type": "string"}, "family": {"type": "string"}, "weights": {"type": "string"},
      "context": {"type": "integer"}, "vocabulary": {"type": "integer"}, "chat": {"type": "boolean"},
      "tools": {"type": "boolean"}, "encoder": {"type": "boolean"},
      "groups": {"type": "array", "items": {"type": "object", "required": ["name", "layers", "loops", "gate"]}}}}}},
  "Models": {"type": "object", "required": ["object", "data"], "additionalProperties": false, "properties": {
    "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}},
  "Tokens": {"type": "object", "required": ["tokens", "count", "max_model_len"], "additionalProperties": false,
    "properties": {"tokens": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "object",
      "required": ["id", "piece"], "properties": {"id": {"type": "integer"}, "piece": {"type": "string"}}}]}},
    "count": {"type": "integer"}, "max_model_len": {"type": "integer"}}},
  "Text": {"type": "object", "required": ["content", "prompt"], "additionalProperties": false, "properties": {
    "content": {"type": "string"}, "prompt": {"type": "string"}}},
  "Prompt": {"type": "object", "required": ["prompt"], "additionalProperties": false, "properties": {
    "prompt": {"type": "string"}}},
  "TokenizerInfo": {"type": "object", "required": ["model", "vocab_size", "bos_token", "eos_token", "pad_token"],
    "properties": {"model": {"type": "string"}, "vocab_size": {"type": "integer"},
    "bos_token": {"type": ["string", "null"]}, "eos_token": {"type": ["string", "null"]},
    "pad_token": {"type": "null"}, "chat_template": {"type": ["string", "null"]}}},
  "Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
  "Properties": {"type": "object", "required": ["default_generation_settings", "total_slots", "model_alias"],
    "properties": {"default_generation_settings": {"type": "object"}, "total_slots": {"type": "integer"},
    "model_alias": {"type": "string"}, "chat_template": {"type": ["string", "null"]}, "gyre": {"type": "object"}}},
  "Places": {"type": "array", "items": {"type": "object", "required": ["id", "is_processing"], "properties": {
    "id": {"type": "integer"}, "is_processing": {"type": "boolean"}, "model": {"type": "string"},
    "choice": {"type": "integer"}, "n_ctx": {"type": "integer"}, "n_prompt_tokens": {"type": "integer"},
    "n_prompt_tokens_cache": {"type": "integer"}, "n_past": {"type": "integer"}, "n_decoded": {"type": "integer"},
    "kv_bytes": {"type": "integer"}, "kv_pages": {"type": "integer"},
    "flight": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["position", "tokens", "group", "loop"],
      "properties": {"position": {"type": "integer"}, "tokens": {"type": "integer"}, "group": {"type": "string"},
        "loop": {"type": "integer"}}}]}}, "additionalProperties": false}},
  "Document": {"type": "object", "required": ["openapi", "info", "paths"]}
})";

}  // namespace

Json openapi_schemas() {
  const Json shared = Json::parse(kSharedFields);
  Json schemas = Json::parse(kRequests);
  for (const char* name : {"CompletionRequest", "ChatRequest", "ResponsesRequest", "NativeRequest"}) {
    Json& fields = schemas[name]["properties"];
    for (const auto& [field, schema] : shared.items()) {
      if (!fields.contains(field)) fields[field] = schema;
    }
  }
  schemas["ResponsesRequest"]["properties"]["n"] = {{"const", 1}};
  for (const char* name : {"n", "stream_options"}) schemas["NativeRequest"]["properties"].erase(name);
  schemas.update(Json::parse(kAnswers));
  return schemas;
}

}  // namespace gyre::serve
