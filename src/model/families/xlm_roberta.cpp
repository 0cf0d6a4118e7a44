#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/encoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::xlm_roberta {
namespace {

ConfigKeys keys() { return encoder_keys() + ConfigKeys{{"pad_token_id"}, {}, {}, {}}; }

/// Positions are counted from behind that of padding, which has the number of its token.
Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  const int padding = JsonObject(config, where).integer("pad_token_id", 0, (1 << 24) - 2, 1);
  return encoder_mapping(config, tensors,
                         {.top = "roberta.", .first_position = padding + 1, .name_of_model = "xlm-roberta"}, where);
}

}  // namespace

Family family() {
  return {"xlm_roberta", "XLM-RoBERTa, multilingual E5",
          [](const nlohmann::json& config) { return is_type(config, "xlm-roberta"); }, keys(), map};
}

}  // namespace gyre::xlm_roberta
