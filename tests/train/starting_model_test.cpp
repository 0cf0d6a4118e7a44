#include <gmock/gmock.h>

#include <cmath>

#include "base/file.hpp"
#include "engine/engine.hpp"
#include "format/json_object.hpp"
#include "model/checkpoint.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/data.hpp"
#include "train/trainer_fixture.hpp"

namespace gyre::starting_model_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

/// Runs that start from a model; the text is written in its characters.
class StartingModel : public TrainerTest {
 protected:
  StartingModel() {
    Random random(8);
    std::string text;
    for (int i = 0; i < 4000; ++i) text += kTestCharacters[random.below(kTestCharacters.size())];
    write("text.txt", text);
  }

  /// One step that changes nothing, unless told otherwise.
  static json settings(const json& changes = json::object()) {
    json training = {{"steps", 1},         {"batch", 2},           {"sequence", 8},         {"precision", "f32"},
                     {"learning_rate", 0}, {"evaluate_every", 20}, {"evaluate_windows", 2}, {"checkpoint_every", 10}};
    training.update(changes);
    return {{"training", training}};
  }

  TrainRequest started(const fs::path& from, const json& config, const std::string& out = "out") {
    TrainRequest asked = request(config, out);
    asked.from = from;
    return asked;
  }

  fs::path as_gguf(const ModelFolder& model, DType type) {
    const fs::path file = scratch_ / "model.gguf";
    convert(Checkpoint::open(model.path()), {type, {}}, file);
    return file;
  }
};

void expect_same_weights(const fs::path& trained, const fs::path& source) {
  const Model after = Model::load(trained);
  const Model before = Model::load(source);
  ASSERT_EQ(after.spec(), before.spec());
  for (const TensorInfo& info : tensor_table(before.spec())) {
    EXPECT_TRUE(after.tensor(info.name) == before.tensor(info.name)) << info.name;
  }
}

// Every switch is drawn; exit gates, which no pass reads, come through as well.
TEST_F(StartingModel, KeepsEveryWeightWhenNothingIsLearned) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    SCOPED_TRACE(seed);
    ModelSpec spec = random_spec(seed);
    spec.vocab_size = static_cast<int>(kTestCharacters.size()) + 3;  // more rows than the tokenizer has tokens
    const ModelFolder model(spec, seed);
    const std::string out = "out" + std::to_string(seed);
    ASSERT_TRUE(train(started(model.path(), settings(), out)));
    expect_same_weights(scratch_ / out / "model", model.path());
  }
}

TEST_F(StartingModel, OfAGgufFileIsWidened) {
  ModelSpec spec = small_spec();
  spec.hidden_size = 32;
  spec.ffn_size = 64;
  const ModelFolder model(spec);
  const fs::path file = as_gguf(model, DType::q8_0);
  ASSERT_EQ(Model::load(file).stored_type(), "Q8_0");
  ASSERT_TRUE(train(started(file, settings())));
  expect_same_weights(scratch_ / "out/model", file);
  EXPECT_EQ(Checkpoint::open(scratch_ / "out/model").language.tokenizer.file_text(),
            Checkpoint::open(file).language.tokenizer.file_text());
}

TEST_F(StartingModel, OfAnotherFamilyKeepsItsLanguage) {
  const fs::path source = scratch_ / "qwen3";
  fs::create_directories(source);
  const fs::path golden = fs::path(GYRE_TEST_DIR) / "parity/golden/qwen3";
  for (const char* const name : {"config.json", "model.safetensors"}) fs::copy(golden / name, source / name);
  Tokenizer::characters(kTestCharacters).save(source / "tokenizer.json");
  write("qwen3/chat_template.jinja", "{{ messages[0]['content'] }} a");
  write("qwen3/tokenizer_config.json", R"({"bos_token": "a", "pad_token": "b"})");
  write("qwen3/generation_config.json", R"({"eos_token_id": [4, 2], "top_k": 7})");
  ASSERT_TRUE(train(started(source, settings({{"export_bf16", false}}))));
  const fs::path out = scratch_ / "out/model";
  expect_same_weights(out, source);
  const Checkpoint after = Checkpoint::open(out);
  EXPECT_EQ(after.language.end_tokens, Checkpoint::open(source).language.end_tokens);
  const std::vector<ChatMessage> messages = {{"user", "b"}};
  EXPECT_EQ(after.chat_template().render(messages, true), "b a");
  EXPECT_TRUE(fs::exists(scratch_ / "out/checkpoints" / checkpoint_name(1) / "chat_template.jinja"));
}

TEST_F(StartingModel, FirstLossIsThatOfTheEngine) {
  const ModelFolder model;
  ASSERT_TRUE(train(started(model.path(), settings())));
  TrainConfig config;
  config.batch = 2;
  config.sequence = 8;
  const TrainingData data(config, TokenFile(scratch_ / "out/tokens.bin"));
  const Batch batch = data.training_batch(config.seed, 1);
  const Model loaded = Model::load(model.path());
  Engine engine(loaded, 1);
  double sum = 0;
  for (std::size_t row = 0; row < 2; ++row) {
    Sequence sequence = engine.start(loaded.spec().default_loops(), 8, KvPolicy{}, 0);
    const std::vector<std::int32_t> tokens(batch.inputs.begin() + static_cast<long>(8 * row),
                                           batch.inputs.begin() + static_cast<long>(8 * row + 8));
    const std::span<const float> logits = engine.prefill(sequence, tokens, Engine::Logits::all);
    const std::size_t vocabulary = logits.size() / 8;
    for (std::size_t t = 0; t < 8; ++t) {
      double total = 0;
      for (std::size_t i = 0; i < vocabulary; ++i) total += std::exp(static_cast<double>(logits[t * vocabulary + i]));
      const auto target = static_cast<std::size_t>(batch.targets[8 * row + t]);
      sum += std::log(total) - static_cast<double>(logits[t * vocabulary + target]);
    }
  }
  EXPECT_NEAR(metrics(scratch_ / "out").front().at("loss").get<double>(), sum / 16, 1e-5);
}

TEST_F(StartingModel, ResumesToTheLastBit) {
  const ModelFolder model;
  const json config = settings({{"steps", 20}, {"learning_rate", 0.01}, {"ema", 0.9}});
  const TrainRequest whole = started(model.path(), config, "whole");
  ASSERT_TRUE(train(whole));
  TrainRequest resumed = started(model.path(), config, "resumed");
  resumed.resume = true;
  fs::create_directories(resumed.out / "checkpoints");
  fs::copy(whole.out / "checkpoints" / checkpoint_name(10), resumed.out / "checkpoints" / checkpoint_name(10),
           fs::copy_options::recursive);
  ASSERT_TRUE(train(resumed));
  EXPECT_EQ(metrics(resumed.out), metrics(whole.out, 10));
  for (const std::string file : {"model/model.safetensors", "checkpoints/step-000020/average.safetensors",
                                 "checkpoints/step-000020/optimizer.safetensors"}) {
    EXPECT_TRUE(read_text(whole.out / file) == read_text(resumed.out / file)) << file;
  }
}

TEST_F(StartingModel, IsTheSameForEveryResumption) {
  const ModelFolder model;
  const ModelFolder other(small_spec(), 2);
  ASSERT_TRUE(train(started(model.path(), settings())));
  TrainRequest again = started(other.path(), settings({{"steps", 2}}));
  again.resume = true;
  EXPECT_THAT(message_of(again), AllOf(HasSubstr("step-000001"), HasSubstr("from_sha256 is")));
  again.from.clear();
  EXPECT_NE(message_of(again), "no error");
  json described = to_json(model.spec());
  described.update(settings({{"steps", 2}}));
  again = request(described, "out");
  again.resume = true;
  EXPECT_THAT(message_of(again), HasSubstr("from_sha256"));
}

TEST_F(StartingModel, ConfigMayAgreeWithIt) {
  const ModelFolder model;
  json config = settings();
  config.update({{"name", "my own"}, {"hidden_size", 16}, {"norm", "rms"}});
  config["groups"] = to_json(model.spec()).at("groups");
  ASSERT_TRUE(train(started(model.path(), config)));
  EXPECT_EQ(Model::load(scratch_ / "out/model").spec().name, "my own");
}

// Validation weighs every token alike, so that rows of several documents say what rows of one say.
TEST_F(StartingModel, PackedRowsHaveTheLossOfTheirDocumentsAlone) {
  const ModelFolder model;
  std::string lines;
  Random random(3);
  const auto word = [&] {
    std::string text;
    for (std::uint64_t i = 1 + random.below(5); i > 0; --i) text += kTestCharacters[1 + random.below(15)];
    return text;
  };
  for (int i = 0; i < 60; ++i) lines += json{{"prompt", word()}, {"answer", word()}}.dump() + "\n";
  const fs::path data = write("lines.jsonl", lines);
  std::vector<double> losses;
  for (const bool packing : {false, true}) {
    const json changes = {{"layout", "answers"},     {"packing", packing}, {"sequence", 20},
                          {"validation_share", 0.5}, {"batch", 4},         {"evaluate_windows", 60}};
    TrainRequest asked = started(model.path(), settings(changes), packing ? "packed" : "alone");
    asked.data = data;
    ASSERT_TRUE(train(asked));
    losses.push_back(metrics(asked.out).back().at("validation").at("default"));
  }
  EXPECT_NEAR(losses[0], losses[1], 1e-5);
}

TEST_F(StartingModel, LearnsChosenParametersAlone) {
  const ModelFolder model;
  json config = settings({{"steps", 3}, {"learning_rate", 0.01}, {"trainable", json::array({"inject", "final_norm"})}});
  ASSERT_TRUE(train(started(model.path(), config)));
  const Model after = Model::load(scratch_ / "out/model");
  const Model before = Model::load(model.path());
  for (const TensorInfo& info : tensor_table(before.spec())) {
    const bool chosen =
        info.name.find("inject") != std::string::npos || info.name.find("final_norm") != std::string::npos;
    EXPECT_EQ(after.tensor(info.name) == before.tensor(info.name), !chosen) << info.name;
  }
  config["training"]["trainable"] = json::array({"inject", "nowhere"});
  EXPECT_THAT(message_of(started(model.path(), config, "other")), HasSubstr("has \"nowhere\" in its name"));
  EXPECT_FALSE(fs::exists(scratch_ / "other"));
}

/// A plain model of four layers, and what evaluations of it say.
class RetrofittedModel : public StartingModel {
 protected:
  static ModelSpec plain_spec() {
    ModelSpec spec = small_spec();
    spec.groups = {plain_group("all", 4)};
    return spec;
  }
  json validation(const json& config, const std::string& out) {
    EXPECT_TRUE(train(started(model_.path(), config, out)));
    return metrics(scratch_ / out).back().at("validation");
  }
  static json retrofit(const json& changes = json::object()) {
    json config = settings(changes);
    config["training"]["evaluate_loops"] = json::array({"1"});
    config["retrofit"] = {{"loop", "1-2x4"}};
    return config;
  }
  const ModelFolder model_{plain_spec()};
};

TEST_F(RetrofittedModel, BeginsAsThePlainModelAtOneLoopAndAsLoopedLayersAtMore) {
  const double base = validation(settings(), "base").at("default");
  const json begun = validation(retrofit(), "begun");
  EXPECT_EQ(begun.at("1").get<double>(), base);
  json bare = retrofit();
  bare["retrofit"]["injection"] = "none";
  EXPECT_NEAR(begun.at("default").get<double>(), validation(bare, "bare").at("default").get<double>(), 1e-6);
  EXPECT_NE(begun.at("default"), begun.at("1"));
  const json learned =
      validation(retrofit({{"steps", 3}, {"learning_rate", 0.01}, {"trainable", json::array({"inject"})}}), "learned");
  EXPECT_EQ(learned.at("1").get<double>(), base);
  EXPECT_NE(learned.at("default"), begun.at("default"));
}

TEST_F(RetrofittedModel, AsksForWhatGoesTogether) {
  json plain = settings();
  plain["adapter"] = {{"rank", 2}};
  EXPECT_THAT(message_of(request(plain, "out")), HasSubstr("adapter changes a model that is there already"));
  const std::pair<json, std::string> changes[] = {{{{"training", {{"ema", 0.9}}}}, "ema"},
                                                  {{{"training", {{"optimiser", "muon"}}}}, "muon"},
                                                  {{{"training", {{"trainable", json::array({"mlp"})}}}}, "trainable"},
                                                  {{{"retrofit", {{"loop", "1-2x4"}}}}, "retrofit"}};
  for (const auto& [change, says] : changes) {
    json config = plain;
    config.merge_patch(change);
    EXPECT_THAT(message_of(started(model_.path(), config)), HasSubstr(says));
  }
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

TEST_F(StartingModel, SequenceIsNoLongerThanItsContextUnlessAskedFor) {
  const ModelFolder model;
  json config = settings();
  config["training"].erase("sequence");
  ASSERT_TRUE(train(started(model.path(), config)));
  const json state = load_json(scratch_ / "out/checkpoints" / checkpoint_name(1) / "training_state.json");
  EXPECT_EQ(state.at("run").at("training").at("sequence"), model.spec().context);
}

TEST_F(StartingModel, MistakesAreNamed) {
  const ModelFolder model;
  EXPECT_THAT(message_of(started(scratch_ / "nowhere", settings())), HasSubstr("nowhere"));
  struct Mistake {
    const char* key;
    json value;
    const char* named;
  };
  const Mistake mistakes[] = {{"/hidden_size", 32, "hidden_size is not as the model has it"},
                              {"/norm_placement", "post", "norm_placement is not as the model has it"},
                              {"/groups", {{{"name", "a"}}}, "groups is not as the model has it"},
                              {"/order", {0, 1, 0, 1}, "order is not as the model has it"},
                              {"/hidden", 3, "hidden"},
                              {"/training/vocabulary", "bytes", "training.vocabulary"},
                              {"/training/bpe_size", 300, "training.bpe_size"},
                              {"/training/sequence", 25, "training.sequence (25) is longer than context (24)"},
                              {"/training/ema", 1.5, "ema"}};
  for (const Mistake& mistake : mistakes) {
    json config = settings();
    config[json::json_pointer(mistake.key)] = mistake.value;
    EXPECT_THAT(message_of(started(model.path(), config)), AllOf(HasSubstr("config.json"), HasSubstr(mistake.named)));
    EXPECT_FALSE(fs::exists(scratch_ / "out"));
  }
}

}  // namespace
}  // namespace gyre::starting_model_test
