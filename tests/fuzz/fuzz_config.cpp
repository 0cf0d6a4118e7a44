#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "fuzz/model_weights.hpp"
#include "fuzz/targets.hpp"

namespace gyre::fuzz {
namespace {

/// A file without tensors.
constexpr std::string_view kNoTensors("\x02\0\0\0\0\0\0\0{}", 10);

}  // namespace

void config(Bytes input) {
  const std::string_view text = text_of(input);
  const std::size_t end = std::min(text.find('\0'), text.size());
  const InputFolder folder;
  const std::filesystem::path path = folder.add("config.json", text.substr(0, end));
  folder.add("model.safetensors", end == text.size() ? kNoTensors : text.substr(end + 1));
  attempt([&] {
    const ModelSpec spec = load_spec(path);
    require(parse_spec(parse_json(to_json(spec).dump(), "written"), "written") == spec,
            "a spec that was written is read as it was");
  });
  attempt([&] { read_weights(Model::load(folder.path())); });
}

}  // namespace gyre::fuzz
