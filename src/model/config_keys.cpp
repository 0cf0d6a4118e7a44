#include "model/config_keys.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"

namespace gyre {
namespace {

template <typename Value>
void append(std::vector<Value>& values, const std::vector<Value>& more) {
  values.insert(values.end(), more.begin(), more.end());
}

bool among(const std::vector<std::string_view>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// Families of keys that no list could name in full.
bool harmless_by_its_name(std::string_view key) {
  return key.starts_with('_') || key.find("dropout") != std::string_view::npos || key.ends_with("_pdrop") ||
         key.starts_with("unsloth_") || key.starts_with("transformers.js");
}

/// A value as a message can show it.
std::string shown(const nlohmann::json& value) {
  constexpr std::size_t kMost = 60;
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

void require_value(const nlohmann::json& value, const FixedKey& fixed, std::string_view family,
                   const std::string& where) {
  const nlohmann::json taken = nlohmann::json::parse(fixed.values);
  if (value.is_null() || std::find(taken.begin(), taken.end(), value) != taken.end()) return;
  std::string right = taken.empty() ? "null" : "";
  for (const nlohmann::json& one : taken) right += (right.empty() ? "" : " or ") + one.dump();
  throw Error("{}: {} is {}; in the family {} gyre does {} only{}{}", where, fixed.key, shown(value), family, right,
              fixed.mend.empty() ? "" : ": ", fixed.mend);
}

void require_agreement(const nlohmann::json& config, const SecondName& name, const std::string& where) {
  const auto first = config.find(name.first);
  const nlohmann::json& second = config.at(name.key);
  if (second.is_null() || (first != config.end() && *first == second)) return;
  throw Error("{}: {} is {}, but {} is {}; the two name the same thing and have to agree", where, name.key,
              shown(second), name.first, first == config.end() ? "missing" : shown(*first));
}

/// Whether `keys` know the key. Throws Error when they do, and its value is none that gyre does.
bool take(const nlohmann::json& config, std::string_view key, const ConfigKeys& keys, std::string_view family,
          const std::string& where) {
  const auto is_it = [key](const auto& row) { return row.key == key; };
  if (among(keys.used, key) || among(keys.harmless, key)) return true;
  if (const auto found = std::find_if(keys.fixed.begin(), keys.fixed.end(), is_it); found != keys.fixed.end()) {
    require_value(config.at(key), *found, family, where);
    return true;
  }
  const auto second = std::find_if(keys.second_names.begin(), keys.second_names.end(), is_it);
  if (second == keys.second_names.end()) return false;
  require_agreement(config, *second, where);
  return true;
}

}  // namespace

ConfigKeys operator+(ConfigKeys keys, const ConfigKeys& more) {
  append(keys.used, more.used);
  append(keys.harmless, more.harmless);
  append(keys.fixed, more.fixed);
  append(keys.second_names, more.second_names);
  return keys;
}

const ConfigKeys& common_keys() {
  static const ConfigKeys keys = {
      {"model_type"},
      {// What the file is and who wrote it.
       "architectures", "auto_map", "custom_pipelines", "dtype", "finetuning_task", "model_max_length", "name_or_path",
       "task_specific_params", "tokenizer_class", "torch_dtype", "transformers_version", "xla_device",
       // How a program runs it.
       "attn_implementation", "cache_implementation", "chunk_size_feed_forward", "gradient_checkpointing",
       "output_attentions", "output_hidden_states", "output_past", "return_dict", "tf_legacy_loss", "torchscript",
       "use_bfloat16", "use_cache", "use_return_dict",
       // Training and other tasks.
       "id2label", "initializer_range", "label2id", "num_labels", "problem_type",
       // Tokens: read where texts begin and end, not here.
       "begin_suppress_tokens", "bos_token_id", "decoder_start_token_id", "eos_token_id", "mask_token_id",
       "pad_token_id", "prefix", "sep_token_id", "suppress_tokens", "unk_token_id",
       // Sampling.
       "bad_words_ids", "diversity_penalty", "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
       "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length",
       "max_new_tokens", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
       "output_scores", "remove_invalid_values", "repetition_penalty", "return_dict_in_generate", "temperature",
       "top_k", "top_p", "typical_p", "is_decoder"},
      {{"quantization_config", "[]", "give a checkpoint in F32, F16 or BF16, or a GGUF file"},
       {"compression_config", "[]", "give a checkpoint in F32, F16 or BF16, or a GGUF file"},
       {"quantization", "[]", "give a checkpoint in F32, F16 or BF16, or a GGUF file"},
       {"is_encoder_decoder", "[false]"},
       {"tie_encoder_decoder", "[false]"},
       {"add_cross_attention", "[false]"},
       {"cross_attention_hidden_size", "[]"},
       {"pruned_heads", "[{}]"}},
      {}};
  return keys;
}

namespace {

/// A checkpoint of packed or scaled numbers, by the name of who made it.
void refuse_quantized(const nlohmann::json& config, const std::string& where) {
  const auto found = config.find("quantization_config");
  if (found == config.end() || !found->is_object()) return;
  const auto text = [&](const char* key) {
    const auto value = found->find(key);
    return value != found->end() && value->is_string() ? value->get<std::string>() : std::string();
  };
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kKinds = {
      {{"gptq", "a GPTQ checkpoint"},
       {"awq", "an AWQ checkpoint"},
       {"fp8", "an FP8 checkpoint"},
       {"fbgemm_fp8", "an FP8 checkpoint"},
       {"bitsandbytes", "a checkpoint of bitsandbytes"},
       {"compressed-tensors", "a checkpoint of compressed-tensors"}}};
  const std::string method = text("quant_method");
  for (const auto& [name, kind] : kKinds) {
    if (method != name) continue;
    throw Error(
        "{}: {} (quantization_config: quant_method \"{}\"), whose numbers gyre does not read; take the model's "
        "BF16 checkpoint, or a GGUF file",
        where, kind, method);
  }
}

}  // namespace

void require_known_keys(const nlohmann::json& config, const ConfigKeys& keys, std::string_view family,
                        const std::string& where) {
  refuse_quantized(config, where);
  for (const auto& [key, value] : config.items()) {
    if (take(config, key, keys, family, where) || take(config, key, common_keys(), family, where)) continue;
    if (value.is_null() || harmless_by_its_name(key)) continue;
    throw Error(
        "{}: the key {} is not known to gyre in the family {}; it may change what the model computes, so take it out "
        "only if it does not",
        where, shown(nlohmann::json(key)), family);
  }
}

}  // namespace gyre
