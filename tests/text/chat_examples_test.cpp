#include "text/chat_examples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "base/error.hpp"
#include "scratch_folder.hpp"

namespace gyre::chat_examples_test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
/// As Qwen3's and others': thoughts of earlier answers are left out.
constexpr std::string_view kForgetful =
    "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}"
    "{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

ChatTemplate of(std::string_view source) { return {source, "", "", "t.jinja"}; }

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

class ChatLines : public testing::Test {
 protected:
  std::vector<ChatExample> read(const std::string& lines, const ExampleKeys& keys = {}) {
    std::ofstream(scratch_ / "c.jsonl", std::ios::binary) << lines;
    return read_chat_examples(scratch_ / "c.jsonl", keys);
  }

  static std::string talk(const std::vector<std::pair<std::string, std::string>>& messages) {
    json list = json::array();
    for (const auto& [role, content] : messages) list.push_back({{"role", role}, {"content", content}});
    return json{{"messages", list}}.dump() + "\n";
  }

  ScratchFolder scratch_;
};

/// The learned stretches of a text.
std::vector<std::string> learned(const LearnedText& text) {
  std::vector<std::string> parts;
  for (const ByteRange& range : text.learned) parts.push_back(text.text.substr(range.begin, range.end - range.begin));
  return parts;
}

TEST_F(ChatLines, LearnEveryTurnOfTheAssistantWithWhatEndsIt) {
  const auto examples =
      read(talk({{"system", "S"}, {"user", "A"}, {"assistant", "B"}, {"user", "A"}, {"assistant", "BB"}}));
  const LearnedText text = render_learned(examples.at(0), of(kChatMl), LearnedTurns::all, "<|im_end|>", "here");
  EXPECT_EQ(text.text,
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n"
            "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nBB<|im_end|>\n");
  EXPECT_THAT(learned(text), ElementsAre("B<|im_end|>", "BB<|im_end|>"));
  EXPECT_THAT(learned(render_learned(examples[0], of(kChatMl), LearnedTurns::last, "<|im_end|>", "here")),
              ElementsAre("BB<|im_end|>"));
  EXPECT_THAT(learned(render_learned(examples[0], of(kChatMl), LearnedTurns::all, "", "here")),
              ElementsAre("B<|im_end|>\n", "BB<|im_end|>\n"));
}

TEST_F(ChatLines, MayBePromptsAndAnswers) {
  const auto examples = read("{\"q\":\"A\",\"a\":\"B\",\"id\":7,\"prompt\":\"x\"}\n", {"q", "a", "id"});
  EXPECT_EQ(examples.at(0).group, "7");
  EXPECT_EQ(render_learned(examples[0], of(kForgetful), LearnedTurns::all, "", "here").text,
            "[user]A[assistant]<think></think>B");
}

TEST_F(ChatLines, WhoseTemplateWritesEarlierTurnsOtherwiseAreRefused) {
  const auto examples = read(talk({{"user", "A"}, {"assistant", "B"}, {"user", "C"}, {"assistant", "D"}}));
  EXPECT_THAT(refusal([&] { render_learned(examples[0], of(kForgetful), LearnedTurns::all, "", "f, line 1"); }),
              AllOf(HasSubstr("f, line 1: the template writes message 1 otherwise once more follows"),
                    HasSubstr("training.turns to \"last\"")));
  EXPECT_THAT(learned(render_learned(examples[0], of(kForgetful), LearnedTurns::last, "", "here")),
              ElementsAre("<think></think>D"));
  const ChatTemplate odd =
      of("{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}");
  EXPECT_THAT(refusal([&] { render_learned(examples[0], odd, LearnedTurns::last, "", "f, line 1"); }),
              HasSubstr("f, line 1: the template writes message 3 otherwise than it tells the assistant to begin"));
  const ChatTemplate strict = of("{{ raise_exception('no roles but mine') }}");
  EXPECT_THAT(refusal([&] { render_learned(examples[0], strict, LearnedTurns::all, "", "f, line 1"); }),
              AllOf(HasSubstr("f, line 1: "), HasSubstr("no roles but mine")));
}

TEST_F(ChatLines, ThatCannotBeLearnedAreRefusedByLine) {
  const std::string good = talk({{"user", "A"}, {"assistant", "B"}});
  const std::vector<std::pair<std::string, std::string>> bad = {
      {talk({{"user", "A"}, {"assistant", ""}}), "message 1, of the assistant, is empty"},
      {talk({{"assistant", "B"}}), "the assistant speaks first"},
      {talk({{"user", "A"}}), "the last message is of the user"},
      {talk({{"user", "A"}, {"assistant", "B"}, {"assistant", "B"}}), "messages 1 and 2 are both of the assistant"},
      {talk({{"user", "A"}, {"system", "S"}, {"assistant", "B"}}),
       "message 1 is of the system; it has to be the first"},
      {talk({{"system", "S"}, {"assistant", "B"}}), "answers the system message"},
      {"[1]", "expected a JSON object"},
      {"{", "not valid JSON"},
      {R"({"messages": []})", "the conversation is empty"},
      {R"({"messages": [{"content": "A"}]})", "no \"role\""},
      {R"({"prompt": "A"})", "neither \"messages\" nor the key \"answer\""},
      {R"({"prompt": "A", "answer": ""})", "answer is empty"},
      {R"({"prompt": "A", "answer": 3})", "answer must be text"},
      {R"({"messages": [{"role": "user", "content": "A"}], "prompt": "A"})", "both \"messages\" and \"prompt\""}};
  for (const auto& [line, reason] : bad) {
    const std::string text = good + "\n" + line;
    EXPECT_THAT(refusal([&] { read(text); }), AllOf(HasSubstr("c.jsonl, line 3: "), HasSubstr(reason))) << line;
  }
  EXPECT_THAT(refusal([&] {
                read(good, {"prompt", "answer", "id"});
              }),
              HasSubstr("line 1: the key \"id\", which splits the data, is missing"));
  EXPECT_THAT(refusal([&] { read(""); }), HasSubstr("no examples"));
}

TEST_F(ChatLines, AreSplitByWhatComesBeforeTheFirstAnswer) {
  std::string lines;
  for (int i = 0; i < 12; ++i) {
    for (const char* answer : {"x", "y", "x"}) lines += talk({{"user", std::to_string(i)}, {"assistant", answer}});
  }
  const ChatSplit split = split_chats(read(lines), 0.25);
  EXPECT_EQ(split.training.size(), 27U);
  EXPECT_EQ(split.validation.size(), 6U);  // three prompts, without repeats
  for (const ChatExample& held : split.validation) {
    for (const ChatExample& trained : split.training) EXPECT_NE(held.prompt, trained.prompt);
  }
}

TEST(SplitKey, KeepsItsLinesOnOneSide) {
  std::vector<Example> examples;
  for (int i = 0; i < 40; ++i) {
    examples.push_back({"p" + std::to_string(i), "a", 0, "", "g" + std::to_string(i / 4), i + 1});
  }
  const ExampleSplit split = split_examples(examples, 0.2);
  EXPECT_EQ(split.validation.size(), 8U);  // two of ten groups
  for (const Example& held : split.validation) {
    for (const Example& trained : split.training) EXPECT_NE(held.group, trained.group);
  }
}

/// Bytes, the marks of ChatML, and one merge: two line feeds.
Tokenizer byte_tokenizer() {
  json file = json::parse(Tokenizer::bytes().file_text());
  file["model"]["vocab"]["ĊĊ"] = 256;
  file["model"]["merges"].push_back("Ċ Ċ");
  file["added_tokens"] = json::array();
  for (const char* mark : {"<|im_start|>", "<|im_end|>"}) {
    file["added_tokens"].push_back({{"id", 257 + file["added_tokens"].size()},
                                    {"content", mark},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
  }
  return Tokenizer::parse(file.dump(), "made");
}

/// The learned tokens as text, one behind the other.
std::string learned(const LearnedTokens& tokens, const Tokenizer& tokenizer) {
  std::string text;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    if (tokens.learned[i]) text += tokenizer.names()[static_cast<std::size_t>(tokens.ids[i])] + "|";
  }
  return text;
}

TEST_F(ChatLines, AreLearnedTokenByToken) {
  const Tokenizer tokenizer = byte_tokenizer();
  const auto examples = read(talk({{"user", "A"}, {"assistant", "B"}, {"user", "C"}, {"assistant", "D"}}));
  const LearnedText text = render_learned(examples.at(0), of(kChatMl), LearnedTurns::all, "<|im_end|>", "here");
  const LearnedTokens tokens = encode_learned(text, tokenizer);
  EXPECT_EQ(tokens.ids, tokenizer.encode(text.text));
  EXPECT_EQ(learned(tokens, tokenizer), "B|<|im_end|>|D|<|im_end|>|");
  EXPECT_EQ(tokens.straddling, 0U);
}

// Of three line feeds the first two are one token: the one that the prompt ends with, and the first of the answer.
TEST_F(ChatLines, DoNotLearnATokenThatIsHalfOfThePrompt) {
  const Tokenizer tokenizer = byte_tokenizer();
  const auto examples = read(talk({{"user", "A"}, {"assistant", "\n\nB"}}));
  const LearnedTokens tokens =
      encode_learned(render_learned(examples.at(0), of(kChatMl), LearnedTurns::all, "<|im_end|>", "here"), tokenizer);
  EXPECT_EQ(learned(tokens, tokenizer), "Ċ|B|<|im_end|>|");
  EXPECT_EQ(tokens.straddling, 1U);
}

}  // namespace
}  // namespace gyre::chat_examples_test
