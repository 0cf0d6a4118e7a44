#include "text/chat_template.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::chat_template_test {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<ChatMessage> kQuestion = {{"user", "Hi "}};
const std::vector<ChatMessage> kTalk = {{"system", "Be kind."}, {"user", " A?"}, {"assistant", "B."}, {"user", "C?"}};

ChatTemplate of(std::string_view source) { return {source, "<s>", "</s>", "t.jinja"}; }

std::string message_of(const std::function<void()>& failing) {
  try {
    failing();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ChatTemplate, IsRunWithItsTokensAndTheGenerationPrompt) {
  const ChatTemplate chat =
      of("{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content']|trim }}{{ eos_token }}{% endfor %}"
         "{% if add_generation_prompt %}[assistant]{% endif %}");
  EXPECT_EQ(chat.render(kQuestion, false), "<s>[user]Hi</s>");
  EXPECT_EQ(chat.render(kTalk, true), "<s>[system]Be kind.</s>[user]A?</s>[assistant]B.</s>[user]C?</s>[assistant]");
}

// The default text and the thoughts of these were once guessed from words in the source.
TEST(ChatTemplate, WhatTheSourceSaysIsWritten) {
  const std::string chatml =
      "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '<|im_start|>system\\nPut it in \\\\boxed{}."
      "<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}";
  EXPECT_EQ(of(chatml).render(kQuestion, true),
            "<|im_start|>system\nPut it in \\boxed{}.<|im_end|>\n<|im_start|>user\nHi <|im_end|><|im_start|>assistant\n"
            "<think>\n");
  EXPECT_EQ(of("<|im_start|>{{ messages[0].content }}").render(kQuestion, true), "<|im_start|>Hi ");
}

TEST(ChatTemplate, MissingTokensAreUndefined) {
  const ChatTemplate chat("{{ bos_token is defined }}{{ eos_token }}|", "", "", "t");
  EXPECT_EQ(chat.render(kQuestion, false), "False|");
  EXPECT_EQ(message_of(
                [] { static_cast<void>(ChatTemplate("{{ bos_token + 'a' }}", "", "", "t").render(kQuestion, false)); }),
            "t: line 1: 'bos_token' is undefined");
}

TEST(ChatTemplate, MessagesHoldWhateverJsonHolds) {
  Conversation talk;
  talk.messages = parse_ordered_json(
      R"([{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"b": 1, "a": 2.0}}}]}])",
      "talk");
  talk.tools = parse_ordered_json(R"([{"z": 1, "a": [true, null]}])", "tools");
  talk.arguments["enable_thinking"] = false;
  talk.add_generation_prompt = false;
  EXPECT_EQ(
      of("{{ messages[0].tool_calls[0].function.arguments|tojson }}{{ messages[0].content is none }}{{ tools|tojson }}"
         "{{ documents is none }}{{ enable_thinking }}{{ add_generation_prompt }}")
          .render(talk),
      R"({"b": 1, "a": 2.0}True[{"z": 1, "a": [true, null]}]TrueFalseFalse)");
}

TEST(ChatTemplate, TheConversationHasTheLastWordOnItsOwnNames) {
  Conversation talk;
  talk.arguments["messages"] = "x";
  talk.arguments["bos_token"] = "<other>";
  EXPECT_EQ(of("{{ messages }}{{ bos_token }}").render(talk), "[]<other>");
}

TEST(ChatTemplate, MistakesSayWhere) {
  EXPECT_EQ(message_of([] { of("{% if %}"); }), "t.jinja: line 1: expected an expression, found \"%}\"");
  EXPECT_EQ(message_of([] { static_cast<void>(of("x").render({}, true)); }),
            "message: the conversation is empty; give at least one");
  EXPECT_EQ(message_of([] {
              static_cast<void>(of("x").render(std::vector<ChatMessage>{{"user", "\xFF"}}, true));
            }).substr(0, 8),
            "message:");
  EXPECT_EQ(message_of([] { of("\xFF"); }).substr(0, 8), "t.jinja:");
  Conversation broken;
  broken.messages.push_back("\xFF");
  EXPECT_EQ(message_of([&] { static_cast<void>(of("x").render(broken)); }),
            "t.jinja: messages: a text that it was given is not UTF-8");
  EXPECT_EQ(message_of([] { static_cast<void>(of("{{ raise_exception('no system') }}").render(kTalk, true)); }),
            "t.jinja: the template refuses this conversation: no system");
}

class TemplateFiles : public testing::Test {
 protected:
  void write(const std::string& name, std::string_view text) { write_text_atomically(folder_ / name, text); }
  std::string rendered() { return ChatTemplate::load(folder_.path()).render(kQuestion, false); }

  ScratchFolder folder_;
};

TEST_F(TemplateFiles, TokensAreTextOrObjects) {
  write("tokenizer_config.json",
        R"({"bos_token": {"content": "<b>"}, "eos_token": null, "pad_token": "<p>", "unk_token": "",
    "additional_special_tokens": ["<x>", {"content": "<y>"}], "extra_special_tokens": {"image_token": "<i>"},
    "chat_template": "{{ bos_token }}{{ pad_token }}{{ eos_token is defined }}{{ unk_token is defined }}{{ additional_special_tokens }}{{ image_token }}"})");
  EXPECT_EQ(rendered(), "<b><p>FalseFalse['<x>', '<y>']<i>");
  write("tokenizer_config.json", R"({"bos_token": 5, "chat_template": "x"})");
  EXPECT_EQ(message_of([&] { rendered(); }),
            (folder_ / "tokenizer_config.json").string() + ": bos_token must be text, found number");
}

TEST_F(TemplateFiles, ATokenMapCountsWhereAddedTokensAreNotListed) {
  write("special_tokens_map.json", R"({"bos_token": "<map>"})");
  write("tokenizer_config.json", R"({"bos_token": "<config>", "chat_template": "{{ bos_token }}"})");
  EXPECT_EQ(rendered(), "<map>");
  write("tokenizer_config.json",
        R"({"bos_token": "<config>", "added_tokens_decoder": {}, "chat_template": "{{ bos_token }}"})");
  EXPECT_EQ(rendered(), "<config>");
}

TEST_F(TemplateFiles, ItsOwnFileWinsOverTheConfigAndThatOverTheJsonFile) {
  write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(rendered(), "json");
  write("tokenizer_config.json", R"({"bos_token": "<b>", "chat_template": "config"})");
  EXPECT_EQ(rendered(), "config");
  write("chat_template.jinja", "own {{ bos_token }}");
  EXPECT_EQ(rendered(), "own <b>");
}

TEST_F(TemplateFiles, OfNamedOnesToolsTakeTheirs) {
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]})");
  const ChatTemplate chat = ChatTemplate::load(folder_.path());
  Conversation talk;
  EXPECT_EQ(chat.render(talk), "plain");
  talk.tools = Json::array();
  EXPECT_EQ(chat.render(talk), "tools");
}

TEST_F(TemplateFiles, WhatIsMissingIsNamed) {
  EXPECT_EQ(message_of([&] { rendered(); }).substr(folder_.path().string().size(), 19), ": no chat template ");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_EQ(message_of([&] { rendered(); }), (folder_ / "tokenizer_config.json").string() +
                                                 ": chat_template has no entry with the name \"default\"; add one");
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(message_of([&] { rendered(); }), (folder_ / "tokenizer_config.json").string() +
                                                 ": chat_template must be text or a list of named texts, found number");
}

}  // namespace
}  // namespace gyre::chat_template_test
