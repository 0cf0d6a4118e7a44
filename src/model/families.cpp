#include "model/families.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "model/families/list.hpp"

namespace gyre {

const std::vector<Family>& families() {
  static const std::vector<Family> all = {raven::family(),           ouro::family(),      parcae::family(),
                                          nanochat::family(),        nanbeige::family(),  hrm_text::family(),
                                          llama::family(),           qwen2::family(),     qwen3::family(),
                                          olmo2::family(),           gpt2::family(),      gemma3::family(),
                                          mistral::family(),         phi3::family(),      raven_training::family(),
                                          base_loop::family(),       attractor::family(), loopus::family(),
                                          iquestloopcoder::family(), bert::family(),      xlm_roberta::family()};
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
