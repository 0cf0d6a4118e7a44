#include "serve/tag_tokens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>

#include "engine/token_mask.hpp"
#include "serve/ascii_model.hpp"
#include "serve/json_language.hpp"
#include "serve/named_calls.hpp"
#include "serve/served.hpp"
#include "serve/tool_language.hpp"

namespace gyre::serve::tag_tokens_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::UnorderedElementsAre;

using Texts = std::vector<std::string>;

const Json kParameters = Json::parse(R"({"type": "object", "required": ["a"], "properties": {
  "a": {"type": "integer"}, "c": {"type": "string"}}})");

Json required_call(bool parallel = false) {
  return {{"tools", Json::array({{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", kParameters}}}}})},
          {"tool_choice", "required"},
          {"parallel_tool_calls", parallel}};
}

/// One call at most, and any text before it.
Json strict_call() {
  Json body = required_call();
  body.erase("tool_choice");
  body["tools"][0]["function"]["strict"] = true;
  return body;
}

ChatTemplate template_of(const std::string& source) { return ChatTemplate(source, "", "", "t"); }

const CallStyle& style_of(const std::string& title) {
  static const std::vector<CallStyle> styles = call_styles();
  for (const CallStyle& style : styles) {
    if (title == style.title) return style;
  }
  throw std::runtime_error("there is no style " + title);
}

ToolForm form_of(const std::string& title) { return tool_form_of(template_of(style_of(title).source())).value(); }

/// What a model with these special tokens may write, token by token.
class Walk {
 public:
  Walk(const std::string& tokenizer, const Json& body, const ToolForm& form, const Texts& ends = {},
       std::optional<int> vocabulary = {})
      : tokenizer_(Tokenizer::parse(tokenizer, "t")),
        bytes_(tokenizer_, vocabulary.value_or(tokenizer_.size())),
        ends_(ids(ends)),
        mask_(language_of_calls(tools_of(body), form,
                                TagTokens(tokenizer_, vocabulary.value_or(tokenizer_.size()), ends_))
                  .value(),
              ends_),
        state_(mask_.start()) {}

  /// Tokens that may come.
  Texts next() {
    Texts texts;
    const std::span<const std::uint8_t> allowed = mask_.allowed(state_, bytes_);
    for (std::size_t token = 0; token < allowed.size(); ++token) {
      if (allowed[token] != 0) texts.push_back(tokenizer_.piece(static_cast<std::int32_t>(token)));
    }
    return texts;
  }
  /// Of those the added ones.
  Texts next_added() {
    Texts texts;
    for (const std::string& text : next()) {
      if (tokenizer_.added_token(text)) texts.push_back(text);
    }
    return texts;
  }
  /// Goes through tokens as far as they may come; whether that is through all.
  bool take(const std::vector<std::int32_t>& tokens) {
    for (const std::int32_t token : tokens) {
      if (mask_.allowed(state_, bytes_)[static_cast<std::size_t>(token)] == 0) return false;
      state_ = mask_.after(state_, token, bytes_);
    }
    return true;
  }
  /// What a template or a model writes.
  bool take(const std::string& text) { return take(tokenizer_.encode(text)); }
  /// The same by ordinary tokens.
  bool spell(const std::string& text) { return take(tokenizer_.encode_marked(tokenizer_.mark_special(text))); }
  bool complete() { return mask_.complete(state_); }
  void restart() { state_ = mask_.start(); }

 private:
  [[nodiscard]] std::vector<std::int32_t> ids(const Texts& names) const {
    std::vector<std::int32_t> ids;
    for (const std::string& name : names) ids.push_back(tokenizer_.added_token(name).value());
    return ids;
  }

  Tokenizer tokenizer_;
  TokenBytes bytes_;
  std::vector<std::int32_t> ends_;
  TokenMask mask_;
  int state_;
};

std::string vocabulary(const Texts& special) { return tokenizer_text(ascii_characters() + "｜▁", special); }

const Texts kMistral = {"[TOOL_CALLS]", "[ARGS]", "<|im_end|>"};

TEST(TagTokens, ATagIsItsSpecialTokenAlone) {
  Walk walk(vocabulary(kMistral), required_call(true), form_of("mistral"), {"<|im_end|>"});
  EXPECT_THAT(walk.next(), ElementsAre("[TOOL_CALLS]"));
  ASSERT_TRUE(walk.take("[TOOL_CALLS]"));
  EXPECT_THAT(walk.next(), ElementsAre("f"));
  ASSERT_TRUE(walk.take("f"));
  EXPECT_THAT(walk.next(), ElementsAre("[ARGS]"));
  ASSERT_TRUE(walk.take("[ARGS]"));
  EXPECT_THAT(walk.next(), ElementsAre("{"));
  ASSERT_TRUE(walk.take("{\"a\": 1}"));
  EXPECT_THAT(walk.next(), UnorderedElementsAre("[TOOL_CALLS]", "<|im_end|>"));
}

TEST(TagTokens, ATagWithoutOneIsSpelledOut) {
  Walk plain(vocabulary({}), required_call(), form_of("mistral"));
  EXPECT_THAT(plain.next(), ElementsAre("["));
  EXPECT_TRUE(plain.take("[TOOL_CALLS]f[ARGS]{\"a\": 1}"));
  EXPECT_TRUE(plain.complete());
  Walk half(vocabulary({"[TOOL_CALLS]"}), required_call(), form_of("mistral"));
  EXPECT_THAT(half.next(), ElementsAre("[TOOL_CALLS]"));
  ASSERT_TRUE(half.take("[TOOL_CALLS]f"));
  EXPECT_THAT(half.next(), ElementsAre("["));
  EXPECT_TRUE(half.take("[ARGS]{\"a\": 1}"));
}

TEST(TagTokens, ArgumentsHoldNoSpecialToken) {
  Walk walk(vocabulary(kMistral), required_call(), form_of("mistral"), {"<|im_end|>"});
  ASSERT_TRUE(walk.take("[TOOL_CALLS]f[ARGS]{\"a\": 1, \"c\": \""));
  EXPECT_THAT(walk.next_added(), ElementsAre());
  EXPECT_THAT(walk.next(), Contains("["));
  // Its letters are text there, as of any other word.
  EXPECT_TRUE(walk.spell("[TOOL_CALLS]<|im_end|>\"}"));
  EXPECT_TRUE(walk.complete());
}

/// Every tag of a style as a special token.
const std::vector<std::pair<std::string, Texts>> kSpecial = {
    {"mistral ids", {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"}},
    {"deepseek",
     {"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>",
      "<｜tool▁calls▁end｜>"}},
    {"function tags", {"</function>"}},
    {"kimi",
     {"<|tool_calls_section_begin|>", "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>",
      "<|tool_calls_section_end|>"}},
    {"command", {"<|START_ACTION|>", "<|END_ACTION|>"}},
    {"qwen", {"<tool_call>", "</tool_call>", "</parameter>"}},
    {"glm", {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"}},
    {"minimax", {"<minimax:tool_call>", "</minimax:tool_call>"}}};

TEST(TagTokens, WhatATemplateWritesMayComeAsItsTokensAlone) {
  for (const auto& [title, special] : kSpecial) {
    SCOPED_TRACE(title);
    const ChatTemplate chat = template_of(style_of(title).source());
    Conversation conversation;
    conversation.add_generation_prompt = false;
    Json calls = Json::array();
    for (int i = 0; i < 2; ++i) {
      calls.push_back({{"id", "abcDEF012"}, {"function", {{"name", "f"}, {"arguments", {{"a", 1}, {"c", "x < y"}}}}}});
    }
    conversation.messages = Json::array({Json{{"role", "assistant"}, {"content", ""}, {"tool_calls", calls}}});
    const ToolForm form = form_of(title);
    std::string text = chat.render(conversation);
    text = text.substr(text.find(form.open));
    text.resize(text.size() - 3);
    Walk walk(vocabulary(special), required_call(true), form);
    EXPECT_TRUE(walk.take(text)) << text;
    walk.restart();
    EXPECT_FALSE(walk.spell(text)) << text;
    Walk plain(vocabulary({}), required_call(true), form);
    EXPECT_TRUE(plain.take(text)) << text;
  }
}

TEST(TagTokens, APieceOfTokensAndWordsIsBoth) {
  Walk walk(vocabulary(kSpecial[1].second), required_call(), form_of("deepseek"));
  EXPECT_THAT(walk.next(), ElementsAre("<｜tool▁calls▁begin｜>"));
  ASSERT_TRUE(walk.take("<｜tool▁calls▁begin｜>"));
  EXPECT_THAT(walk.next(), ElementsAre("<｜tool▁call▁begin｜>"));
  ASSERT_TRUE(walk.take("<｜tool▁call▁begin｜>function"));
  EXPECT_THAT(walk.next(), ElementsAre("<｜tool▁sep｜>"));
  ASSERT_TRUE(walk.take("<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```"));
  EXPECT_THAT(walk.next(), ElementsAre("<｜tool▁call▁end｜>"));
  ASSERT_TRUE(walk.take("<｜tool▁call▁end｜>"));
  EXPECT_THAT(walk.next(), ElementsAre("<｜tool▁calls▁end｜>"));
}

TEST(TagTokens, ATextAmongArgumentsEndsByTheTokenAlone) {
  Walk walk(vocabulary({"</arg_value>", "</tool_call>"}), required_call(), form_of("glm close"));
  ASSERT_TRUE(walk.take("<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>c</arg_key><arg_value>"));
  EXPECT_THAT(walk.next_added(), ElementsAre("</arg_value>"));
  ASSERT_TRUE(walk.spell("so </tool_call> </arg_value"));
  EXPECT_THAT(walk.next(), Not(Contains(">")));
  EXPECT_THAT(walk.next(), Contains("!"));
  ASSERT_TRUE(walk.take("! </arg_value>"));
  EXPECT_THAT(walk.next(), ElementsAre("</tool_call>"));
}

TEST(TagTokens, AFreeAnswerBeginsACallByTheTokenAlone) {
  Walk walk(vocabulary(kMistral), strict_call(), form_of("mistral"), {"<|im_end|>"});
  EXPECT_THAT(walk.next_added(), UnorderedElementsAre("[TOOL_CALLS]", "<|im_end|>"));
  ASSERT_TRUE(walk.spell("so [ARGS] [TOOL_CALLS"));
  EXPECT_THAT(walk.next(), Not(Contains("]")));
  ASSERT_TRUE(walk.take("! "));
  EXPECT_THAT(walk.next_added(), UnorderedElementsAre("[TOOL_CALLS]", "<|im_end|>"));
  ASSERT_TRUE(walk.take("[TOOL_CALLS]"));
  EXPECT_THAT(walk.next(), ElementsAre("f"));
  EXPECT_TRUE(walk.take("f[ARGS]{\"a\": 1}"));
  EXPECT_TRUE(walk.complete());
}

TEST(TagTokens, TaggedObjectsAndListsAreWrittenSo) {
  Walk tagged(vocabulary({"<tool_call>", "</tool_call>"}), required_call(true), {});
  EXPECT_THAT(tagged.next(), ElementsAre("<tool_call>"));
  ASSERT_TRUE(tagged.take("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n"));
  EXPECT_THAT(tagged.next(), ElementsAre("</tool_call>"));
  ASSERT_TRUE(tagged.take("</tool_call>\n"));
  EXPECT_THAT(tagged.next(), ElementsAre("<tool_call>"));
  Walk list(vocabulary({"[TOOL_CALLS]"}), required_call(), tool_form_of(template_of(kListTemplate)).value());
  EXPECT_THAT(list.next(), ElementsAre("[TOOL_CALLS]"));
  EXPECT_TRUE(list.take("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"));
  EXPECT_TRUE(list.complete());
  const ToolForm closed{.open = "<TOOLCALL>", .close = "</TOOLCALL>", .list = true};
  Walk between(vocabulary({"<TOOLCALL>", "</TOOLCALL>"}), required_call(), closed);
  ASSERT_TRUE(between.take("<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"));
  EXPECT_THAT(between.next(), ElementsAre("</TOOLCALL>"));
}

TEST(TagTokens, AnEndTokenStandsInATagWhereTheTextIsWholeBehindIt) {
  const Texts special = {"<|tool_calls|>",     "<|tool_call:begin|>", "<|tool_call:name|>",
                         "<|tool_call:args|>", "<|tool_call:end|>",   "<|calls|>"};
  Walk walk(vocabulary(special), required_call(true), form_of("solar"), {"<|calls|>"});
  ASSERT_TRUE(walk.take("<|tool_calls|><|tool_call:begin|>abcDEF012<|tool_call:name|>f<|tool_call:args|>{\"a\": 1}"));
  EXPECT_THAT(walk.next(), ElementsAre("<|tool_call:end|>"));
  ASSERT_TRUE(walk.take("<|tool_call:end|>"));
  EXPECT_THAT(walk.next(), UnorderedElementsAre("<|tool_call:begin|>", "<|calls|>"));
  EXPECT_TRUE(walk.take("<|calls|>"));
  EXPECT_TRUE(walk.complete());
  // At the beginning of a call it would leave a text that is none.
  Walk spelled(vocabulary(kMistral), required_call(), form_of("mistral"), {"[TOOL_CALLS]"});
  EXPECT_THAT(spelled.next(), ElementsAre("["));
  EXPECT_TRUE(spelled.spell("[TOOL_CALLS]f"));
}

TEST(TagTokens, WhiteSpaceThatATokenTakesAlongIsNotWritten) {
  Json file = Json::parse(vocabulary({"<tool_call>", "</tool_call>"}));
  file["added_tokens"][1]["lstrip"] = true;
  Walk walk(file.dump(), required_call(), {});
  ASSERT_TRUE(walk.take("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}"));
  EXPECT_THAT(walk.next(), ElementsAre("</tool_call>"));
}

TEST(TagTokens, ATokenThatIsReadAsAnotherTextWritesNoTag) {
  const ToolForm form{.open = "<tool▁call>", .close = "</tool▁call>"};
  Json file = Json::parse(vocabulary({"<tool▁call>", "</tool▁call>"}));
  EXPECT_THAT(Walk(file.dump(), required_call(), form).next(), ElementsAre("<tool▁call>"));
  file["decoder"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "never"}};
  EXPECT_THAT(Walk(file.dump(), required_call(), form).next(), ElementsAre("<"));
}

TEST(TagTokens, ATokenThatTheModelHasNotGotWritesNoTag) {
  const int characters = Tokenizer::characters(ascii_characters() + "｜▁").size();
  EXPECT_THAT(Walk(vocabulary(kMistral), required_call(), form_of("mistral"), {}, characters).next(), ElementsAre("["));
}

TEST(TagTokens, AnAddedTokenThatIsNotSpecialWritesATagAndIsTextElsewhere) {
  Json file = Json::parse(vocabulary({"<tool_call>", "</tool_call>"}));
  for (Json& token : file["added_tokens"]) token["special"] = token["normalized"] = false;
  Walk walk(file.dump(), required_call(), {});
  EXPECT_THAT(walk.next(), ElementsAre("<tool_call>"));
  ASSERT_TRUE(walk.take("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1, \"c\": \"</tool_call>"));
  EXPECT_THAT(walk.next_added(), UnorderedElementsAre("<tool_call>", "</tool_call>"));
  ASSERT_TRUE(walk.take("\"}}\n"));
  EXPECT_THAT(walk.next(), ElementsAre("</tool_call>"));
  Walk free(file.dump(), strict_call(), {});
  ASSERT_TRUE(free.take("so </tool_call> <tool_call>"));
  EXPECT_THAT(free.next(), ElementsAre("\n"));
  // One that is looked for in normalized text may be there or not.
  for (Json& token : file["added_tokens"]) token["normalized"] = true;
  EXPECT_THAT(Walk(file.dump(), required_call(), {}).next(), UnorderedElementsAre("<", "<tool_call>"));
}

/// What may come behind the token "<tag>" in a language of its mark and an "a", or a text; token 0 ends it.
Texts behind_tag(bool special, const std::string& text) {
  Json file = Json::parse(vocabulary({"<tag>"}));
  file["added_tokens"][0]["special"] = special;
  file["added_tokens"][0]["normalized"] = false;
  const Tokenizer tokenizer = Tokenizer::parse(file.dump(), "t");
  const TokenBytes bytes(tokenizer, tokenizer.size());
  const std::int32_t tag = tokenizer.added_token("<tag>").value();
  AutomatonBuilder builder;
  const auto marked = builder.sequence({builder.mark(tag), builder.text("a")});
  TokenMask mask(builder.build(builder.any_of({marked, builder.text(text)})), {0});
  const std::span<const std::uint8_t> allowed = mask.allowed(mask.after(mask.start(), tag, bytes), bytes);
  Texts texts;
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (allowed[i] != 0) texts.push_back(i == 0 ? "end" : tokenizer.piece(static_cast<std::int32_t>(i)));
  }
  return texts;
}

TEST(TokenMask, ATokenThatMayBeAMarkOrBytesIsBoth) {
  EXPECT_THAT(behind_tag(false, "<tag>b"), ElementsAre("a", "b"));
  EXPECT_THAT(behind_tag(false, "<tag>"), ElementsAre("end", "a"));
  EXPECT_THAT(behind_tag(false, "<b>"), ElementsAre("a"));
  EXPECT_THAT(behind_tag(true, "<tag>b"), ElementsAre("a"));
}

TEST(TagTokens, WordsOfARequestAreNoTags) {
  Json body = required_call();
  Json& function = body["tools"][0]["function"];
  function["name"] = "get_it";
  function["parameters"] = Json::parse(R"({"type": "object", "required": ["think"], "properties": {
    "think": {"enum": ["<|im_end|>"]}}})");
  Walk named(vocabulary({"get_it", "think", "<|im_end|>"}), body, form_of("qwen"));
  ASSERT_TRUE(named.take("<tool_call>\n<function="));
  EXPECT_THAT(named.next(), ElementsAre("g"));
  ASSERT_TRUE(named.spell("get_it>\n<parameter="));
  EXPECT_THAT(named.next(), ElementsAre("t"));
  ASSERT_TRUE(named.spell("think>\n"));
  EXPECT_THAT(named.next(), ElementsAre("<"));
  Walk tagged(vocabulary({"get_it", "think", "<|im_end|>", "name"}), body, {});
  EXPECT_TRUE(
      tagged.spell("<tool_call>\n{\"name\": \"get_it\", \"arguments\": {\"think\": \"<|im_end|>\"}}\n</tool_call>"));
}

TEST(TokenMask, OtherFormatsHoldNoSpecialToken) {
  const Tokenizer tokenizer = Tokenizer::parse(vocabulary({"[TOOL_CALLS]"}), "t");
  const TokenBytes bytes(tokenizer, tokenizer.size());
  TokenMask mask(language_of_schema({{"type", "string"}}, "schema"), {});
  const auto token = static_cast<std::size_t>(tokenizer.added_token("[TOOL_CALLS]").value());
  EXPECT_EQ(mask.allowed(mask.start(), bytes)[token], 0);
  const int in_text = mask.after(mask.start(), tokenizer.encode("\"").at(0), bytes);
  EXPECT_EQ(mask.allowed(in_text, bytes)[token], 0);
}

TEST(TokenMask, AMarkOfAnEndTokenMayComeWhereItMakesTheTextWhole) {
  const Tokenizer tokenizer = Tokenizer::parse(vocabulary({"<end>"}), "t");
  const TokenBytes bytes(tokenizer, tokenizer.size());
  const std::int32_t end = tokenizer.added_token("<end>").value();
  AutomatonBuilder builder;
  TokenMask last(builder.build(builder.mark(end)), {end});
  EXPECT_EQ(last.allowed(last.start(), bytes)[static_cast<std::size_t>(end)], 1);
  TokenMask first(builder.build(builder.sequence({builder.mark(end), builder.text("a")})), {end});
  EXPECT_THROW(first.allowed(first.start(), bytes), Error);
  // Of what the model has not got nothing comes.
  const TokenBytes fewer(tokenizer, end);
  TokenMask missing(builder.build(builder.any_of({builder.mark(end), builder.text("a")})), {});
  EXPECT_EQ(missing.allowed(missing.start(), fewer).size(), static_cast<std::size_t>(end));
}

/// A call that a model was made to write, whole and as a stream, and the tokens it was written in.
struct Made {
  Texts tokens = {};
  Json whole = nullptr;
  std::string streamed = {};
  std::string streamed_name = {};
};

Made made_by(const std::string& source, const Texts& special) {
  const AsciiModel model(source, 2048, special);
  const Served server({"-m", "m=" + model.path()});
  Json body = required_call();
  body["tools"][0]["function"]["parameters"]["properties"]["c"] = Json::parse(R"({"enum": ["x", "yz"]})");
  body["messages"] = Json::array({Json{{"role", "user"}, {"content", "hi"}}});
  body["seed"] = 5;
  body["max_tokens"] = 1000;
  body["logprobs"] = true;
  const Answer answer = server.post("/v1/chat/completions", body);
  EXPECT_EQ(answer.status, 200) << answer.json;
  Made made;
  const Json& choice = answer.json["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls") << choice;
  EXPECT_TRUE(choice["message"]["content"].is_null()) << choice;
  EXPECT_EQ(choice["message"]["tool_calls"].size(), 1U) << choice;
  made.whole = choice["message"]["tool_calls"][0]["function"];
  for (const Json& one : choice["logprobs"]["content"]) made.tokens.push_back(one["token"]);
  for (const std::string& line : server.stream("/v1/chat/completions", body)) {
    if (line == "[DONE]") continue;
    const Json delta = Json::parse(line)["choices"][0]["delta"];
    EXPECT_EQ(delta.value("content", ""), "");
    if (!delta.contains("tool_calls")) continue;
    const Json function = delta["tool_calls"][0]["function"];
    made.streamed_name += function.value("name", "");
    made.streamed += function["arguments"].get<std::string>();
  }
  return made;
}

/// Of the tokens those that are special.
Texts special_of(const Texts& tokens, const Texts& special) {
  const std::set<std::string> known(special.begin(), special.end());
  Texts found;
  for (const std::string& token : tokens) {
    if (known.contains(token)) found.push_back(token);
  }
  return found;
}

void expect_call(const Made& made) {
  EXPECT_EQ(made.whole["name"], "f");
  const Json arguments = Json::parse(made.whole["arguments"].get<std::string>());
  EXPECT_TRUE(arguments["a"].is_number_integer()) << arguments;
  EXPECT_EQ(made.streamed_name, "f");
  EXPECT_EQ(made.streamed, made.whole["arguments"]);
}

TEST(TagTokensServed, ARequiredCallIsWrittenInThemAndReadBack) {
  const Texts tags = {"<tool_call>", "</tool_call>"};
  const Made tagged = made_by(kTaggedTemplate, tags);
  expect_call(tagged);
  EXPECT_EQ(tagged.tokens.front(), "<tool_call>");
  EXPECT_EQ(special_of(tagged.tokens, tags), tags);

  const Made named = made_by(style_of("mistral").source(), kMistral);
  expect_call(named);
  EXPECT_THAT(special_of(named.tokens, kMistral), ElementsAre("[TOOL_CALLS]", "[ARGS]"));
  EXPECT_THAT(Texts(named.tokens.begin(), named.tokens.begin() + 3), ElementsAre("[TOOL_CALLS]", "f", "[ARGS]"));

  const Made deepseek = made_by(style_of("deepseek").source(), kSpecial[1].second);
  expect_call(deepseek);
  EXPECT_EQ(special_of(deepseek.tokens, kSpecial[1].second), kSpecial[1].second);

  const Made apart = made_by(style_of("glm close").source(), kSpecial[6].second);
  expect_call(apart);
  EXPECT_EQ(apart.tokens.front(), "<tool_call>");
  EXPECT_EQ(apart.tokens.back(), "</tool_call>");
}

}  // namespace
}  // namespace gyre::serve::tag_tokens_test
