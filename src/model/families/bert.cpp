#include <nlohmann/json.hpp>

#include "model/families/decoder_names.hpp"
#include "model/families/encoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::bert {
namespace {

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  return encoder_mapping(config, tensors, {.top = "bert.", .first_position = 0, .name_of_model = "bert"}, where);
}

}  // namespace

Family family() {
  return {"bert", "BERT, MiniLM", [](const nlohmann::json& config) { return is_type(config, "bert"); }, encoder_keys(),
          map};
}

}  // namespace gyre::bert
