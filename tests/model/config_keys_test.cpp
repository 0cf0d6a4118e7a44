#include "model/config_keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.hpp"
#include "golden_checkpoint.hpp"
#include "model/families.hpp"

// Each key of a published config.json is read, known to change nothing, or refused by name.

namespace gyre::config_keys_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// The golden checkpoints, one or more of each family.
std::vector<std::string> checkpoints() {
  return {"llama",           "smollm2",   "qwen2",          "qwen3",           "olmo2",    "gpt2",
          "raven",           "ouro",      "retrofit_llama", "retrofit_olmo2",  "nanbeige", "parcae",
          "nanochat_looped", "hrm_text",  "gemma3",         "mistral",         "phi3",     "raven_training",
          "base_loop",       "attractor", "loopus",         "iquestloopcoder", "bert",     "xlm_roberta"};
}

nlohmann::json config_of(const std::string& checkpoint) { return load_json(golden() / checkpoint / "config.json"); }

Mapping mapping_of(const std::string& checkpoint, const nlohmann::json& config) {
  return map_checkpoint(family_of(config, "config.json"), config, TensorStore::open(golden() / checkpoint),
                        "config.json");
}

/// What is read of the checkpoint: the spec, and which tensors make which.
void expect_same(const Mapping& got, const Mapping& wanted, const std::string& what) {
  EXPECT_EQ(got.spec, wanted.spec) << what;
  EXPECT_EQ(got.unused, wanted.unused) << what;
  ASSERT_EQ(got.recipes.size(), wanted.recipes.size()) << what;
  for (const auto& [name, recipe] : wanted.recipes) EXPECT_EQ(got.recipes.at(name).parts, recipe.parts) << what;
}

void expect_refused(const std::string& checkpoint, const nlohmann::json& config, const std::vector<std::string>& says) {
  try {
    mapping_of(checkpoint, config);
    ADD_FAILURE() << checkpoint << " loads, though it should say " << says.front();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("config.json"));
    for (const std::string& part : says) EXPECT_THAT(error.what(), HasSubstr(part)) << checkpoint;
  }
}

class KeysOf : public ::testing::TestWithParam<std::string> {};

TEST_P(KeysOf, AreAllOfOneKindOnly) {
  const ConfigKeys keys = family_of(config_of(GetParam()), "x").keys + common_keys();
  std::multiset<std::string_view> all(keys.used.begin(), keys.used.end());
  all.insert(keys.harmless.begin(), keys.harmless.end());
  for (const FixedKey& key : keys.fixed) all.insert(key.key);
  for (const SecondName& key : keys.second_names) all.insert(key.key);
  // HRM-Text reads what is a note elsewhere; encoders where positions begin, and that no token is hidden from another.
  const std::set<std::string_view> twice = {"initializer_range", "pad_token_id", "is_decoder"};
  for (const std::string_view key : all) EXPECT_TRUE(all.count(key) == 1 || twice.contains(key)) << key;
}

TEST_P(KeysOf, ThatChangeNothingDoChangeNothing) {
  const nlohmann::json config = config_of(GetParam());
  const Mapping wanted = mapping_of(GetParam(), config);
  const ConfigKeys& own = family_of(config, "x").keys;
  const auto is_read = [&own](std::string_view key) {
    return std::find(own.used.begin(), own.used.end(), key) != own.used.end() ||
           std::any_of(own.fixed.begin(), own.fixed.end(), [key](const FixedKey& fixed) { return fixed.key == key; });
  };
  for (const std::string_view key : (own + common_keys()).harmless) {
    if (is_read(key)) continue;
    for (const char* const value : {"7", "\"x\"", "true", "null", "[1, 2]", "{\"a\": {}}"}) {
      nlohmann::json changed = config;
      changed[std::string(key)] = nlohmann::json::parse(value);
      expect_same(mapping_of(GetParam(), changed), wanted, std::string(key));
    }
  }
  for (const char* const key : {"_attn_implementation", "_commit_hash", "hidden_dropout", "attention_dropout_prob",
                                "embd_pdrop", "unsloth_version", "transformers.js_config"}) {
    nlohmann::json changed = config;
    changed[key] = 0.25;
    expect_same(mapping_of(GetParam(), changed), wanted, key);
  }
}

TEST_P(KeysOf, ThatNobodyKnowsAreNamed) {
  for (const char* const key : {"frobnicate", "residual_multiplier", "logit_scale", "dual_chunk_attention_config",
                                "n_experts", "rope_local_base_freq", "attention_multiplier", "use_abc"}) {
    nlohmann::json config = config_of(GetParam());
    const std::vector<std::string_view>& used = family_of(config, "x").keys.used;
    if (std::find(used.begin(), used.end(), key) != used.end()) continue;
    config[key] = 2;
    expect_refused(GetParam(), config, {std::string("\"") + key + "\"", "not known", "may change"});
    config[key] = nullptr;  // asks for nothing
    EXPECT_NO_THROW(mapping_of(GetParam(), config)) << key;
  }
}

TEST_P(KeysOf, ThatAreFixedAreTakenAtTheirValuesAlone) {
  const nlohmann::json config = config_of(GetParam());
  const Mapping wanted = mapping_of(GetParam(), config);
  for (const FixedKey& key : (family_of(config, "x").keys + common_keys()).fixed) {
    const std::string name(key.key);
    nlohmann::json right = nlohmann::json::parse(key.values);
    right.push_back(nullptr);
    for (const nlohmann::json& value : right) {
      nlohmann::json changed = config;
      changed[name] = value;
      expect_same(mapping_of(GetParam(), changed), wanted, name);
    }
    for (const char* const value : {"\"other\"", "17", "true", "[3]", "{\"a\": 1}"}) {
      nlohmann::json changed = config;
      changed[name] = nlohmann::json::parse(value);
      if (std::find(right.begin(), right.end(), changed[name]) != right.end()) continue;
      expect_refused(GetParam(), changed, {name + " is " + changed[name].dump()});
    }
  }
}

TEST_P(KeysOf, ThatNameOneThingTwiceHaveToAgree) {
  const nlohmann::json config = config_of(GetParam());
  for (const SecondName& name : family_of(config, "x").keys.second_names) {
    nlohmann::json changed = config;
    changed[std::string(name.key)] = config.at(std::string(name.first));
    EXPECT_NO_THROW(mapping_of(GetParam(), changed)) << name.key;
    changed[std::string(name.key)] = 12345;
    expect_refused(GetParam(), changed, {std::string(name.key), std::string(name.first), "agree"});
  }
}

/// A width that heads do not divide would be cut short.
TEST_P(KeysOf, OfHeadsDivideTheWidth) {
  nlohmann::json config = config_of(GetParam());
  config.erase("head_dim");
  config.erase("n_inner");
  for (const char* const heads : {"num_attention_heads", "n_head", "n_heads"}) {
    if (!config.contains(heads)) continue;
    config[heads] = 5;
    for (const char* const same : {"num_key_value_heads", "n_kv_head", "kv_channels"}) config.erase(same);
    const std::set<std::string> own = {"qwen3", "gemma3", "iquestloopcoder"};  // else 128, or 256
    if (own.contains(GetParam())) config["head_dim"] = nullptr;
    if (GetParam() == "qwen3") config["hidden_size"] = 21;
    expect_refused(GetParam(), config, {heads, "must be a multiple of"});
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, KeysOf, ::testing::ValuesIn(checkpoints()),
                         [](const auto& checkpoint) { return checkpoint.param; });

struct Refusal {
  std::string checkpoint;
  std::string pointer;  ///< of the key
  std::string value;    ///< JSON
  std::string says;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << refusal.checkpoint << ' ' << refusal.pointer << ' ' << refusal.value;
}

class RefusedKey : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedKey, IsNamed) {
  nlohmann::json config = config_of(GetParam().checkpoint);
  config[nlohmann::json::json_pointer(GetParam().pointer)] = nlohmann::json::parse(GetParam().value);
  expect_refused(GetParam().checkpoint, config, {GetParam().says});
}

// Written out here, whatever the families' own lists say.
INSTANTIATE_TEST_SUITE_P(
    Llamas, RefusedKey,
    ::testing::Values(
        Refusal{"llama", "/hidden_act", "\"relu\"", "hidden_act: \"relu\" is no activation that gyre does"},
        Refusal{"llama", "/sliding_window", "4096", "sliding_window is 4096"},
        Refusal{"llama", "/use_sliding_window", "true", "use_sliding_window is true"},
        Refusal{"llama", "/layer_types", R"(["full_attention", "sliding_attention"])", "layer_types"},
        Refusal{"llama", "/partial_rotary_factor", "0.5", "partial_rotary_factor"},
        Refusal{"llama", "/quantization_config", R"({"bits": 4})", "quantization_config"},
        Refusal{"llama", "/quantization_config", R"({"quant_method": "gptq"})", "a GPTQ checkpoint"},
        Refusal{"qwen2", "/quantization_config", R"({"quant_method": "awq"})", "an AWQ checkpoint"},
        Refusal{"qwen3", "/quantization_config", R"({"quant_method": "fp8"})", "an FP8 checkpoint"},
        Refusal{"llama", "/quantization_config", R"({"quant_method": "fbgemm_fp8"})",
                "take the model's BF16 checkpoint, or a GGUF file"},
        Refusal{"llama", "/quantization_config", R"({"quant_method": "bitsandbytes"})",
                "a checkpoint of bitsandbytes (quantization_config: quant_method"},
        Refusal{"llama", "/quantization_config", R"({"quant_method": "compressed-tensors"})",
                "a checkpoint of compressed-tensors"},
        Refusal{"llama", "/quantization_config", R"({"quant_method": "other"})", "quantization_config is"},
        Refusal{"llama", "/quantization", R"({"bits": 4})", "quantization is"},
        Refusal{"llama", "/attention_bias", "1", "attention_bias must be true or false"},
        Refusal{"llama", "/tie_word_embeddings", "null", "tie_word_embeddings"},
        Refusal{"llama", "/rope_interleaved", "true", "rope_interleaved is true"},
        Refusal{"llama", "/is_encoder_decoder", "true", "is_encoder_decoder"},
        Refusal{"llama", "/rope_scaling/rope_type", "\"yarn\"", "high_freq_factor"},
        Refusal{"llama", "/rope_scaling/rope_type", "\"ntk\"", "of type \"ntk\"; gyre does default, linear"},
        Refusal{"llama", "/rope_scaling/type", "\"linear\"", "rope_type is \"llama3\", but type is"},
        Refusal{"llama", "/rope_scaling/attention_factor", "2", "attention_factor"},
        Refusal{"llama", "/rope_scaling/high_freq_factor", "1", "high_freq_factor (1) must be above"},
        Refusal{"llama", "/rope_scaling", R"({"factor": 2})", "the key \"factor\""},
        Refusal{"llama", "/rope_scaling", R"({"type": "linear", "factor": 2, "x": 1})", "\"x\""},
        Refusal{"llama", "/rope_scaling/rope_theta", "7", "rope_theta is given as 500000 and as 7"},
        Refusal{"smollm2", "/rope_parameters", R"({"rope_type": "default", "rope_theta": 9})",
                "rope_theta is given as"},
        Refusal{"smollm2", "/num_hidden_layers", "0", "num_hidden_layers is 0"},
        Refusal{"qwen2", "/layer_types", R"(["sliding_attention", "full_attention"])", "which one holds"},
        Refusal{"qwen2", "/use_mrope", "true", "use_mrope is true"},
        Refusal{"qwen3", "/layer_types", R"(["full_attention"])", "layer_types has 1 entries"},
        Refusal{"mistral", "/sliding_window", "1", "sliding_window is 1; it must be 2 or more"},
        Refusal{"mistral", "/layer_types", R"(["sliding_attention", "full_attention"])", "layer_types"},
        Refusal{"phi3", "/rope_scaling/long_factor", "[1, 2]", "long_factor has 2 numbers"},
        Refusal{"phi3", "/partial_rotary_factor", "0.4", "an even number"},
        Refusal{"gemma3", "/use_bidirectional_attention", "true", "use_bidirectional_attention is true"},
        Refusal{"gemma3", "/hidden_activation", "\"relu\"", "hidden_activation"},
        Refusal{"gemma3", "/sliding_window", "1", "sliding_window is 1"},
        Refusal{"qwen3", "/mlp_bias", "true", "mlp_bias is true"}, Refusal{"olmo2", "/clip_qkv", "8", "clip_qkv is 8"},
        Refusal{"olmo2", "/sliding_window", "4096", "sliding_window is 4096"},
        Refusal{"gpt2", "/activation_function", "\"relu\"", "activation_function is \"relu\""},
        Refusal{"gpt2", "/add_cross_attention", "true", "add_cross_attention is true"},
        Refusal{"gpt2", "/scale_attn_weights", "1", "scale_attn_weights must be true or false"},
        Refusal{"gpt2", "/hidden_size", "25", "hidden_size is 25, but n_embd is 24"},
        Refusal{"gpt2", "/n_embd", "25", "n_embd (25) must be a multiple of n_head (3)"}));

INSTANTIATE_TEST_SUITE_P(
    Encoders, RefusedKey,
    ::testing::Values(Refusal{"bert", "/position_embedding_type", "\"relative_key\"", "position_embedding_type is"},
                      Refusal{"bert", "/hidden_act", "\"relu\"", "hidden_act: \"relu\" is no activation"},
                      Refusal{"bert", "/is_decoder", "true", "is_decoder is true"},
                      Refusal{"bert", "/add_cross_attention", "true", "add_cross_attention is true"},
                      Refusal{"bert", "/type_vocab_size", "0", "type_vocab_size is 0"},
                      Refusal{"bert", "/layer_norm_eps", "-1", "layer_norm_eps is -1"},
                      Refusal{"bert", "/hidden_size", "25", "hidden_size (25) must be a multiple"},
                      Refusal{"xlm_roberta", "/position_embedding_type", "\"relative_key_query\"",
                              "relative_key_query"},
                      Refusal{"xlm_roberta", "/pad_token_id", "25", "of which the first 26 belong to no text"},
                      Refusal{"xlm_roberta", "/pad_token_id", "-1", "pad_token_id is -1"}));

INSTANTIATE_TEST_SUITE_P(
    Loops, RefusedKey,
    ::testing::Values(Refusal{"nanbeige", "/enable_double_loop_split", "true", "enable_double_loop_split is true"},
                      Refusal{"nanbeige", "/loop_share_kv", "true", "loop_share_kv is true"},
                      Refusal{"nanbeige", "/enable_depth_attention", "true", "enable_depth_attention is true"},
                      Refusal{"nanbeige", "/depth_attention_recent_window", "4", "depth_attention_recent_window is 4"},
                      Refusal{"nanbeige", "/depth_attention_stride", "2", "depth_attention_stride is 2"},
                      Refusal{"nanbeige", "/enable_hyper_connection", "true", "enable_hyper_connection is true"},
                      Refusal{"nanbeige", "/enable_mhc", "true", "enable_mhc is true"},
                      Refusal{"nanbeige", "/enable_h_res_identity", "true", "enable_h_res_identity is true"},
                      Refusal{"nanbeige", "/mhc_diff_for_loop", "true", "mhc_diff_for_loop is true"},
                      Refusal{"nanbeige", "/qk_layernorm", "true", "qk_layernorm is true"},
                      Refusal{"nanbeige", "/loop_middle_layers", "1", "loop_middle_layers is 1"},
                      Refusal{"nanbeige", "/emb_neighbor_num", "3", "emb_neighbor_num is 3"},
                      Refusal{"nanbeige", "/emb_split_num", "4", "emb_split_num is 4"},
                      Refusal{"nanbeige", "/ngram_vocab_size_ratio", "16", "ngram_vocab_size_ratio is 16"},
                      Refusal{"nanbeige", "/ngram_insert_all_layers", "true", "ngram_insert_all_layers is true"},
                      Refusal{"nanbeige", "/insert_ngram_layer_idx", "[0]", "insert_ngram_layer_idx is [0]"},
                      Refusal{"nanbeige", "/kv_channels", "16", "kv_channels is 16, but head_dim is 8"},
                      Refusal{"nanbeige", "/num_loops", "0", "num_loops is 0"},
                      Refusal{"iquestloopcoder", "/loop_num", "0", "loop_num is 0"},
                      Refusal{"iquestloopcoder", "/loop_window_size", "0", "loop_window_size is 0"},
                      Refusal{"iquestloopcoder", "/sliding_window", "64", "sliding_window"},
                      Refusal{"iquestloopcoder", "/plt_gate_use_hidden_states", "true", "plt_gate_use_hidden_states"},
                      Refusal{"iquestloopcoder", "/dual_chunk_attention_config", "{}", "dual_chunk_attention_config"},
                      Refusal{"iquestloopcoder", "/is_causal", "false", "is_causal"},
                      Refusal{"iquestloopcoder", "/hidden_act", "\"relu\"", "hidden_act"},
                      Refusal{"ouro", "/early_exit_step", "1", "early_exit_step is 1; take it out and run 2 loops"},
                      Refusal{"ouro", "/early_exit_step", "0", "run 1 loops"},
                      Refusal{"ouro", "/early_exit_threshold", "0.9", "run with the exit gate:threshold=0.9"},
                      Refusal{"ouro", "/early_exit_threshold", "0.9", "gate:threshold=0.9,save=no"},
                      Refusal{"ouro", "/early_exit_threshold", "\"x\"", "early_exit_threshold"},
                      Refusal{"ouro", "/use_sliding_window", "true", "use_sliding_window is true"},
                      Refusal{"ouro", "/attention_bias", "true", "attention_bias is true"},
                      Refusal{"raven", "/test_time_noise", "0.1", "choose the test noise of a run instead"},
                      Refusal{"raven", "/state_init", "\"zero\"", "state_init is \"zero\""},
                      Refusal{"raven", "/injection_type", "\"add\"", "injection_type is \"add\""},
                      Refusal{"raven", "/nonlin_name", "\"GELU\"", "nonlin_name is \"GELU\""},
                      Refusal{"raven", "/norm_class_name", "\"LayerNorm\"", "norm_class_name"},
                      Refusal{"raven", "/bias", "true", "bias is true"},
                      Refusal{"raven", "/block_class_name", "\"PreNormBlock\"", "block_class_name"},
                      Refusal{"raven", "/mlp_class_name", "\"BaseMLP\"", "mlp_class_name"},
                      Refusal{"raven", "/init_values/embed_scale", "1", "embed_scale is 1; Huginn's is the root"},
                      Refusal{"raven", "/init_values/logit_scale", "2", "\"logit_scale\""},
                      Refusal{"raven", "/rope_theta", "7", "rope_base is 50000, but rope_theta is 7"},
                      Refusal{"raven", "/rope_scaling", R"({"type": "linear", "factor": 2})", "rope_scaling is set"},
                      Refusal{"raven", "/tie_word_embeddings", "false",
                              "tie_word_embeddings is false, but tie_embeddings is true"},
                      Refusal{"retrofit_llama", "/initial_state_mode", "\"zero\"", "initial_state_mode is \"zero\""},
                      Refusal{"retrofit_llama", "/initial_state_mode", "\"skip-adapter\"", "of OLMo 2 alone"},
                      Refusal{"raven", "/initial_state_mode", "\"embed-init\"", "of OLMo 2 alone"},
                      Refusal{"retrofit_olmo2", "/initial_state_mode", "\"prelude\"",
                              "gyre does random, embed-init and skip-adapter"},
                      Refusal{"raven", "/num_key_value_heads", "1", "qk_bias is true, but num_key_value_heads is 1"},
                      Refusal{"retrofit_llama", "/test_time_noise", "1", "test_time_noise is 1"},
                      Refusal{"retrofit_llama", "/rope_base", "9", "rope_base is 9, but rope_theta is"},
                      Refusal{"hrm_text", "/hidden_act", "\"relu\"", "hidden_act"},
                      Refusal{"hrm_text", "/attention_bias", "true", "attention_bias is true"},
                      Refusal{"nanochat_looped", "/window_pattern", "\"LLXS\"", "window_pattern is \"LLXS\""},
                      Refusal{"nanochat_looped", "/window_pattern", "\"\"", "window_pattern is \"\""},
                      Refusal{"nanochat_looped", "/logit_softcap", "0", "logit_softcap is 0"},
                      Refusal{"nanochat_looped", "/input_injection", "\"add\"", "input_injection is \"add\""}));

INSTANTIATE_TEST_SUITE_P(
    Parcae, RefusedKey,
    ::testing::Values(
        Refusal{"parcae", "/init_strategy", "\"takase-scaled\"", "init_strategy is \"takase-scaled\""},
        Refusal{"parcae", "/clip_qkv", "8", "clip_qkv is 8"},
        Refusal{"parcae", "/rope_settings/use_rope", "false", "use_rope is false"},
        Refusal{"parcae", "/rope_settings/rope_dims", "4", "\"rope_dims\""},
        Refusal{"parcae", "/nonlin_name", "\"SiLU\"", "nonlin_name is \"SiLU\""},
        Refusal{"parcae", "/norm_class_name", "\"LayerNorm\"", "norm_class_name is \"LayerNorm\""},
        Refusal{"parcae", "/state_init", "\"unit\"", "state_init is \"unit\""},
        Refusal{"parcae", "/mup_model_scaling_factor", "2", "mup_model_scaling_factor is 2"},
        Refusal{"parcae", "/injection_type", "\"linear\"", "injection_type is \"linear\""},
        Refusal{"parcae", "/block_class_name", "\"SandwichBlock\"", "block_class_name"},
        Refusal{"parcae", "/mlp_class_name", "\"GatedMLP\"", "mlp_class_name"},
        Refusal{"parcae", "/qk_bias", "true", "qk_bias is true"}, Refusal{"parcae", "/bias", "true", "bias is true"},
        Refusal{"parcae", "/use_abacus", "true", "use_abacus is true"},
        Refusal{"parcae", "/debias_attention", "true", "debias_attention is true"},
        Refusal{"parcae", "/center_attention", "true", "center_attention is true"},
        Refusal{"parcae", "/attn_impl", "\"debug-skip\"", "attn_impl is \"debug-skip\""},
        Refusal{"parcae", "/logit_softcap", "0", "logit_softcap is 0"},
        Refusal{"parcae", "/num_key_value_heads", "1", "num_key_value_heads is 1, but num_attention_heads is 3"},
        Refusal{"parcae", "/recurrent_embedding_dimension", "18", "recurrent_embedding_dimension is 18"},
        Refusal{"parcae", "/recurrent_intermediation_embedding_dimension", "8", "recurrent_intermediation"},
        Refusal{"parcae", "/recurrent_num_attention_heads", "6", "recurrent_num_attention_heads is 6"}));

INSTANTIATE_TEST_SUITE_P(
    Recpre, RefusedKey,
    ::testing::Values(
        Refusal{"raven_training", "/block_class_name", "\"TransformerPostNormBlock\"", "block_class_name is"},
        Refusal{"raven_training", "/norm_class_name", "\"RMSNorm\"", "norm_class_name is \"RMSNorm\""},
        Refusal{"raven_training", "/mlp_class_name", "\"HalfGateMLP\"", "mlp_class_name is"},
        Refusal{"raven_training", "/nonlin_name", "\"GELU\"", "nonlin_name is \"GELU\""},
        Refusal{"raven_training", "/injection_type", "\"ffn\"", "injection_type is \"ffn\""},
        Refusal{"raven_training", "/injection_type", "\"none\"", "gyre does linear and add"},
        Refusal{"raven_training", "/state_init", "\"unit\"", "state_init is \"unit\""},
        Refusal{"raven_training", "/init_strategy", "\"takase-scaled\"", "init_strategy is"},
        Refusal{"raven_training", "/embed_step", "true", "embed_step is true"},
        Refusal{"raven_training", "/intermediate_noise_injection", "0.1", "the test noise of a run"},
        Refusal{"raven_training", "/attn_impl", "\"debug-skip\"", "attn_impl is \"debug-skip\""},
        Refusal{"raven_training", "/clip_qkv", "8", "clip_qkv is 8"},
        Refusal{"raven_training", "/num_key_value_heads", "1", "qk_bias is true, but num_key_value_heads is 1"},
        Refusal{"raven_training", "/rope_settings/use_rope", "false", "use_rope is false"},
        Refusal{"raven_training", "/mup_model_scaling_factor", "2", "mup_model_scaling_factor is 2"},
        Refusal{"attractor", "/solver", "\"anderson\"", "solver is \"anderson\"; gyre does \"fpi\""},
        Refusal{"attractor", "/causal", "false", "causal is false"},
        Refusal{"attractor", "/qk_bias", "true", "qk_bias is true"},
        Refusal{"attractor", "/nonlin_name", "\"GELU\"", "nonlin_name is \"GELU\""},
        Refusal{"attractor", "/init_strategy", "\"takase-scaled\"", "init_strategy is"},
        Refusal{"attractor", "/recurrent_embedding_dimension", "18", "recurrent_embedding_dimension is 18"},
        Refusal{"attractor", "/max_iter", "0", "max_iter is 0"},
        Refusal{"base_loop", "/n_positions", "64", "n_positions is 64, but block_size is 32"},
        Refusal{"base_loop", "/hidden_size", "25", "hidden_size is 25, but n_embd is 24"},
        Refusal{"base_loop", "/tie_word_embeddings", "false", "tie_word_embeddings is false"},
        Refusal{"base_loop", "/max_model_loops", "0", "max_model_loops is 0"},
        Refusal{"loopus", "/base_config_dict", "null", "base_config_dict is missing"},
        Refusal{"loopus", "/base_config_dict/model_type", "\"olmo2\"", "of the family olmo2"},
        Refusal{"loopus", "/base_config_dict/hidden_act", "\"relu\"", "base_config_dict: hidden_act"},
        Refusal{"loopus", "/base_config_dict/frobnicate", "1", "base_config_dict: the key \"frobnicate\""},
        Refusal{"loopus", "/hidden_size", "24", "hidden_size is 24, but that of base_config_dict is 20"},
        Refusal{"loopus", "/encoder_layer_indices", "[0, 1]", "the lists of layers overlap"},
        Refusal{"loopus", "/decoder_layer_indices", "[-2147483648]", "holds -2147483648, which is none of 5"},
        Refusal{"loopus", "/decoder_layer_indices", "[5]", "decoder_layer_indices holds 5, which is none of 5"},
        Refusal{"loopus", "/reasoning_layer_indices", "[]", "reasoning_layer_indices is empty"},
        Refusal{"loopus", "/halting_strategy", "\"other\"", "halting_strategy is \"other\""},
        Refusal{"loopus", "/N", "0", "N is 0"}));

/// Where a run differs from one by the authors' program, that is told.
TEST(NotesOfAConfiguration, SayWhatEndsLoopsElsewhere) {
  const auto notes_of = [](const std::string& checkpoint, const nlohmann::json& patch) {
    nlohmann::json config = config_of(checkpoint);
    config.merge_patch(patch);
    std::string all;
    for (const std::string& note : mapping_of(checkpoint, config).notes) all += note + "\n";
    return all;
  };
  const nlohmann::json none = nlohmann::json::object();
  EXPECT_THAT(notes_of("loopus", none), HasSubstr("(q_threshold 0.9); here all 4 loops run"));
  EXPECT_THAT(notes_of("loopus", none), HasSubstr("gate:threshold=0.9,of=loop\n"));
  EXPECT_THAT(notes_of("loopus", {{"halting_strategy", "cdf"}}), HasSubstr("gate:threshold=0.9\n"));
  EXPECT_THAT(notes_of("loopus", {{"q_eval_interval", 2}}), HasSubstr("of=loop,every=2\n"));
  EXPECT_THAT(notes_of("loopus", {{"halting_strategy", "convergence"}}), HasSubstr("moves by less than 0.01"));
  EXPECT_EQ(notes_of("loopus", {{"q_threshold", 1.0}}), "");
  EXPECT_THAT(notes_of("attractor", none), HasSubstr("latent-diff:tau=0.0003,min=6\n"));
  EXPECT_EQ(notes_of("attractor", {{"tol", 0}}), "");
  EXPECT_THAT(notes_of("iquestloopcoder", none), HasSubstr("here every token is computed as in a prompt\n"));
  EXPECT_EQ(notes_of("iquestloopcoder", {{"loop_num", 1}}), "");
  EXPECT_EQ(notes_of("raven", none), "");
}

TEST(ExitsInAConfiguration, ThatChangeNothingAreTaken) {
  const Mapping wanted = mapping_of("ouro", config_of("ouro"));
  for (const char* const value : {"3", "4", "-1", "null"}) {
    nlohmann::json config = config_of("ouro");
    config["early_exit_step"] = nlohmann::json::parse(value);
    expect_same(mapping_of("ouro", config), wanted, value);
  }
  for (const char* const value : {"1", "1.0", "2.5", "null"}) {
    nlohmann::json config = config_of("ouro");
    config["early_exit_threshold"] = nlohmann::json::parse(value);
    expect_same(mapping_of("ouro", config), wanted, value);
  }
  // The weights of a sum count where there is no threshold, and a file that is silent has one.
  nlohmann::json config = config_of("ouro");
  config["use_weighted_exit"] = true;
  expect_same(mapping_of("ouro", config), wanted, "beside a threshold");
  config.erase("early_exit_threshold");
  expect_same(mapping_of("ouro", config), wanted, "beside the threshold of a silent file");
  config["early_exit_threshold"] = nullptr;
  EXPECT_THAT(
      [&] { mapping_of("ouro", config); },
      ThrowsMessage<Error>(HasSubstr("use_weighted_exit is true; take it out and run with the exit gate-weighted")));
}

TEST(KeyMessages, ShowLongValuesInPartAndKeysInOneLine) {
  nlohmann::json config = config_of("smollm2");
  config["quantization_config"] = std::string(500, 'x');
  try {
    mapping_of("smollm2", config);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_LT(std::string_view(error.what()).size(), 300U);
    EXPECT_THAT(error.what(), HasSubstr("give a checkpoint in F32"));
  }
  config = config_of("smollm2");
  config["a\nb\x01"] = 1;
  EXPECT_THAT([&] { mapping_of("smollm2", config); },
              ThrowsMessage<Error>(AllOf(HasSubstr(R"("a\nb\u0001")"), HasSubstr("family llama"))));
}

/// Whole configurations as they are published, keys and all, that no golden checkpoint has.
TEST(PublishedConfigurations, KeepLoading) {
  const auto expect_known = [](const char* text) {
    const nlohmann::json config = nlohmann::json::parse(text);
    const Family& family = family_of(config, "config.json");
    EXPECT_NO_THROW(require_known_keys(config, family.keys, family.name, "config.json")) << text;
  };
  // Llama 2 and those of its time.
  expect_known(
      R"({"_name_or_path": "m", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
    "max_position_embeddings": 4096, "max_sequence_length": 2048, "max_length": 4096, "model_type": "llama",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pad_token_id": 0,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "temperature": 0.9, "tie_word_embeddings": false,
    "top_p": 0.6, "torch_dtype": "float16", "transformers_version": "4.31.0", "use_cache": true, "vocab_size": 32000})");
  // SmolLM2-Instruct.
  expect_known(R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.04,
    "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
    "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
    "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
    "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}}, "transformers_version": "4.42.3",
    "use_cache": true, "vocab_size": 49152})");
  // A distilled Qwen2.
  expect_known(R"({"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 1536, "initializer_range": 0.02,
    "intermediate_size": 8960, "max_position_embeddings": 131072, "max_window_layers": 21, "model_type": "qwen2",
    "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
    "rope_theta": 10000, "sliding_window": 4096, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    "transformers_version": "4.44.0", "use_cache": true, "use_mrope": false, "use_sliding_window": false,
    "vocab_size": 151936})");
  // As transformers 5 writes a Qwen3.
  expect_known(R"({"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 151643, "dtype": "bfloat16", "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072, "layer_types": ["full_attention"],
    "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16,
    "num_hidden_layers": 28, "num_key_value_heads": 8, "pad_token_id": null, "rms_norm_eps": 1e-06,
    "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}, "sliding_window": null,
    "tie_word_embeddings": true, "transformers_version": "5.0.0", "use_cache": true, "use_sliding_window": false,
    "vocab_size": 151936})");
  // GPT-2 of old, and DistilGPT-2 with all that its time wrote.
  expect_known(R"({"_num_labels": 1, "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "id2label": {"0": "LABEL_0"},
    "initializer_range": 0.02, "label2id": {"LABEL_0": 0}, "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
    "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_inner": null, "n_layer": 6, "n_positions": 1024, "resid_pdrop": 0.1,
    "reorder_and_upcast_attn": false, "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true,
    "summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
    "summary_type": "cls_index", "summary_use_proj": true, "task_specific_params": {"text-generation": {"do_sample":
    true, "max_length": 50}}, "vocab_size": 50257})");
}

}  // namespace
}  // namespace gyre::config_keys_test
