#include "text/chat_template.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre {
namespace {

const std::vector<ChatMessage> kQuestion = {{"user", "Hi "}};
const std::vector<ChatMessage> kTalk = {{"system", "Be kind."}, {"user", " A?"}, {"assistant", "B."}, {"user", "C?"}};

ChatTemplate of(std::string_view source) { return {source, "<s>", "</s>", "t.jinja"}; }

TEST(ChatTemplate, ChatMlSaysItsOwnSystemTextWhenNoneIsGiven) {
  const ChatTemplate chat = of("{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{{ '<|im_start|>' + role }}");
  EXPECT_EQ(chat.family(), "chatml");
  EXPECT_EQ(chat.render(kQuestion, true),
            "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chat.render(kTalk, false),
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n A?<|im_end|>\n<|im_start|>assistant\n"
            "B.<|im_end|>\n<|im_start|>user\nC?<|im_end|>\n");
  EXPECT_EQ(of("<|im_start|>system\nReal break.<|im_end|>").render(kQuestion, false).substr(0, 31),
            "<|im_start|>system\nReal break.<");
  EXPECT_EQ(of("{{ '<|im_start|>' + role }}").render(kQuestion, false), "<|im_start|>user\nHi <|im_end|>\n");
}

TEST(ChatTemplate, ThinkingModelsOpenTheirThoughts) {
  const ChatTemplate chat = of("{{ '<|im_start|>' + role }}{{ '<|im_start|>assistant\\n<think>\\n' }}");
  EXPECT_EQ(chat.render(kQuestion, true), "<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\n<think>\n");
}

TEST(ChatTemplate, Qwen3ForgetsThoughtsOfEarlierTurns) {
  const ChatTemplate chat = of("<|im_start|> reasoning_content enable_thinking");
  const std::vector<ChatMessage> talk = {
      {"user", "A?"}, {"assistant", "<think>\nhm\n</think>\n\nB."}, {"user", "C?"}, {"assistant", "D."}};
  EXPECT_EQ(chat.render(talk, false),
            "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\nB.<|im_end|>\n<|im_start|>user\nC?<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\nD.<|im_end|>\n");
}

TEST(ChatTemplate, Llama3TrimsAndItsSuccessorTellsTheDate) {
  EXPECT_EQ(of("{{ bos_token }}<|start_header_id|>").render(kQuestion, true),
            "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
            "\n\n");
  EXPECT_EQ(of("{{ bos_token }}<|start_header_id|> Cutting Knowledge Date").render(kTalk, false).substr(0, 160),
            "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
            "Today Date: 26 Jul 2024\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_hea");
}

TEST(ChatTemplate, Llama2PutsTheSystemTextIntoTheFirstQuestion) {
  const ChatTemplate chat = of("bos_token [INST] <<SYS>>");
  EXPECT_EQ(chat.render(kTalk, true),
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\n A? [/INST] B. </s><s>[INST] C? [/INST]");
  EXPECT_THROW(static_cast<void>(chat.render(std::vector<ChatMessage>{{"assistant", "A"}}, true)), Error);
}

TEST(ChatTemplate, ZephyrOlmo2AndHuginnDifferInTheirMarks) {
  EXPECT_EQ(of("<|user|> <|assistant|> eos_token").render(kTalk, true),
            "<|system|>\nBe kind.</s>\n<|user|>\n A?</s>\n<|assistant|>\nB.</s>\n<|user|>\nC?</s>\n<|assistant|>\n");
  EXPECT_EQ(of("bos_token <|user|> <|assistant|> eos_token not loop.last").render(kTalk, true),
            "<s><|system|>\nBe kind.\n<|user|>\n A?\n<|assistant|>\nB.</s>\n<|user|>\nC?\n<|assistant|>\n");
  EXPECT_EQ(of("bos_token <|begin_header|>").render(kTalk, true),
            "<s><|begin_header|>system<|end_header|>\n\nBe kind.<|end_turn|><|begin_header|>user<|end_header|>\n\n"
            "A?<|end_turn|><|begin_header|>Huginn<|end_header|>\n\nB.<|end_turn|><|begin_header|>user<|end_header|>"
            "\n\nC?<|end_turn|><|begin_header|>Huginn<|end_header|>\n\n");
}

TEST(ChatTemplate, AnUnknownTemplateOrRoleIsNamed) {
  try {
    static_cast<void>(of("{{ messages }}"));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 63),
              "t.jinja: this chat template is not known; those of ChatML (Smol");
  }
  const ChatTemplate chat = of("<|im_start|>");
  EXPECT_THROW(static_cast<void>(chat.render({}, true)), Error);
  EXPECT_THROW(static_cast<void>(chat.render(std::vector<ChatMessage>{{"tool", "x"}}, true)), Error);
  EXPECT_THROW(static_cast<void>(chat.render(std::vector<ChatMessage>{{"user", "x"}, {"system", "y"}}, true)), Error);
  EXPECT_THROW(static_cast<void>(chat.render(std::vector<ChatMessage>{{"user", "\xFF"}}, true)), Error);
}

TEST(ChatTemplate, IsReadFromTheFilesOfAModelFolder) {
  const ScratchFolder folder;
  const auto write = [&](const nlohmann::json& config) {
    write_text_atomically(folder / "tokenizer_config.json", config.dump());
  };
  write({{"bos_token", {{"content", "<b>"}}},
         {"eos_token", nullptr},
         {"chat_template", "{{ bos_token }}<|begin_header|>"}});
  EXPECT_EQ(ChatTemplate::load(folder.path()).render(kQuestion, false).substr(0, 7), "<b><|be");
  write({{"chat_template",
          {{{"name", "tools"}, {"template", "?"}}, {{"name", "default"}, {"template", "<|im_start|>"}}}}});
  EXPECT_EQ(ChatTemplate::load(folder.path()).family(), "chatml");
  write({{"bos_token", "<b>"}});
  EXPECT_THROW(ChatTemplate::load(folder.path()), Error);
  write_text_atomically(folder / "chat_template.jinja", "<|start_header_id|>");
  EXPECT_EQ(ChatTemplate::load(folder.path()).family(), "llama-3");
}

}  // namespace
}  // namespace gyre
