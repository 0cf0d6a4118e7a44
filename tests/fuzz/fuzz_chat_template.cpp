#include "fuzz/targets.hpp"
#include "text/chat_template.hpp"

namespace gyre::fuzz {
namespace {

/// A conversation with all that messages may hold.
Conversation long_talk() {
  Conversation talk;
  talk.messages = parse_ordered_json(R"([
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": " Why? "}, {"type": "image"}]},
    {"role": "assistant", "content": null, "reasoning_content": "well", "tool_calls":
      [{"type": "function", "id": "c1", "function": {"name": "add", "arguments": {"a": 1, "b": [2.5, null, "\u00e9"]}}}]},
    {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "3.5"}])",
                                     "talk");
  talk.tools = parse_ordered_json(R"([{"type": "function", "function": {"name": "add", "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}}}])",
                                  "tools");
  talk.arguments["enable_thinking"] = false;
  talk.clock = 1'000'000'000;
  return talk;
}

}  // namespace

void chat_template(Bytes input) {
  const std::string_view text = text_of(input);
  const InputFolder folder;
  const bool is_config = text.starts_with(R"({")");
  folder.add("tokenizer_config.json", is_config ? text : R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}})");
  if (!is_config) folder.add("chat_template.jinja", text);
  const std::vector<ChatMessage> talk = {{"system", "Be brief."},
                                         {"user", " Why? "},
                                         {"assistant", "<think>\nwell\n</think>\n\nBecause."},
                                         {"user", "<tool_response>4</tool_response>"}};
  attempt([&] {
    const ChatTemplate made = ChatTemplate::load(folder.path());
    attempt([&] { static_cast<void>(made.render(long_talk())); });
    attempt([&] { static_cast<void>(made.render(talk, false)); });
    attempt([&] { static_cast<void>(made.render(std::span(talk).subspan(1, 1), true)); });
  });
}

}  // namespace gyre::fuzz
