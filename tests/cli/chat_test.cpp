#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "model_folder.hpp"

namespace gyre::chat_test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

/// `generate` with a conversation; the tokenizer of the model has a token for each of a few characters.
class Chat : public ::testing::Test {
 protected:
  Chat() {
    write_template(
        "{% for m in messages %}{{ m.role[0] if m.role[0] in 'abcdefghijklmno' else 'n' }} {{ m.content }}{% endfor "
        "%}");
  }

  void write_template(std::string_view text) const {
    write_text_atomically(folder_.path() / "chat_template.jinja", text);
  }
  [[nodiscard]] std::string write_messages(std::string_view text) const {
    const std::string file = folder_.beside("talk.json").string();
    write_text_atomically(file, text);
    return file;
  }

  [[nodiscard]] ProgramRun run(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"generate", "-m", folder_.path().string(), "-n", "1", "--temperature", "0"});
    return run_gyre(flags);
  }
  [[nodiscard]] nlohmann::json result(std::vector<std::string> flags) const {
    flags.emplace_back("--json");
    const ProgramRun done = run(std::move(flags));
    EXPECT_EQ(done.status, 0) << done.err;
    return done.status == 0 ? nlohmann::json::parse(done.out) : nlohmann::json::object();
  }
  [[nodiscard]] int prompt_tokens(std::vector<std::string> flags) const {
    return result(std::move(flags)).value("prompt_tokens", -1);
  }
  void expect_mistake(std::vector<std::string> flags, std::string_view message) const {
    const ProgramRun done = run(std::move(flags));
    EXPECT_EQ(done.status, 2) << done.out;
    EXPECT_THAT(done.err, HasSubstr(std::string(message)));
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  }

  ModelFolder folder_;
};

TEST_F(Chat, ThePromptIsWhatTheTemplateMakesOfIt) {
  EXPECT_EQ(prompt_tokens({"-p", "abc"}), 3);
  EXPECT_EQ(prompt_tokens({"--chat", "-p", "abc"}), 5);                    // "n abc"
  EXPECT_EQ(prompt_tokens({"--chat", "-p", "abc", "--system", "de"}), 9);  // "n den abc"
  const nlohmann::json told = result({"--chat", "-p", "abc", "--system", "de"});
  EXPECT_EQ(told["chat"], true);
  EXPECT_EQ(told["system"], "de");
  write_template("{{ messages|length * 'ab' }}{{ 'cde' if add_generation_prompt }}");
  EXPECT_EQ(prompt_tokens({"--chat", "-p", "abc"}), 5);
}

TEST_F(Chat, TemplateArgumentsAreVariables) {
  write_template("{{ 'ab' if think else 'c' }}{{ word }}{{ list|join }}");
  EXPECT_EQ(prompt_tokens({"--chat", "-p", "a"}), 1);
  EXPECT_EQ(prompt_tokens({"--chat", "-p", "a", "--template-arg", "think=true"}), 2);
  const nlohmann::json told = result({"--chat", "-p", "a", "--template-arg", "think=false", "--template-arg",
                                      "word=\"dog\"", "--template-arg", R"(list=["a","b"])"});
  EXPECT_EQ(told["prompt_tokens"], 6);
  EXPECT_EQ(told["template_arguments"], (std::vector<std::string>{"think=false", "word=\"dog\"", R"(list=["a","b"])"}));
}

TEST_F(Chat, AFileHoldsTheWholeConversation) {
  const std::string list = write_messages(R"([{"role": "a", "content": "b"}, {"role": "c", "content": "de"}])");
  EXPECT_EQ(prompt_tokens({"--messages", list}), 7);  // "a bc de"
  EXPECT_THAT(result({"--messages", list})["messages"].get<std::string>(), EndsWith("talk.json"));
  write_template("{{ 'abc' if tools }}{{ messages|length * 'd' }}{{ 'e' if documents }}");
  EXPECT_EQ(prompt_tokens({"--messages", list}), 2);
  EXPECT_EQ(prompt_tokens(
                {"--messages", write_messages(R"({"messages": [{"role": "user"}], "tools": [{}], "documents": [1]})")}),
            5);
}

TEST_F(Chat, MistakesAreNamed) {
  expect_mistake({"--chat"}, "--prompt: the prompt is empty");
  expect_mistake({"-p", "a", "--system", "b"}, "--system: a prompt has no system text; add --chat");
  expect_mistake({"-p", "a", "--template-arg", "k=1"}, "--template-arg: a prompt has no template; add --chat");
  expect_mistake({"--chat", "-p", "a", "--template-arg", "k"}, "is not KEY=JSON");
  expect_mistake({"--chat", "-p", "a", "--template-arg", "=1"}, "is not KEY=JSON");
  expect_mistake({"--chat", "-p", "a", "--template-arg", "k=flase"},
                 "k is flase, which is not JSON; texts need quotes");
  expect_mistake({"--chat", "-p", "a", "--template-arg", "k=1", "--template-arg", "k=2"}, "k is given twice");
  expect_mistake({"--chat", "-p", "a", "--template-arg", "tools=[]"}, "tools is set by the conversation");
  const std::string list = write_messages(R"([{"role": "user", "content": "a"}])");
  expect_mistake({"--messages", list, "-p", "a"}, "leave out --prompt and --system");
  for (const auto& [text, message] : {std::pair(R"([])", "the conversation is empty"),
                                      {"5", "the messages must be a list, found number"},
                                      {"{", "not valid JSON"},
                                      {R"({"tools": []})", "the key \"messages\" is missing"},
                                      {R"({"messages": [{"role": "user"}], "tool": []})", "unknown key \"tool\""},
                                      {R"({"messages": {}})", "messages must be a list, found object"},
                                      {R"(["a"])", "message 0 must be an object, found string"},
                                      {R"([{"role": "user", "content": 3}])", "message 0: content must be text"},
                                      {R"([{"role": "user"}, {"content": "a"}])", "message 1 has no \"role\""}}) {
    expect_mistake({"--messages", write_messages(text)}, message);
  }
  expect_mistake({"--messages", "/none/such.json"}, "/none/such.json");
  write_template("{{ raise_exception('no tools here') }}");
  expect_mistake({"--chat", "-p", "a"}, "chat_template.jinja: the template refuses this conversation: no tools here");
  std::filesystem::remove(folder_.path() / "chat_template.jinja");
  expect_mistake({"--chat", "-p", "a"}, "no chat template");
}

}  // namespace
}  // namespace gyre::chat_test
