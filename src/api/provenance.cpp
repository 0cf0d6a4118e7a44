#include "api/provenance.hpp"

#include <nlohmann/json.hpp>

#include "kernels/kernels.hpp"
#include "model/number_types.hpp"

namespace gyre {

nlohmann::json provenance(const Model& model, const RunSettings& settings) {
  return provenance(model, settings, model.hash());
}

nlohmann::json provenance(const Model& model, const RunSettings& settings, const std::string& digest) {
  nlohmann::json json = {{"program", "gyre " GYRE_VERSION},
                         {"family", model.family()},
                         {"model_sha256", digest},
                         {"stored_dtype", model.stored_type()},
                         {"weight_dtype", model.weight_type()},
                         {"number_types", number_types(model)},
                         {"loops", settings.loops},
                         {"kv_policy", name_of(settings.kv)},
                         {"kv_type", name_of(settings.kv.type)},
                         {"first_state", name_of(settings.first_state)},
                         {"threads", settings.threads},
                         {"isa", kernels().name},
                         {"arithmetic", kernels().exact ? "exact" : "fast"},
                         {"seed", settings.seed}};
  if (settings.test_noise.kind != TestNoise::Kind::none) json["test_noise"] = name_of(settings.test_noise);
  if (!model.adapter_hash().empty()) json["adapter_sha256"] = model.adapter_hash();
  if (!model.notes().empty()) json["notes"] = model.notes();
  return json;
}

}  // namespace gyre
