#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "golden_checkpoint.hpp"
#include "model/families.hpp"

// Switches of published configurations that gyre does, against the NumPy references: the golden checkpoint under
// another value of one key has to give other logits, those of the reference.

namespace gyre::switches_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr float kTolerance = 1e-4F;

/// Logits of the first `loops` loops of every looped group.
std::vector<float> logits_at(const Model& model, const Expected& expected, int loops) {
  Engine engine(model, 1);
  std::vector<int> depth = model.spec().default_loops();
  for (const int group : model.spec().looped_groups()) depth[static_cast<std::size_t>(group)] = loops;
  Sequence sequence = engine.start(depth, 64, {}, 1, NoiseStart::zero);
  const std::span<const float> all = engine.prefill(sequence, expected.tokens(), Engine::Logits::all);
  return {all.begin(), all.end()};
}

class Switch : public ::testing::Test {
 protected:
  /// The checkpoint as it now is gives the reference's `result`, which is not what the unchanged one gives.
  void expect(const std::string& result, int loops = 1) {
    const std::vector<float> wanted = expected.floats("logits." + result);
    EXPECT_LT(error(logits_at(checkpoint.load(), expected, loops), wanted), kTolerance) << result;
    EXPECT_GT(error(logits_at(Model::load(golden() / family), expected, loops), wanted), 1e-2F) << result;
  }
  void add_biases(const std::vector<std::string>& of) {
    for (const std::string& name : expected.names_ending(".bias")) {
      const bool wanted = std::any_of(
          of.begin(), of.end(), [&name](const std::string& part) { return name.find(part) != std::string::npos; });
      if (wanted) checkpoint.add(name, expected.shape(name), expected.floats(name));
    }
  }

  explicit Switch(std::string name) : family(std::move(name)), expected(family), checkpoint(family) {}
  std::string family;
  Expected expected;
  ChangedCheckpoint checkpoint;
};

class Gpt2Switch : public Switch {
 protected:
  Gpt2Switch() : Switch("gpt2") {}
};
class LlamaSwitch : public Switch {
 protected:
  LlamaSwitch() : Switch("llama") {}
};
class ParcaeSwitch : public Switch {
 protected:
  ParcaeSwitch() : Switch("parcae") {}
};

class RavenTrainingSwitch : public Switch {
 protected:
  RavenTrainingSwitch() : Switch("raven_training") {}
};
class RetrofitOlmo2Switch : public Switch {
 protected:
  RetrofitOlmo2Switch() : Switch("retrofit_olmo2") {}
};
class BaseLoopSwitch : public Switch {
 protected:
  BaseLoopSwitch() : Switch("base_loop") {}
};
class AttractorSwitch : public Switch {
 protected:
  AttractorSwitch() : Switch("attractor") {}
};

TEST_F(Gpt2Switch, AHeadOfItsOwn) {
  checkpoint.config["tie_word_embeddings"] = false;
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); }, ThrowsMessage<Error>(HasSubstr("lm_head.weight")));
  checkpoint.add("lm_head.weight", expected.shape("lm_head.weight"), expected.floats("lm_head.weight"));
  expect("untied");
  // A second copy of a tied head is not read.
  checkpoint.config["tie_word_embeddings"] = true;
  EXPECT_LT(error(logits_at(checkpoint.load(), expected, 1), expected.floats("logits")), kTolerance);
}

TEST_F(Gpt2Switch, ScoresThatAreNotScaled) {
  checkpoint.config["scale_attn_weights"] = false;
  expect("unscaled");
}

TEST_F(Gpt2Switch, ScoresDividedByTheNumberOfTheLayer) {
  checkpoint.config["scale_attn_by_inverse_layer_idx"] = true;
  expect("by_layer");
  checkpoint.config["scale_attn_weights"] = false;
  expect("unscaled_by_layer");
}

TEST_F(Gpt2Switch, TheExactGelu) {
  for (const char* const name : {"gelu", "gelu_python"}) {
    checkpoint.config["activation_function"] = name;
    EXPECT_EQ(checkpoint.load().spec().mlp, MlpKind::gelu);
    EXPECT_LT(error(logits_at(checkpoint.load(), expected, 1), expected.floats("logits.gelu")), kTolerance);
  }
  for (const char* const name : {"gelu_fast", "gelu_pytorch_tanh"}) {
    checkpoint.config["activation_function"] = name;
    EXPECT_LT(error(logits_at(checkpoint.load(), expected, 1), expected.floats("logits")), kTolerance);
  }
}

TEST_F(Gpt2Switch, AnMlpOfItsOwnWidth) {
  const int inner = 2 * checkpoint.config.at("n_embd").get<int>();
  checkpoint.config["n_inner"] = inner;
  for (auto& [name, stored] : checkpoint.tensors) {
    const auto rows = static_cast<std::size_t>(stored.shape[0]);
    if (name.ends_with("mlp.c_fc.weight")) {
      std::vector<float> narrow;
      const std::size_t columns = stored.values.size() / rows;
      for (std::size_t r = 0; r < rows; ++r) {
        narrow.insert(narrow.end(), stored.values.begin() + static_cast<std::ptrdiff_t>(r * columns),
                      stored.values.begin() + static_cast<std::ptrdiff_t>(r * columns) + inner);
      }
      stored = {{stored.shape[0], inner}, narrow};
    } else if (name.ends_with("mlp.c_fc.bias") || name.ends_with("mlp.c_proj.weight")) {
      stored.values.resize(stored.values.size() / rows * static_cast<std::size_t>(inner));
      stored.shape[0] = inner;
    }
  }
  expect("narrow");
}

TEST_F(LlamaSwitch, Biases) {
  checkpoint.config["attention_bias"] = true;
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); }, ThrowsMessage<Error>(HasSubstr("q_proj.bias")));
  add_biases({"self_attn"});
  expect("attention_bias");
  checkpoint.config["mlp_bias"] = true;
  add_biases({"mlp"});
  expect("biases");
}

TEST_F(LlamaSwitch, BiasesOfTheMlpAlone) {
  checkpoint.config["mlp_bias"] = true;
  add_biases({"mlp"});
  expect("mlp_bias");
}

TEST_F(LlamaSwitch, RotationIsScaledLinearlyOrNotAtAll) {
  checkpoint.config["rope_scaling"] = nullptr;
  expect("plain");
  checkpoint.config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  expect("linear");
  checkpoint.config["rope_scaling"] = {{"rope_type", "linear"}, {"type", "linear"}, {"factor", 4}};
  expect("linear");
}

/// attention_bias where queries and keys are normalised behind it.
TEST(AttentionBias, OfQwen3AndOlmo2StandsBeforeTheNorms) {
  for (const std::string family : {"qwen3", "olmo2"}) {
    const Expected expected(family);
    ChangedCheckpoint checkpoint(family);
    checkpoint.config["attention_bias"] = true;
    for (const std::string& name : expected.names_ending(".bias")) {
      checkpoint.add(name, expected.shape(name), expected.floats(name));
    }
    EXPECT_LT(error(logits_at(checkpoint.load(), expected, 1), expected.floats("logits.attention_bias")), kTolerance)
        << family;
  }
}

TEST(AttentionBias, OfEveryLoopOfNanbeigeIsTheSame) {
  ChangedCheckpoint checkpoint("nanbeige");
  checkpoint.config["attention_bias"] = true;
  checkpoint.config["mlp_bias"] = true;
  for (const auto& [name, stored] : std::map(checkpoint.tensors)) {
    if (!name.ends_with("_proj.weight")) continue;
    const auto rows = static_cast<std::size_t>(stored.shape[0]);
    checkpoint.add(name.substr(0, name.size() - 6) + "bias", {stored.shape[0]}, std::vector<float>(rows, 0.0F));
  }
  const std::vector<std::int32_t> tokens = Expected("nanbeige").tokens();
  EXPECT_EQ(logits_of(checkpoint.load(), tokens), logits_of(Model::load(golden() / "nanbeige"), tokens));
  for (auto& [name, stored] : checkpoint.tensors) {
    if (name.ends_with(".bias")) stored.values.assign(stored.values.size(), 0.1F);
  }
  EXPECT_NE(logits_of(checkpoint.load(), tokens), logits_of(Model::load(golden() / "nanbeige"), tokens));
}

TEST_F(ParcaeSwitch, EmbeddingsScaledAsTakaseHasThem) {
  checkpoint.config["init_strategy"] = "takase";
  expect("takase", 2);
  const ModelSpec spec = checkpoint.load().spec();
  EXPECT_FLOAT_EQ(spec.embedding_scale, 6.0F);  // the root of 36
  EXPECT_FLOAT_EQ(spec.groups[1].noise_std, 6.0F * std::sqrt(2.0F / 180.0F));
}

TEST_F(ParcaeSwitch, TheExactGelu) {
  checkpoint.config["nonlin_name"] = "GELU";
  expect("gelu", 2);
}

TEST_F(ParcaeSwitch, RotationThatIsCondensed) {
  checkpoint.config["rope_settings"]["rope_condense_ratio"] = 3;
  expect("condensed", 2);
}

TEST_F(ParcaeSwitch, LogitsThatAreCapped) {
  checkpoint.config["logit_softcap"] = 1.5;
  expect("capped", 2);
}

TEST_F(ParcaeSwitch, NormsThatAreLeftOut) {
  checkpoint.config["qk_norm"] = false;
  expect("no_qk_norm", 2);
  checkpoint.config["qk_norm"] = true;
  checkpoint.config["prelude_norm"] = false;
  checkpoint.tensors.erase("transformer.ln_prelude.weight");
  expect("no_prelude_norm", 2);
}

TEST_F(ParcaeSwitch, WhatIsLeftOutMeansWhatThePublishedCodeTakes) {
  for (const char* const key : {"qk_norm", "prelude_norm", "tie_embeddings"}) checkpoint.config.erase(key);
  checkpoint.config.erase("rope_settings");
  checkpoint.tensors.erase("transformer.ln_prelude.weight");
  const ModelSpec spec = checkpoint.load().spec();
  EXPECT_EQ(spec.qk_norm, QkNorm::none);
  EXPECT_FALSE(spec.groups[0].exit_norm);
  EXPECT_FALSE(spec.tied_head);
  EXPECT_EQ(spec.rotary_theta, 50000.0F);
  EXPECT_TRUE(spec.rotary_divisors.empty());
}

TEST_F(ParcaeSwitch, FirstStates) {
  const auto core = [&](const char* kind) {
    checkpoint.config["state_init"] = kind;
    return checkpoint.load().spec().groups[1];
  };
  EXPECT_FLOAT_EQ(core("like-init").noise_std, std::sqrt(2.0F / 180.0F));
  EXPECT_FLOAT_EQ(core("normal").noise_std, 1.0F);
  EXPECT_FLOAT_EQ(core("embed").noise_std, 1.0F / 6.0F);
  EXPECT_EQ(core("embed").first_state, FirstState::noise);
  EXPECT_EQ(core("zero").first_state, FirstState::zero);
}

TEST_F(RavenTrainingSwitch, AStateThatEntersByASum) {
  checkpoint.config["injection_type"] = "add";
  checkpoint.tensors.erase("_orig_mod._original_module.transformer.adapter.weight");
  expect("add", 2);
}

TEST_F(RavenTrainingSwitch, NormsBehindTheRotation) {
  checkpoint.config["qk_norm"] = true;
  expect("qk_norm", 2);
}

TEST_F(RavenTrainingSwitch, RotationThatIsCondensed) {
  checkpoint.config["rope_settings"]["rope_condense_ratio"] = 3;
  expect("condensed", 2);
}

TEST_F(RavenTrainingSwitch, EmbeddingsThatAreNotScaled) {
  checkpoint.config["init_strategy"] = "scaled";
  expect("scaled", 2);
  EXPECT_FLOAT_EQ(checkpoint.load().spec().groups[1].noise_std, std::sqrt(2.0F / 120.0F));
}

TEST_F(RavenTrainingSwitch, HeadsAndFirstStates) {
  EXPECT_FLOAT_EQ(checkpoint.load().spec().groups[1].noise_std, std::sqrt(2.0F / 120.0F) * std::sqrt(24.0F));
  checkpoint.config["use_fused_head"] = "full-triton";
  EXPECT_NO_THROW(static_cast<void>(checkpoint.load()));
  checkpoint.config["tie_embeddings"] = false;
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); },
              ThrowsMessage<Error>(HasSubstr("use_fused_head is \"full-triton\" and tie_embeddings is false")));
  checkpoint.config["use_fused_head"] = "pytorch";
  EXPECT_FALSE(checkpoint.load().spec().tied_head);
}

TEST_F(RetrofitOlmo2Switch, FirstStates) {
  for (const std::string mode : {"embed-init", "skip-adapter"}) {
    checkpoint.config["initial_state_mode"] = mode;
    EXPECT_EQ(checkpoint.load().spec().groups[1].first_state, FirstState::carried);
    for (const int loops : {1, 3}) expect(mode + ".loops_" + std::to_string(loops), loops);
  }
  checkpoint.config["initial_state_mode"] = "random";
  EXPECT_EQ(checkpoint.load().spec(), Model::load(golden() / family).spec());
}

TEST_F(BaseLoopSwitch, Biases) {
  checkpoint.config["bias"] = true;
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); }, ThrowsMessage<Error>(HasSubstr("c_attn.bias")));
  add_biases({"c_"});
  expect("biases", 2);
}

TEST_F(BaseLoopSwitch, OtherNamesOfSizes) {
  const ModelSpec wanted = checkpoint.load().spec();
  EXPECT_EQ(wanted.groups[0].loops, 8);
  const std::vector<std::pair<const char*, const char*>> names = {
      {"block_size", "n_positions"},    {"n_embd", "hidden_size"},       {"n_head", "num_attention_heads"},
      {"n_layer", "num_hidden_layers"}, {"intermediate_dim", "n_inner"}, {"n_positions", "max_position_embeddings"}};
  for (const auto& [first, second] : names) {
    checkpoint.config[second] = checkpoint.config.at(first);
    checkpoint.config.erase(first);
  }
  EXPECT_EQ(checkpoint.load().spec(), wanted);
  checkpoint.config.erase("hidden_size");
  EXPECT_THAT([&] { static_cast<void>(checkpoint.load()); }, ThrowsMessage<Error>(HasSubstr("n_embd is missing")));
  checkpoint.config["n_embd"] = 24;
  checkpoint.config["max_model_loops"] = 3;
  EXPECT_EQ(checkpoint.load().spec().groups[0].loops, 3);
}

TEST_F(AttractorSwitch, ScalesOfBranches) {
  checkpoint.config["gamma_max"] = 1.0;
  expect("gamma", 2);
  checkpoint.config["layer_scale_init"] = nullptr;
  for (int l = 0; l < 2; ++l) {
    for (const char* const branch : {"attn", "mlp"}) {
      checkpoint.tensors.erase(fmt::format("transformer.core_block.{}.raw_gamma_{}", l, branch));
    }
  }
  expect("unscaled", 2);
}

TEST_F(AttractorSwitch, LogitsThatAreCapped) {
  checkpoint.config["logit_softcap"] = 1.5;
  expect("capped", 2);
}

TEST_F(AttractorSwitch, NormsThatAreLeftOut) {
  checkpoint.config["qk_norm"] = false;
  expect("no_qk_norm", 2);
}

/// Half a context and the token itself; the last layer sees all.
TEST(NanochatWindows, AreRepeatedOverTheLayers) {
  const Expected expected("nanochat_looped");
  const std::vector<std::pair<const char*, const char*>> cases = {{"SSL", "logits.windows"},
                                                                  {"s", "logits.all_windows"}};
  for (const auto& [pattern, result] : cases) {
    ChangedCheckpoint checkpoint("nanochat_looped");
    checkpoint.config["window_pattern"] = pattern;
    checkpoint.config["sequence_len"] = 10;
    const Model model = checkpoint.load();
    EXPECT_EQ(model.spec().window, 6);
    EXPECT_LT(error(logits_of(model, expected.tokens()), expected.floats(result)), kTolerance) << pattern;
  }
  ChangedCheckpoint checkpoint("nanochat_looped");
  checkpoint.config["window_pattern"] = "LLSSSLLL";
  const ModelSpec spec = checkpoint.load().spec();
  EXPECT_EQ(spec.window, 33);
  EXPECT_TRUE(spec.groups[0].window_layers.empty());
  EXPECT_EQ(spec.groups[1].window_layers, std::vector<int>{1});
  EXPECT_TRUE(spec.groups[2].window_layers.empty());
}

TEST(NanochatFirstState, IsAsWideAsThePublishedOne) {
  ChangedCheckpoint checkpoint("nanochat_looped");
  checkpoint.config["input_injection"] = "inject_init_random";
  const Group core = checkpoint.load().spec().groups[1];
  EXPECT_EQ(core.first_state, FirstState::noise);
  EXPECT_FLOAT_EQ(core.noise_std, 1.0F);
}

TEST(RavenFirstState, IsThatOfInitValues) {
  ChangedCheckpoint checkpoint("raven");
  checkpoint.config["init_values"]["std"] = 0.5;
  EXPECT_FLOAT_EQ(checkpoint.load().spec().groups[1].noise_std, 0.5F * std::sqrt(24.0F));
  checkpoint.config.erase("init_values");
  EXPECT_FLOAT_EQ(checkpoint.load().spec().groups[1].noise_std, std::sqrt(2.0F / 120.0F) * std::sqrt(24.0F));
}

TEST(OuroDepth, IsFourWhereTheFileDoesNotSay) {
  ChangedCheckpoint checkpoint("ouro");
  checkpoint.config.erase("total_ut_steps");
  EXPECT_EQ(checkpoint.load().spec().groups[0].loops, 4);
}

TEST(NanbeigeDepth, IsOneMoreThanTheWeightsOfLossesWhereThereAreSome) {
  ChangedCheckpoint checkpoint("nanbeige");
  EXPECT_EQ(checkpoint.load().spec().groups[0].loops, 2);
  checkpoint.config["loop_loss_weights"] = {0.5, 0.25};
  EXPECT_EQ(checkpoint.load().spec().groups[0].loops, 3);
  checkpoint.config["loop_loss_weights"] = nullptr;
  EXPECT_EQ(checkpoint.load().spec().groups[0].loops, 2);
  checkpoint.config.erase("num_loops");
  EXPECT_EQ(checkpoint.load().spec().groups[0].loops, 1);
}

/// What the published classes take where a file is silent.
TEST(DefaultsOfConfigurations, AreThoseOfThePublishedClasses) {
  const auto spec_without = [](const std::string& family, const std::vector<std::string>& keys) {
    ChangedCheckpoint checkpoint(family);
    for (const std::string& key : keys) checkpoint.config.erase(key);
    const nlohmann::json& config = checkpoint.config;
    return map_checkpoint(family_of(config, "x"), config, TensorStore::open(golden() / family), "x").spec;
  };
  EXPECT_EQ(spec_without("llama", {"rms_norm_eps"}).norm_eps, 1e-6F);
  EXPECT_EQ(spec_without("olmo2", {"rms_norm_eps"}).norm_eps, 1e-5F);
  EXPECT_EQ(spec_without("llama", {"rope_theta", "rope_scaling"}).rotary_theta, 10000.0F);
  EXPECT_FALSE(spec_without("smollm2", {"tie_word_embeddings"}).tied_head);
  EXPECT_TRUE(spec_without("gpt2", {}).tied_head);
  EXPECT_EQ(spec_without("gpt2", {"layer_norm_epsilon"}).norm_eps, 1e-5F);
  EXPECT_EQ(spec_without("gpt2", {"activation_function"}).mlp, MlpKind::gelu_tanh);
  EXPECT_EQ(spec_without("qwen3", {"head_dim"}).head_size, 128);
  EXPECT_EQ(spec_without("qwen2", {"head_dim"}).head_size, 8);
  EXPECT_EQ(spec_without("smollm2", {"num_key_value_heads"}).kv_heads, 3);
  EXPECT_TRUE(spec_without("raven", {"tie_embeddings"}).tied_head);
  EXPECT_EQ(spec_without("raven", {"rope_base"}).rotary_theta, 50000.0F);
  EXPECT_EQ(spec_without("raven", {"norm_eps"}).norm_eps, 1e-6F);
  EXPECT_EQ(spec_without("parcae", {"norm_eps"}).norm_eps, 1e-5F);
  EXPECT_EQ(spec_without("nanochat_looped", {"logit_softcap"}).logit_softcap, 15.0F);
  EXPECT_EQ(spec_without("nanochat_looped", {"window_pattern"}).groups[1].injection, Injection::linear);
  EXPECT_TRUE(spec_without("hrm_text", {"prefix_lm"}).prefix_lm);
  EXPECT_EQ(spec_without("hrm_text", {"embedding_scale"}).embedding_scale, 4.0F);  // 1 / initializer_range
  const ModelSpec iquest =
      spec_without("iquestloopcoder", {"head_dim", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
                                       "rope_theta", "loop_num", "loop_window_size"});
  EXPECT_EQ(iquest.head_size, 128);
  EXPECT_EQ(iquest.kv_heads, 8);
  EXPECT_EQ(iquest.context, 8192);
  EXPECT_EQ(iquest.norm_eps, 1e-5F);
  EXPECT_EQ(iquest.rotary_theta, 500000.0F);
  EXPECT_EQ(iquest.groups[0].loops, 2);
  EXPECT_EQ(iquest.groups[0].loop_window, 64);
}

}  // namespace
}  // namespace gyre::switches_test
