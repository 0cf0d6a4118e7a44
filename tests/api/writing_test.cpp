#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "base/stop.hpp"
#include "gyre/gyre.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::writing_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5};

class Writing : public ::testing::Test {
 protected:
  ModelFolder folder_ = ModelFolder(small_spec());
  api::Model model_ = api::Model::open(folder_.path());
  api::Runner runner_ = api::Runner(model_, {.threads = 1});
};

TEST_F(Writing, GivesTheTextOfGenerateATokenAtATime) {
  const api::GenerateOptions options{.tokens = 6, .seed = 3, .ignore_end = true};
  api::Sequence whole = runner_.start();
  const api::Generation wanted = runner_.generate(whole, kPrompt, options);
  api::Sequence first = runner_.start();
  api::Sequence second = runner_.start();
  api::Writing one = runner_.write(first, kPrompt, options);
  api::Writing two = runner_.write(second, kPrompt, options);
  EXPECT_EQ(first.length(), 0);  // nothing has run yet
  std::vector<std::int32_t> tokens;
  for (int t = 0; t < 6; ++t) {  // in turn
    const auto token = one.next();
    const auto same = two.next();
    ASSERT_TRUE(token && same);
    EXPECT_EQ(token->token, same->token);
    tokens.push_back(token->token);
    EXPECT_EQ(one.result().tokens, tokens);
    EXPECT_EQ(one.result().stop_reason, t < 5 ? "interrupted" : "length");
  }
  EXPECT_EQ(tokens, wanted.tokens);
  EXPECT_FALSE(one.next());
  EXPECT_FALSE(one.next());
  EXPECT_EQ(one.result().text, wanted.text);
  EXPECT_EQ(one.result().stop_reason, "length");
  EXPECT_EQ(one.result().passes, wanted.passes);
}

TEST_F(Writing, HooksReachThePromptAndEveryPass) {
  std::vector<std::pair<int, std::size_t>> seen;  // position and rows, of the third loop of a group
  const api::Hook hook = [&](const api::LoopStates& now) {
    if (now.group == 1 && now.loop == 3) seen.emplace_back(now.position, now.states.size() / 16);
  };
  api::Sequence text = runner_.start();
  runner_.generate(text, kPrompt, {.tokens = 2, .temperature = 0, .ignore_end = true, .hook = hook});
  EXPECT_EQ(seen, (std::vector<std::pair<int, std::size_t>>{{0, 4}, {4, 1}, {5, 1}}));
  // Each token of a prompt alone, and all as one.
  for (const std::string prompt_exit : {"each", "whole"}) {
    seen.clear();
    api::Sequence other = runner_.start({.exit = "fixed:loops=3/1"});
    runner_.generate(other, kPrompt, {.tokens = 1, .temperature = 0, .exit_prompt = prompt_exit, .hook = hook});
    EXPECT_EQ(seen.front(), (std::pair<int, std::size_t>{0, prompt_exit == "each" ? 4 : 5})) << prompt_exit;
  }
  const api::GenerateOptions drafted{.draft = "loops=2/1,tokens=2", .hook = hook};
  api::Sequence last = runner_.start();
  EXPECT_THAT([&] { runner_.write(last, kPrompt, drafted); }, ThrowsMessage<Error>(HasSubstr("leave out hook")));
}

TEST_F(Writing, WhatAHookWritesIsWhatTheNextLoopStartsFrom) {
  const auto likeliest = [&](const api::Hook& hook) {
    api::Sequence text = runner_.start();
    return runner_.generate(text, kPrompt, {.tokens = 4, .temperature = 0, .ignore_end = true, .hook = hook}).tokens;
  };
  // With the states that leave the last loops taken away, all that is left of a token is nothing: equal tokens.
  const auto blank = likeliest([](const api::LoopStates& now) {
    if (now.group == 3) std::fill(now.states.begin(), now.states.end(), 0.0F);
  });
  EXPECT_EQ(blank, std::vector<std::int32_t>(4, 0));
  EXPECT_NE(likeliest({}), blank);
}

TEST_F(Writing, AStopIsAskedForBetweenLoopsAndMayThrow) {
  int asked = 0;
  api::Runner asking(model_, {.threads = 1, .stop_when = [&] {
                                if (++asked == 20) throw std::runtime_error("enough");
                                return false;
                              }});
  api::Sequence text = asking.start();
  api::Writing writing = asking.write(text, kPrompt, {.tokens = 8, .temperature = 0, .ignore_end = true});
  std::vector<std::int32_t> tokens;
  bool thrown = false;
  while (tokens.size() < 8) {
    try {
      tokens.push_back(writing.next()->token);
    } catch (const std::runtime_error& failure) {
      EXPECT_STREQ(failure.what(), "enough");
      thrown = true;  // and the text goes on where it was
    }
  }
  EXPECT_TRUE(thrown);
  api::Sequence other = runner_.start();
  EXPECT_EQ(tokens, runner_.generate(other, kPrompt, {.tokens = 8, .temperature = 0, .ignore_end = true}).tokens);

  api::Runner ended(model_, {.threads = 1, .stop_when = [] { return true; }});
  api::Sequence none = ended.start();
  EXPECT_THROW(ended.append(none, kPrompt), Interrupted);
  EXPECT_TRUE(ended.idle());
}

TEST_F(Writing, LogitsOfAllTokensAreHeard) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a prompt otherwise than one row";
  api::Runner chunked(model_, {.threads = 1, .chunk = 2, .prefix_bytes = std::size_t{1} << 24U});
  std::vector<float> heard(5 * 16);
  api::Sequence text = chunked.start();
  const api::Step step = chunked.append(text, kPrompt, {}, [&](std::size_t first, std::span<const float> logits) {
    std::copy(logits.begin(), logits.end(), heard.begin() + static_cast<std::ptrdiff_t>(first * 16));
  });
  api::Sequence single = runner_.start();
  for (std::size_t t = 0; t < 5; ++t) {
    const std::vector<float> wanted = runner_.append(single, {&kPrompt[t], 1}).logits;
    EXPECT_EQ(std::vector<float>(heard.begin() + static_cast<std::ptrdiff_t>(16 * t),
                                 heard.begin() + static_cast<std::ptrdiff_t>(16 * (t + 1))),
              wanted);
  }
  EXPECT_EQ(step.logits, std::vector<float>(heard.end() - 16, heard.end()));
}

TEST_F(Writing, ScoresAreLogProbabilities) {
  const std::vector<float> logits = {0, std::log(2.0F), std::log(5.0F)};
  const api::TokenScore score = api::score(logits, 1);
  EXPECT_NEAR(score.logprob, std::log(0.25F), 1e-6F);
  EXPECT_EQ(score.likeliest, 2);
  EXPECT_THAT([&] { api::score(logits, 3); }, ThrowsMessage<Error>(HasSubstr("token 3 is outside the vocabulary")));
}

TEST_F(Writing, TextsBecomeVectors) {
  ModelSpec spec = small_spec();
  spec.encoder = true;
  const ModelFolder folder(spec, 5);
  const api::Model encoder = api::Model::open(folder.path());
  api::Embedder embedder(encoder, {.threads = 1});
  const std::vector<std::string> texts = {"abc", "mno"};
  const std::vector<float> rows = embedder.embed(texts);
  ASSERT_EQ(rows.size(), 32U);
  double length = 0;
  for (std::size_t i = 0; i < 16; ++i) length += static_cast<double>(rows[i]) * static_cast<double>(rows[i]);
  EXPECT_NEAR(length, 1.0, 1e-5);
  const std::vector<float> alone = embedder.embed({&texts[1], 1});
  EXPECT_EQ(std::vector<float>(rows.begin() + 16, rows.end()), alone);
  api::Embedder longer(encoder, {.pooling = "last", .normalize = false, .threads = 1});
  EXPECT_NE(longer.embed({&texts[1], 1}), alone);
  EXPECT_THAT([&] { api::Embedder(encoder, {.pooling = "sum"}); }, ThrowsMessage<Error>(HasSubstr("pooling")));
  EXPECT_THAT([&] { api::Embedder(encoder, {.most_tokens = 99}); },
              ThrowsMessage<Error>(HasSubstr("max_tokens: 99 is not within the 24 positions")));
}

TEST_F(Writing, TokensHaveNamesAndTextsGoOn) {
  EXPECT_EQ(model_.token_name(1), "a");
  EXPECT_EQ(model_.encode_further("ab"), (std::vector<std::int32_t>{1, 2}));
  EXPECT_THAT([&] { static_cast<void>(model_.token_name(16)); },
              ThrowsMessage<Error>(HasSubstr("there is no token 16 in a vocabulary of 16")));
}

}  // namespace
}  // namespace gyre::writing_test
