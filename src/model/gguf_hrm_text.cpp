#include "model/gguf_hrm_text.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "model/spec.hpp"

namespace gyre {

void add_hrm_text(const Gguf& file, nlohmann::json& config) {
  const std::int64_t layers = file.integer("hrm_text.hrm.layers_per_stack", 1, kMostLoops);
  const std::int64_t slow = file.integer("hrm_text.hrm.h_cycles", 1, kMostLoops);
  const std::int64_t fast = file.integer("hrm_text.hrm.l_cycles", 1, kMostLoops);
  const std::int64_t passes = layers * slow * (fast + 1);
  if (const auto blocks = config.at("num_hidden_layers").get<std::int64_t>(); blocks != passes) {
    throw Error(
        "{}: hrm_text.block_count is {}, but layers_per_stack ({}) · h_cycles ({}) · (l_cycles ({}) + 1) is {}; it "
        "counts the layers of all cycles",
        file.path().string(), blocks, layers, slow, fast, passes);
  }
  const double scale = file.number("hrm_text.embedding_scale", -1e6, 1e6, 0.0);
  config["num_layers_per_stack"] = layers;
  config["H_cycles"] = slow;
  config["L_cycles"] = fast;
  config["embedding_scale"] = scale == 0 ? 1.0 : scale;
  config["prefix_lm"] = file.boolean("hrm_text.hrm.prefix_lm", false);
}

std::string plain_hrm_text_name(const std::string& stored, int layers) {
  if (stored == "model.z_L_init") return "hrm.z_l_init";
  constexpr std::string_view kFast = "model.L_module.layers.";
  constexpr std::string_view kSlow = "model.H_module.layers.";
  static_assert(kFast.size() == kSlow.size());
  const bool slow = stored.starts_with(kSlow);
  if (!slow && !stored.starts_with(kFast)) return stored;
  const std::size_t dot = stored.find('.', kFast.size());
  const int layer = std::stoi(stored.substr(kFast.size(), dot - kFast.size())) + (slow ? layers : 0);
  return fmt::format("model.layers.{}{}", layer, stored.substr(dot));
}

}  // namespace gyre
