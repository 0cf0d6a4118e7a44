#include "model/adapter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "golden_checkpoint.hpp"
#include "model/convert.hpp"
#include "model_folder.hpp"

namespace gyre::adapter_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

std::vector<float> draw(std::size_t count, double spread, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(spread * random.normal());
  return values;
}

/// An adapter of the modules named, or of all, with `loops` sets (0: one for all loops).
Adapter drawn(const Model& model, std::uint64_t seed, bool magnitudes, int loops,
              const std::vector<std::string>& targets = {"all-linear"}) {
  Random random(seed);
  Adapter adapter;
  adapter.rank = 1 + static_cast<int>(random.below(20));
  adapter.alpha = static_cast<double>(adapter.rank);
  adapter.magnitudes = magnitudes;
  adapter.loops = loops;
  const auto modules = model.adaptable();
  for (const std::string& module : targeted_modules(modules, targets)) {
    const ModulePlace& place = modules.at(module);
    for (int loop = loops == 0 ? -1 : 0; loop < loops; ++loop) {
      LowRank part{module, loop, static_cast<std::size_t>(adapter.rank), 1, {}, {}, {}};
      part.down = draw(part.rank * place.in, 0.2, random);
      part.up = draw((place.rows.end - place.rows.begin) * part.rank, 0.1, random);
      if (magnitudes) part.magnitude = draw(place.rows.end - place.rows.begin, 1.0, random);
      adapter.parts.push_back(std::move(part));
    }
  }
  return adapter;
}

std::vector<float> logits_of(const Model& model, int threads = 1, bool one_by_one = false) {
  Engine engine(model, threads);
  Sequence sequence = engine.start(model.spec().default_loops(), model.spec().context, {}, 1, NoiseStart::zero);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < std::min(6, model.spec().context); ++i) tokens.push_back((5 * i + 2) % model.spec().vocab_size);
  std::vector<float> all;
  if (!one_by_one) {
    const std::span<const float> logits = engine.prefill(sequence, tokens, Engine::Logits::all);
    return {logits.begin(), logits.end()};
  }
  TokenDepth depth;
  for (const std::int32_t token : tokens) {
    const std::span<const float> logits = engine.decode(sequence, token, nullptr, depth);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

/// The largest difference, in parts of the largest number (or of one).
float distance(const std::vector<float>& a, const std::vector<float>& b) {
  float worst = 0;
  float scale = 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

Model load_with(const std::filesystem::path& model, const std::filesystem::path& adapter) {
  return Model::load(model, {.adapter = adapter});
}

TEST(Adapter, ChangesRowsByHand) {
  // W = 0, A = [1 2], B = [3; 5], scale 2: W + 2 B A = [6 12; 10 20].
  const PlacedLowRank placed{{1, 3}, {"m", -1, 1, 2, {1, 2}, {3, 5}, {}}};
  std::vector<float> weights(6, 0.0F);
  merge(std::span(&placed, 1), 2, weights);
  EXPECT_THAT(weights, ElementsAre(0, 0, 6, 12, 10, 20));

  // With magnitudes the rows become as long: (3, 4) of length 5 becomes one of length 10.
  const PlacedLowRank doubled{{0, 1}, {"m", -1, 1, 1, {3, 0}, {1}, {10}}};
  std::vector<float> row = {0, 4};
  merge(std::span(&doubled, 1), 2, row);
  EXPECT_THAT(row, ElementsAre(6, 8));
}

TEST(Adapter, ScaleIsAlphaOverTheRankOrItsRoot) {
  EXPECT_FLOAT_EQ(adapter_scale(16, 4, false), 4.0F);
  EXPECT_FLOAT_EQ(adapter_scale(16, 4, true), 8.0F);
}

TEST(Adapter, RunsBesideTheWeightsAsItDoesMergedIntoThem) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ModelSpec spec = random_spec(seed);
    // What is left of two near states is mostly their rounding.
    for (Group& group : spec.groups) group.minus_state = false;
    const ModelFolder folder(spec, seed);
    const Model plain = Model::load(folder.path());
    const bool magnitudes = seed % 3 == 0;
    write_adapter(folder.beside("adapter"), drawn(plain, seed, magnitudes, 0));
    const Model adapted = load_with(folder.path(), folder.beside("adapter"));
    const Checkpoint checkpoint{load_with(folder.path(), folder.beside("adapter")), load_language(folder.path())};
    convert(checkpoint, parse_storage("f32", {}), folder.beside("merged"));
    const std::vector<float> expected = logits_of(Model::load(folder.beside("merged")));
    EXPECT_LE(distance(logits_of(adapted), expected), 1e-5F);
    EXPECT_LE(distance(logits_of(adapted, 3), expected), 1e-5F);
    EXPECT_LE(distance(logits_of(adapted, 2, true), expected), 1e-5F);
    EXPECT_GT(distance(logits_of(plain), expected), 1e-3F);
    EXPECT_NE(adapted.hash(), plain.hash());
  }
}

/// Queries, keys and values are rows of one matrix here, as gate and up are: an adapter may change a part of it alone.
TEST(Adapter, OfOneModuleAloneRunsAsItDoesMerged) {
  const fs::path source = golden() / "llama";
  const ModelFolder words;  // the checkpoint has none of its own
  const Model plain = Model::load(source);
  for (const std::string module : {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}) {
    SCOPED_TRACE(module);
    for (const bool magnitudes : {false, true}) {
      const ScratchFolder scratch;
      write_adapter(scratch / "adapter", drawn(plain, 3, magnitudes, 0, {module}));
      const Model adapted = load_with(source, scratch / "adapter");
      const Checkpoint checkpoint{load_with(source, scratch / "adapter"), load_language(words.path())};
      convert(checkpoint, parse_storage("f32", {}), scratch / "merged");
      const std::vector<float> expected = logits_of(Model::load(scratch / "merged"));
      EXPECT_LE(distance(logits_of(adapted, 3), expected), 1e-5F);
      EXPECT_LE(distance(logits_of(adapted, 2, true), expected), 1e-5F);
      EXPECT_GT(distance(logits_of(plain), expected), 1e-3F);
    }
  }
}

TEST(Adapter, ASetALoopIsWhatAStackOfGroupsWithWeightsOfTheirOwnComputes) {
  ModelSpec looped = small_spec();
  looped.groups = {plain_group("first", 1), plain_group("loop", 2), plain_group("last", 1)};
  ModelSpec unrolled = looped;
  looped.groups[1].loops = 3;
  unrolled.groups = {plain_group("first", 1), plain_group("a", 2), plain_group("b", 2), plain_group("c", 2),
                     plain_group("last", 1)};
  for (const bool magnitudes : {false, true}) {
    const ModelFolder one(looped, 3);
    ModelFolder three(unrolled, 4);
    const Model model = Model::load(one.path());
    const Adapter sets = drawn(model, 5, magnitudes, 3, {"groups.1.layers.0.attn.qkv", "groups.1.layers.1.mlp.down"});
    write_adapter(one.beside("sets"), sets);
    three.rewrite([&](Weights& weights) {
      for (auto& [name, values] : weights) {
        std::string source = name;
        int loop = -1;
        if (name.starts_with("groups.")) {
          const int group = name[7] - '0';
          loop = group >= 1 && group <= 3 ? group - 1 : -1;
          source[7] = group == 0 ? '0' : group == 4 ? '2' : '1';
        }
        values = one.weights().at(source);
        for (const LowRank& part : sets.parts) {
          if (part.module + ".weight" != source || part.loop != loop) continue;
          const PlacedLowRank all{{0, part.up.size() / part.rank}, part};
          merge(std::span(&all, 1), part.down.size() / part.rank, values);
        }
      }
    });
    const std::vector<float> expected = logits_of(Model::load(three.path()));
    const Model with_sets = load_with(one.path(), one.beside("sets"));
    EXPECT_LE(distance(logits_of(with_sets), expected), 1e-5F);
    EXPECT_LE(distance(logits_of(with_sets, 2, true), expected), 1e-5F);
    EXPECT_THAT([&] { (void)with_sets.tensor("groups.1.layers.0.attn.qkv.weight"); },
                ThrowsMessage<Error>(HasSubstr("a set for each loop")));
  }
}

TEST(Adapter, ModulesOfAPublishedModelAreNamedAsItsFilesNameThem) {
  const Model model = Model::load(golden() / "llama");
  const auto modules = model.adaptable();
  const ModulePlace& keys = modules.at("model.layers.1.self_attn.k_proj");
  const ModelSpec& spec = model.spec();
  EXPECT_TRUE(keys.tensor.ends_with("layers.1.attn.qkv.weight")) << keys.tensor;
  EXPECT_EQ(keys.rows.begin, static_cast<std::size_t>(spec.attention_size()));
  EXPECT_EQ(keys.rows.end, static_cast<std::size_t>(spec.attention_size() + spec.kv_size()));
  const ModulePlace& up = modules.at("model.layers.0.mlp.up_proj");
  EXPECT_EQ(up.rows.begin, static_cast<std::size_t>(spec.ffn_size));
  EXPECT_THAT(targeted_modules(modules, {"q_proj"}), SizeIs(modules.size() / 7));
  EXPECT_THAT([&] { targeted_modules(modules, {"query"}); }, ThrowsMessage<Error>(HasSubstr("\"query\"")));

  const ScratchFolder scratch;
  write_adapter(scratch / "a", drawn(model, 2, false, 0, {"k_proj"}));
  const std::vector<float> before = model.tensor(keys.tensor);
  const std::vector<float> after = load_with(golden() / "llama", scratch / "a").tensor(keys.tensor);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t row = i / keys.in;
    EXPECT_EQ(before[i] != after[i], row >= keys.rows.begin && row < keys.rows.end) << "row " << row;
  }
}

/// What scripts/make_peft_golden writes.
TEST(Adapter, ComputesWhatPeftComputesWithItsFiles) {
  const fs::path peft = fs::path(GYRE_TEST_DIR) / "model" / "golden" / "peft";
  const Safetensors expected(peft / "expected.safetensors");
  const std::vector<std::int32_t> tokens = {5, 17, 20, 3, 9, 42, 7, 50};
  for (const std::string kind : {"lora", "rslora", "dora", "ranks"}) {
    const Model model = load_with(golden() / "llama", peft / kind);
    Engine engine(model, 1);
    Sequence sequence = engine.start(model.spec().default_loops(), 16, {}, 1);
    const std::span<const float> logits = engine.prefill(sequence, tokens, Engine::Logits::all);
    std::vector<float> wanted(expected.at(kind).element_count());
    widen(expected.at(kind), wanted);
    EXPECT_LT(distance({logits.begin(), logits.end()}, wanted), 1e-5F) << kind;
  }
}

TEST(Adapter, FilesGiveBackWhatWasWritten) {
  const ModelFolder folder;
  Adapter adapter = drawn(Model::load(folder.path()), 7, true, 4, {"groups.1.layers.0.mlp.up"});
  adapter.alpha = 3;
  adapter.rank_stabilised = true;
  adapter.weights_sha256 = "ab";
  write_adapter(folder.beside("a"), adapter);
  const Adapter read = read_adapter(folder.beside("a"));
  EXPECT_EQ(read.loops, 4);
  EXPECT_EQ(read.weights_sha256, "ab");
  ASSERT_EQ(read.parts.size(), adapter.parts.size());
  for (std::size_t i = 0; i < read.parts.size(); ++i) {
    EXPECT_EQ(read.parts[i].loop, adapter.parts[i].loop);
    EXPECT_EQ(read.parts[i].down, adapter.parts[i].down);
    EXPECT_EQ(read.parts[i].up, adapter.parts[i].up);
    EXPECT_EQ(read.parts[i].magnitude, adapter.parts[i].magnitude);
    EXPECT_FLOAT_EQ(read.parts[i].scale, adapter_scale(3, read.parts[i].rank, true));
  }
}

TEST(Adapter, AnotherRankOrAlphaIsAPartsOwn) {
  const ModelFolder folder;
  write_adapter(folder.beside("a"), drawn(Model::load(folder.path()), 7, false, 0,
                                          {"groups.0.layers.0.mlp.up", "groups.0.layers.0.mlp.down"}));
  nlohmann::json config = load_json(folder.beside("a") / "adapter_config.json");
  config["lora_alpha"] = 2;
  config["alpha_pattern"] = {{"mlp.up", 12}};
  write_text_atomically(folder.beside("a") / "adapter_config.json", config.dump());
  for (const LowRank& part : read_adapter(folder.beside("a")).parts) {
    const double alpha = part.module.ends_with("up") ? 12 : 2;
    EXPECT_FLOAT_EQ(part.scale, static_cast<float>(alpha / static_cast<double>(part.rank)));
  }
}

class BadAdapter : public ::testing::Test {
 protected:
  BadAdapter() { write_adapter(path(), drawn(Model::load(folder_.path()), 7, false, 0)); }
  [[nodiscard]] std::filesystem::path path() const { return folder_.beside("a"); }
  void set(const std::string& key, const nlohmann::json& value) const {
    nlohmann::json config = load_json(path() / "adapter_config.json");
    config[key] = value;
    write_text_atomically(path() / "adapter_config.json", config.dump());
  }
  void expect_refused(const std::string& why) const {
    EXPECT_THAT([&] { (void)load_with(folder_.path(), path()); }, ThrowsMessage<Error>(HasSubstr(why)));
  }

  const ModelFolder folder_;
};

TEST_F(BadAdapter, OfAnotherKindIsRefusedByItsKey) {
  const std::pair<std::string, nlohmann::json> keys[] = {
      {"peft_type", "LOHA"},       {"bias", "all"},
      {"fan_in_fan_out", true},    {"modules_to_save", nlohmann::json::array({"lm_head"})},
      {"lora_bias", true},         {"layer_replication", nlohmann::json::array({1})},
      {"target_parameters", "x"},  {"init_lora_weights", "pissa_niter_4"},
      {"a_key_of_tomorrow", true}, {"use_dora", true}};
  for (const auto& [key, value] : keys) {
    const nlohmann::json kept = load_json(path() / "adapter_config.json");
    set(key, value);
    expect_refused(key);
    write_text_atomically(path() / "adapter_config.json", kept.dump());
  }
  set("modules_to_save", nullptr);  // asks for nothing
  set("eva_config", nullptr);
  set("a_key_of_tomorrow", nullptr);
  set("use_a_key_of_tomorrow", false);
  EXPECT_NO_THROW((void)load_with(folder_.path(), path()));
}

TEST_F(BadAdapter, OfAnotherModelIsRefused) {
  write_text_atomically(path() / "gyre_adapter.json", R"({"weights_sha256": "00ff", "loops": 0})");
  expect_refused("00ff");
  std::filesystem::remove(path() / "gyre_adapter.json");
  EXPECT_NO_THROW((void)load_with(folder_.path(), path()));
  ModelSpec wider = small_spec();
  wider.ffn_size += 8;
  const ModelFolder other(wider);
  EXPECT_THAT([&] { (void)load_with(other.path(), path()); }, ThrowsMessage<Error>(HasSubstr("another model's")));
}

TEST_F(BadAdapter, WithoutOneOfItsFilesIsRefused) {
  std::filesystem::remove(path() / "adapter_model.safetensors");
  expect_refused("adapter_model.safetensors");
}

TEST_F(BadAdapter, WithATensorTooFewOrOfAnotherNameIsRefused) {
  const std::vector<float> two = {1, 2};
  const auto write = [&](const std::string& name) {
    const NamedTensor tensor{name, {DType::f32, {1, 2}, std::as_bytes(std::span(two))}};
    write_safetensors(path() / "adapter_model.safetensors", std::span(&tensor, 1));
  };
  write("base_model.model.groups.0.layers.0.mlp.up.lora_A.weight");
  expect_refused("only one of lora_A and lora_B");
  write("base_model.model.embed.lora_embedding_A");
  expect_refused("lora_embedding_A");
}

}  // namespace
}  // namespace gyre::adapter_test
