#include "model/gguf_phi3.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "model/spec.hpp"

namespace gyre {
namespace {

std::vector<float> numbers_of(const TensorView& tensor) {
  constexpr std::uint64_t kMost = 1 << 16;
  std::vector<float> numbers(std::min(tensor.element_count(), kMost));
  if (numbers.size() == tensor.element_count()) widen(tensor, numbers);
  return numbers;
}

/// Both lists of divisors; nothing else scales positions then.
nlohmann::json long_rotation(const Gguf& file) {
  const std::string where = file.path().string();
  if (const std::string type = file.text("phi3.rope.scaling.type", "longrope");
      type != "longrope" && type != "linear" && type != "none") {
    throw Error("{}: phi3.rope.scaling.type is \"{}\" beside {}; take one of them out", where, type, kPhi3Short);
  }
  for (const char* const key : {"phi3.rope.scaling.factor", "phi3.rope.scale_linear"}) {
    if (const double factor = file.number(key, 0, 1e6, 1.0); factor != 0 && factor != 1) {
      throw Error("{}: {} is {} beside {}; gyre does one of them", where, key, factor, kPhi3Short);
    }
  }
  const double attention = file.number("phi3.rope.scaling.attn_factor", 0, 1e6, 1.0);
  return {{"rope_type", "longrope"},
          {"short_factor", numbers_of(file.at(kPhi3Short))},
          {"long_factor", numbers_of(file.at(kPhi3Long))},
          {"attention_factor", attention == 0 ? 1.0 : attention}};
}

}  // namespace

bool has_phi3_factors(const Gguf& file) {
  const bool small = file.tensors().contains(kPhi3Short);
  if (small == file.tensors().contains(kPhi3Long)) return small;
  throw Error("{}: {} is there without {}; the two belong together", file.path().string(),
              small ? kPhi3Short : kPhi3Long, small ? kPhi3Long : kPhi3Short);
}

void add_phi3(const Gguf& file, nlohmann::json& config) {
  const auto head = config.at("head_dim").get<std::int64_t>();
  const std::int64_t turned = file.integer("phi3.rope.dimension_count", 1, kMostWidth, head);
  if (turned > head || turned % 2 != 0) {
    throw Error("{}: phi3.rope.dimension_count is {} of {} channels; gyre turns an even number of them",
                file.path().string(), turned, head);
  }
  // Half a channel more: the share is rounded down.
  if (turned < head) config["partial_rotary_factor"] = (static_cast<double>(turned) + 0.5) / static_cast<double>(head);
  const auto context = config.at("max_position_embeddings").get<std::int64_t>();
  config["original_max_position_embeddings"] =
      file.integer("phi3.rope.scaling.original_context_length", 1, kMostContext, context);
  if (has_phi3_factors(file)) config["rope_scaling"] = long_rotation(file);
  const std::int64_t window = file.integer("phi3.attention.sliding_window", 0, kMostContext, 0);
  if (window > 0) config["sliding_window"] = window;
}

}  // namespace gyre
