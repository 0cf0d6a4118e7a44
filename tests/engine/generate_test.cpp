#include "engine/generate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "model_folder.hpp"
#include "text/utf8.hpp"

namespace gyre::engine_generate_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Heard {
  Generation result;
  std::string streamed;
  int tokens_heard = 0;
};

class Generate : public ::testing::Test {
 protected:
  /// One-hot embeddings, silent layers and a head that answers token t with t + 1, round and round.
  static ModelSpec counting_spec(int vocabulary) {
    ModelSpec spec = small_spec();
    spec.vocab_size = vocabulary;
    spec.hidden_size = vocabulary;
    spec.tied_head = false;
    spec.groups = {{"loop", 1, 2, Injection::none, FirstState::carried, 1.0F}};
    return spec;
  }

  static void count(Weights& weights, std::size_t vocabulary) {
    for (auto& [name, values] : weights) {
      if (name.find("norm") == std::string::npos) std::fill(values.begin(), values.end(), 0.0F);
    }
    for (std::size_t t = 0; t < vocabulary; ++t) {
      weights["embed.weight"][t * vocabulary + t] = 1;
      weights["head.weight"][(t + 1) % vocabulary * vocabulary + t] = 1;
    }
    for (float& value : weights["final_norm.weight"]) value = 1;
  }

  /// `padding` ids of the vocabulary stand for no token.
  static Heard run(const Tokenizer& tokenizer, const std::vector<std::int32_t>& prompt, GenerateOptions options,
                   int context = 24, int padding = 0) {
    const int vocabulary = tokenizer.size() + padding;
    ModelFolder folder(counting_spec(vocabulary));
    folder.rewrite([&](Weights& weights) { count(weights, static_cast<std::size_t>(vocabulary)); });
    const Model model = Model::load(folder.path());
    Engine engine(model, 1);
    Sequence sequence = engine.start({2}, context, KvPolicy{}, 1);
    options.sampling.temperature = 0;
    Heard heard;
    heard.result = generate(engine, sequence, tokenizer, prompt, options, nullptr, [&](const GeneratedToken& token) {
      heard.streamed += token.text;
      ++heard.tokens_heard;
    });
    return heard;
  }

  static Heard run(const std::string& prompt, const GenerateOptions& options, int context = 24) {
    const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
    return run(tokenizer, tokenizer.encode(prompt), options, context);
  }

  static GenerateOptions options(int tokens, std::vector<std::string> stops = {}) {
    GenerateOptions made;
    made.tokens = tokens;
    made.stops = std::move(stops);
    return made;
  }
};

TEST_F(Generate, DrawsNoIdThatStandsForNoToken) {
  // Behind the last character the model would say the first padding id; the next likeliest is any character.
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  const Heard got = run(tokenizer, tokenizer.encode("lm"), options(5), 24, 3);
  EXPECT_EQ(got.result.text, "no ab");
}

TEST_F(Generate, StreamsTheTextOfItsTokens) {
  const Heard got = run("ab", options(5));
  EXPECT_EQ(got.streamed, "cdefg");
  EXPECT_EQ(got.result.text, "cdefg");
  EXPECT_EQ(Tokenizer::characters(kTestCharacters).decode(got.result.tokens), got.streamed);
  EXPECT_EQ(got.result.reason, StopReason::length);
  EXPECT_EQ(got.tokens_heard, 5);
}

TEST_F(Generate, EndsBeforeAStopTextThatSeveralTokensMakeUp) {
  const Heard got = run("ab", options(10, {"fgh"}));
  EXPECT_EQ(got.streamed, "cde");
  EXPECT_EQ(got.result.text, "cde");
  EXPECT_EQ(got.result.reason, StopReason::stop_text);
  EXPECT_EQ(got.result.tokens.size(), 6U);
}

TEST_F(Generate, TextThatOnlyBeginsLikeAStopTextIsPrinted) {
  const Heard got = run("ab", options(6, {"efx", "hx"}));
  EXPECT_EQ(got.streamed, "cdefgh");  // "h" was held back and comes at the end
  EXPECT_EQ(got.result.reason, StopReason::length);
}

TEST_F(Generate, TheEarliestOfSeveralStopTextsCounts) {
  EXPECT_EQ(run("ab", options(10, {"hi", "ef"})).streamed, "cd");
  EXPECT_EQ(run("ab", options(10, {"g", "efgh"})).streamed, "cdef");
}

TEST_F(Generate, TextOfATokenBeforeTheStopTextIsKept) {
  // A token of several characters that holds the stop text in its middle.
  const Tokenizer tokenizer = Tokenizer::train_bpe("abcd abcd abcd abcd abcd", 259);
  const std::int32_t last = tokenizer.size() - 1;
  ASSERT_GT(tokenizer.piece(last).size(), 2U);
  const std::string piece = tokenizer.piece(last);
  const Heard got = run(tokenizer, {last - 1}, options(1, {piece.substr(1)}));
  EXPECT_EQ(got.result.reason, StopReason::stop_text);
  EXPECT_EQ(got.result.text, piece.substr(0, 1));
  EXPECT_EQ(got.streamed, piece.substr(0, 1));
}

TEST_F(Generate, AmongStopTextsInOneTokenTheFirstInTheTextCounts) {
  const Tokenizer tokenizer = Tokenizer::train_bpe("abcd abcd abcd abcd abcd", 259);
  const std::int32_t last = tokenizer.size() - 1;
  const std::string piece = tokenizer.piece(last);
  const Heard got = run(tokenizer, {last - 1}, options(1, {piece.substr(2, 1), piece.substr(1, 1)}));
  EXPECT_EQ(got.result.text, piece.substr(0, 1));
}

TEST_F(Generate, EndsBeforeAnEndTokenAndGoesOnWithoutOne) {
  GenerateOptions ends = options(6);
  const std::vector<std::int32_t> f = Tokenizer::characters(kTestCharacters).encode("f");
  ends.end_tokens = {0, f[0]};
  const Heard stopped = run("ab", ends);
  EXPECT_EQ(stopped.result.reason, StopReason::end_token);
  EXPECT_EQ(stopped.streamed, "cde");
  EXPECT_EQ(stopped.result.tokens.size(), 3U);
  ends.end_tokens.clear();
  const Heard full = run("ab", ends);
  EXPECT_EQ(full.result.reason, StopReason::length);
  EXPECT_EQ(full.streamed, "cdefgh");
}

TEST_F(Generate, EndsWhereTheContextEnds) {
  const Heard got = run("ab", options(100), 6);
  EXPECT_EQ(got.result.reason, StopReason::context);
  EXPECT_EQ(got.streamed, "cdefg");  // two positions for the prompt, four more inputs
  const Heard full = run("abcdef", options(100), 6);
  EXPECT_EQ(full.streamed, "g");  // a prompt that fills the context still has a next token
}

TEST_F(Generate, OnlyWholeCharactersAreStreamed) {
  // With one token a byte, the counting model runs through the bytes of no character at all.
  const Tokenizer tokenizer = Tokenizer::bytes();
  const std::int32_t before = tokenizer.encode("\xC3\xA9")[0];
  const Heard got = run(tokenizer, {before - 1}, options(3));
  EXPECT_EQ(first_invalid_utf8(got.streamed), std::string::npos);
  EXPECT_EQ(got.tokens_heard, 3);
}

TEST_F(Generate, NeedsAPrompt) {
  EXPECT_THAT([] { run("", options(1)); }, ThrowsMessage<Error>(HasSubstr("the prompt is empty")));
  EXPECT_THAT([] { run("abcdefgh", options(1), 6); }, ThrowsMessage<Error>(HasSubstr("of 6 positions")));
}

TEST(StopReasons, HaveNames) {
  EXPECT_EQ(name_of(StopReason::context), "context");
  EXPECT_EQ(name_of(StopReason::interrupted), "interrupted");
}

}  // namespace
}  // namespace gyre::engine_generate_test
