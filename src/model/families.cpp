#include "model/families.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "model/families/list.hpp"

namespace gyre {

const std::vector<Family>& families() {
  static const std::vector<Family> all = {raven_family(),           ouro_family(),      parcae_family(),
                                          nanochat_family(),        nanbeige_family(),  hrm_text_family(),
                                          llama_family(),           qwen2_family(),     qwen3_family(),
                                          olmo2_family(),           gpt2_family(),      gemma3_family(),
                                          mistral_family(),         phi3_family(),      raven_training_family(),
                                          base_loop_family(),       attractor_family(), loopus_family(),
                                          iquestloopcoder_family(), bert_family(),      xlm_roberta_family()};
  return all;
}

const Family& family_of(const nlohmann::json& config, const std::string& where) {
  std::string names;
  for (const Family& family : families()) {
    if (family.matches(config)) return family;
    names += (names.empty() ? "" : ", ") + std::string(family.name);
  }
  const auto type = config.find("model_type");
  const std::string given = type != config.end() && type->is_string() ? type->get<std::string>() : "(none)";
  throw Error("{}: model_type {} is of no family that gyre knows; it reads gyre, {}", where, given, names);
}

Mapping map_checkpoint(const Family& family, const nlohmann::json& config, const TensorStore& tensors,
                       const std::string& where) {
  require_known_keys(config, family.keys, family.name, where);
  return family.map(config, tensors, where);
}

}  // namespace gyre
