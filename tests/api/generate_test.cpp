#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "gyre/gyre.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::api_generate_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5};

class ApiGenerate : public ::testing::Test {
 protected:
  /// The likeliest token behind the prompt and so on, by an engine of the library: the prompt without its last token
  /// at once, then a token a pass.
  [[nodiscard]] std::vector<std::int32_t> likeliest(int count, const std::string& rule) const {
    const gyre::Model inner = gyre::Model::load(folder_.path());
    Engine engine(inner, 1);
    gyre::Sequence sequence = engine.start(inner.spec().default_loops(), 24, {}, 1);
    BoundedExit exit(parse_exit(rule), {inner.spec(), inner.spec().default_loops(), {}});
    engine.prefill(sequence, std::span(kPrompt).first(4), Engine::Logits::none);
    std::vector<std::int32_t> tokens = {kPrompt.back()};
    for (int i = 0; i < count; ++i) {
      TokenDepth depth;
      const auto logits = engine.decode(sequence, tokens.back(), &exit, depth);
      tokens.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    }
    return {tokens.begin() + 1, tokens.end()};
  }

  ModelFolder folder_ = ModelFolder(small_spec());
  api::Model model_ = api::Model::open(folder_.path());
  api::Runner runner_ = api::Runner(model_, {.threads = 1});
};

TEST_F(ApiGenerate, DrawsWhatTheEngineGives) {
  for (const std::string rule : {"fixed", "fixed:loops=2/1"}) {
    api::Sequence text = runner_.start({.exit = rule});
    std::string streamed;
    std::vector<std::vector<int>> loops;
    const api::Generation got = runner_.generate(text, kPrompt, {.tokens = 6, .temperature = 0, .ignore_end = true},
                                                 [&](const api::GeneratedToken& token) {
                                                   streamed += token.text;
                                                   loops.push_back(token.loops);
                                                 });
    EXPECT_EQ(got.tokens, likeliest(6, rule)) << rule;
    EXPECT_EQ(got.text, model_.decode(got.tokens));
    EXPECT_EQ(streamed, got.text);
    EXPECT_EQ(got.stop_reason, "length");
    EXPECT_EQ(got.passes, 6);
    EXPECT_TRUE(got.prompt_loops.empty());
    const std::vector<int> deep = rule == "fixed" ? std::vector<int>{1, 4, 3, 1} : std::vector<int>{1, 2, 1, 1};
    EXPECT_EQ(loops, std::vector<std::vector<int>>(6, deep));
    EXPECT_EQ(text.length(), 10);  // the last token is drawn, not run
  }
}

TEST_F(ApiGenerate, GoesOnWhereASequenceIs) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a prompt otherwise than one row";
  api::Sequence text = runner_.start();
  const api::Generation first = runner_.generate(text, kPrompt, {.tokens = 3, .temperature = 0});
  const api::Generation second = runner_.generate(text, {&first.tokens.back(), 1}, {.tokens = 3, .temperature = 0});
  std::vector<std::int32_t> both = first.tokens;
  both.insert(both.end(), second.tokens.begin(), second.tokens.end());
  EXPECT_EQ(both, likeliest(6, "fixed"));
}

TEST_F(ApiGenerate, StopsBeforeATextAndAtARequest) {
  api::Sequence text = runner_.start();
  const std::vector<std::int32_t> tokens = likeliest(6, "fixed");
  const std::string end = model_.decode({&tokens[2], 1});
  const api::Generation got = runner_.generate(text, kPrompt, {.tokens = 6, .temperature = 0, .stop = {end}});
  EXPECT_EQ(got.stop_reason, "stop_text");
  EXPECT_EQ(got.text.find(end), std::string::npos);

  std::atomic<bool> stop = false;
  api::Runner stopped(model_, {.threads = 1, .stop = &stop});
  api::Sequence other = stopped.start();
  const api::Generation less = stopped.generate(other, kPrompt, {.tokens = 6, .temperature = 0},
                                                [&](const api::GeneratedToken&) { stop = true; });
  EXPECT_EQ(less.stop_reason, "interrupted");
  EXPECT_EQ(less.tokens.size(), 1U);
}

TEST_F(ApiGenerate, DraftsCountAndKeepTheText) {
  api::Sequence text = runner_.start();
  const api::Generation got = runner_.generate(
      text, kPrompt, {.tokens = 6, .temperature = 0, .ignore_end = true, .draft = "loops=2/1,tokens=2"});
  EXPECT_EQ(got.tokens, likeliest(6, "fixed"));
  EXPECT_GT(got.draft.rounds + got.draft.plain, 0);
  EXPECT_LE(got.draft.accepted, got.draft.drafted);
}

TEST_F(ApiGenerate, PromptsThatExitTellTheirDepth) {
  api::Sequence text = runner_.start({.exit = "fixed:loops=2/1"});
  const api::Generation got =
      runner_.generate(text, kPrompt, {.tokens = 2, .temperature = 0, .logprobs = 2, .exit_prompt = "each"},
                       [](const api::GeneratedToken& token) {
                         ASSERT_EQ(token.logprobs.size(), 3U);  // its own, and the two likeliest
                         EXPECT_EQ(token.logprobs[0].token, token.token);
                         EXPECT_FLOAT_EQ(token.logprobs[0].logprob, token.logprobs[1].logprob);
                       });
  EXPECT_EQ(got.prompt_loops, std::vector<std::vector<int>>(4, {1, 2, 1, 1}));
}

TEST_F(ApiGenerate, ResultsSayWhatTheyDependOn) {
  const api::Sequence text = runner_.start({.loops = {1, 2, 3, 1},
                                            .context = 20,
                                            .exit = "step:tau=0.4",
                                            .kv = "latest:ring=2",
                                            .kv_type = "bf16",
                                            .first_state = "zero",
                                            .seed = 7});
  const nlohmann::json json = nlohmann::json::parse(runner_.provenance(text));
  EXPECT_EQ(json["model_sha256"], model_.digest());
  EXPECT_EQ(json["loops"], (std::vector<int>{1, 2, 3, 1}));
  EXPECT_EQ(json["exit"], "step:tau=0.4");
  EXPECT_EQ(json["kv_policy"], "latest:ring=2");
  EXPECT_EQ(json["kv_type"], "bf16");
  EXPECT_EQ(json["first_state"], "zero");
  EXPECT_EQ(json["context"], 20);
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["isa"], kernels().name);
  EXPECT_EQ(nlohmann::json::parse(runner_.provenance(runner_.start()))["exit"], "fixed");
}

TEST_F(ApiGenerate, MistakesAreNamedAsTheUserKnowsThem) {
  const api::Model flags = api::Model::open(folder_.path(), {.names = api::OptionNames::flags});
  api::Runner other(flags, {.threads = 1});
  struct Case {
    api::SequenceOptions sequence;
    api::GenerateOptions options;
    std::string field;
    std::string flag;
  };
  const std::vector<Case> cases = {
      {{}, {.tokens = 0}, "tokens: ", "--tokens: "},
      {{}, {.temperature = -1}, "temperature: ", "--temperature: "},
      {{}, {.top_p = 2}, "top_p: ", "--top-p: "},
      {{}, {.min_p = -1}, "min_p: ", "--min-p: "},
      {{}, {.top_k = -1}, "top_k: ", "--top-k: "},
      {{}, {.repetition_penalty = 0}, "repetition_penalty: ", "--repetition-penalty: "},
      {{}, {.logit_bias = {{16, 1.0F}}}, "logit_bias: there is no token 16", "--logit-bias: there is no token 16"},
      {{}, {.exit_prompt = "some"}, "exit_prompt: \"some\"", "--exit-prompt: \"some\""},
      {{}, {.draft = "deep"}, "draft: \"deep\"", "--draft: \"deep\""},
      {{.exit = "step:tau=1"}, {.draft = "loops=1"}, "leave out exit", "leave out --exit"},
      {{}, {.logprobs = 1, .draft = "loops=1"}, "leave out logprobs", "leave out --logprobs"},
      {{}, {.exit_prompt = "each", .draft = "loops=1"}, "leave out exit_prompt", "leave out --exit-prompt"},
  };
  for (const Case& one : cases) {
    api::Sequence text = runner_.start(one.sequence);
    EXPECT_THAT([&] { runner_.generate(text, kPrompt, one.options); }, ThrowsMessage<Error>(HasSubstr(one.field)));
    EXPECT_EQ(text.length(), 0);
    api::Sequence flagged = other.start(one.sequence);
    EXPECT_THAT([&] { other.check(flagged, kPrompt, one.options); }, ThrowsMessage<Error>(HasSubstr(one.flag)));
  }
  const auto starts = [&](const api::SequenceOptions& options) { static_cast<void>(runner_.start(options)); };
  EXPECT_THAT([&] { starts({.whole_prompt = true}); }, ThrowsMessage<Error>(HasSubstr("whole_prompt: this model")));
  EXPECT_THAT([&] { starts({.test_noise = "fixed=1"}); }, ThrowsMessage<Error>(HasSubstr("test_noise: ")));
  EXPECT_THAT([&] { starts({.diffuse = "inner=2"}); }, ThrowsMessage<Error>(HasSubstr("diffuse: ")));
  EXPECT_THAT([&] { starts({.exit = "step:tau=1", .diffuse = "inner=2"}); },
              ThrowsMessage<Error>(HasSubstr("leave out exit")));
  api::Sequence text = runner_.start();
  EXPECT_THAT([&] { runner_.generate(text, {}); }, ThrowsMessage<Error>(HasSubstr("prompt: there are no tokens")));
  EXPECT_THAT([&] { runner_.generate(text, std::vector<std::int32_t>(25, 1)); },
              ThrowsMessage<Error>(HasSubstr("prompt: 25 tokens are more than")));
  EXPECT_THAT([&] { static_cast<void>(flags.loops("9/9/9")); }, ThrowsMessage<Error>(HasSubstr("--loops")));
  EXPECT_EQ(flags.loops("2/1"), (std::vector<int>{1, 2, 1, 1}));
  EXPECT_EQ(flags.loops(""), (std::vector<int>{1, 4, 3, 1}));
}

TEST_F(ApiGenerate, AWavefrontGrowsByGenerateAlone) {
  ModelSpec spec = small_spec();
  spec.groups = {{"core", 1, 4, Injection::linear, FirstState::noise, 1.0F}};
  const ModelFolder folder(spec);
  const api::Model model = api::Model::open(folder.path());
  api::Runner runner(model, {.threads = 1});
  api::Sequence text = runner.start({.diffuse = "inner=4,steps=4,wavefront=1,freeze=fixed"});
  EXPECT_THAT([&] { runner.append(text, kPrompt); }, ThrowsMessage<Error>(HasSubstr("call generate()")));
  const api::GenerateOptions options = {.tokens = 4, .temperature = 0, .ignore_end = true};
  const api::Generation got = runner.generate(text, kPrompt, options);
  api::Sequence plain = runner.start();
  EXPECT_EQ(got.tokens, runner.generate(plain, kPrompt, options).tokens);  // one position at a time, all of its loops
  EXPECT_EQ(got.diffusion.steps, 5);                                       // the prompt's, and one a token
}

}  // namespace
}  // namespace gyre::api_generate_test
