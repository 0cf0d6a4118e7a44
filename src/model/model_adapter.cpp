#include "base/error.hpp"
#include "base/hash.hpp"
#include "model/model.hpp"

namespace gyre {

std::map<std::string, std::vector<PlacedLowRank>> Model::placed(const Adapter& adapter,
                                                                const std::map<std::string, ModulePlace>& modules) {
  std::map<std::string, std::vector<PlacedLowRank>> placed;
  for (const LowRank& part : adapter.parts) {
    const ModulePlace& place = modules.at(part.module);
    placed[place.tensor].push_back({place.rows, part});
  }
  return placed;
}

void Model::load_adapter() {
  if (options_.parts != nullptr) {
    const std::map<std::string, ModulePlace> modules = adaptable();
    require_fitting(*options_.parts, modules, "adapter");
    placed_ = placed(*options_.parts, modules);
    options_.parts = nullptr;  // what it points to may go
    return;
  }
  if (options_.adapter.empty()) return;
  const std::string where = options_.adapter.string();
  const Adapter adapter = read_adapter(options_.adapter);
  if (!adapter.weights_sha256.empty() && adapter.weights_sha256 != source_.store().hash()) {
    throw Error("{}: the adapter is of weights with SHA-256 {}, these have {}; give the model it was trained on", where,
                adapter.weights_sha256, source_.store().hash());
  }
  const std::map<std::string, ModulePlace> modules = adaptable();
  require_fitting(adapter, modules, where);
  placed_ = placed(adapter, modules);
  adapter_hash_ = adapter_digest(options_.adapter);
}

LinearAdapter Model::adapter_of(const std::string& matrix, RowRange rows) const {
  const std::vector<PlacedLowRank>& parts = placed_.at(matrix);
  const bool magnitudes = !parts.front().part.magnitude.empty();
  const std::vector<float> weights = magnitudes ? source_.floats(matrix) : std::vector<float>();
  return linear_adapter(parts, rows, static_cast<std::size_t>(source_.shape(matrix).back()), weights);
}

void Model::set_adapter(const Adapter& adapter, const std::string& where) {
  const std::map<std::string, ModulePlace> modules = adaptable();
  require_fitting(adapter, modules, where);
  std::map<std::string, std::vector<PlacedLowRank>> now = placed(adapter, modules);
  for (const auto& [tensor, parts] : now) {
    if (!adapted(tensor)) throw Error("{}: the model was loaded without an adapter of {}", where, tensor);
  }
  std::swap(placed_, now);
  for (AdaptedLinear& linear : adapted_) linear.adapter = adapter_of(linear.matrix, linear.rows);
}

std::vector<float> Model::tensor(const std::string& name) const {
  std::vector<float> numbers = source_.floats(name);
  const auto found = placed_.find(name);
  if (found == placed_.end()) return numbers;
  for (const PlacedLowRank& placed : found->second) {
    if (placed.part.loop < 0) continue;
    throw Error(
        "{}: the adapter has a set for each loop, and one matrix cannot be all of them; run it beside the model",
        options_.adapter.string());
  }
  merge(found->second, static_cast<std::size_t>(source_.shape(name).back()), numbers);
  return numbers;
}

std::string Model::hash() const {
  std::string weights = source_.store().hash();
  if (adapter_hash_.empty()) return weights;
  const std::string both = weights + adapter_hash_;
  return sha256(std::as_bytes(std::span(both)));
}

}  // namespace gyre
