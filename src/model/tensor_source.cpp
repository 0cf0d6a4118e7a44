#include "model/tensor_source.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"

namespace gyre {

TensorSource::TensorSource(TensorStore store, Mapping mapping, const std::string& family)
    : store_(std::move(store)), mapping_(std::move(mapping)) {
  for (TensorInfo& info : tensor_table(mapping_.spec)) shapes_[info.name] = std::move(info.shape);
  check_names(family);
}

void TensorSource::check_names(const std::string& family) const {
  std::set<std::string> known(mapping_.unused.begin(), mapping_.unused.end());
  for (const auto& [name, shape] : shapes_) {
    const auto recipe = mapping_.recipes.find(name);
    if (recipe == mapping_.recipes.end()) {
      throw Error("{}: the {} family has no source for tensor {}", store_.where(), family, name);
    }
    known.insert(recipe->second.parts.begin(), recipe->second.parts.end());
  }
  for (const auto& [name, tensor] : store_.tensors()) {
    if (!known.contains(name)) {
      throw Error("{}: tensor {} has no place in the model that its configuration describes", store_.where(), name);
    }
  }
}

void TensorSource::require_finite(const std::string& name) const {
  for (const std::string& part : mapping_.recipes.at(name).parts) {
    if (is_finite(store_.at(part))) continue;
    throw Error("{}: tensor {} holds numbers that are not finite; the training diverged or the file is damaged",
                store_.where(), part);
  }
}

void TensorSource::refuse_shapes(const std::string& name) const {
  const Recipe& recipe = mapping_.recipes.at(name);
  if (recipe.parts.size() == 1 && !recipe.arrange) {
    throw Error("{}: tensor {} is {}, but config.json makes it {}; the two files belong to different models",
                store_.where(), recipe.parts.front(), describe_shape(store_.at(recipe.parts.front()).shape),
                describe_shape(shapes_.at(name)));
  }
  std::string found;
  for (const std::string& part : recipe.parts) {
    found += (found.empty() ? "" : ", ") + describe_shape(store_.at(part).shape);
  }
  throw Error("{}: tensor {} is {}, which does not make {} of {}; the configuration belongs to another model",
              store_.where(), recipe.parts.front(), found, name, describe_shape(shapes_.at(name)));
}

std::optional<std::vector<TensorView>> TensorSource::stored(const std::string& name) const {
  const Recipe& recipe = mapping_.recipes.at(name);
  if (recipe.arrange) return {};
  const std::vector<std::int64_t>& shape = shapes_.at(name);
  std::vector<TensorView> parts;
  std::uint64_t total = 0;
  for (const std::string& part : recipe.parts) {
    parts.push_back(store_.at(part));
    total += parts.back().element_count();
    const bool whole_rows = shape.size() < 2 || parts.back().columns() == static_cast<std::size_t>(shape.back());
    if (!whole_rows) refuse_shapes(name);
  }
  if (total != elements_of(shape) || (parts.size() == 1 && parts.front().shape != shape)) refuse_shapes(name);
  return parts;
}

std::vector<float> TensorSource::floats(const std::string& name) const {
  require_finite(name);
  const std::uint64_t count = elements_of(shapes_.at(name));
  if (const auto parts = stored(name)) {
    std::vector<float> out(count);
    std::span<float> rest = out;
    for (const TensorView& part : *parts) {
      widen(part, rest.first(part.element_count()));
      rest = rest.subspan(part.element_count());
    }
    return out;
  }
  const Recipe& recipe = mapping_.recipes.at(name);
  std::vector<std::vector<float>> parts;
  std::uint64_t total = 0;
  for (const std::string& part : recipe.parts) {
    const TensorView& tensor = store_.at(part);
    parts.emplace_back(tensor.element_count());
    widen(tensor, parts.back());
    total += tensor.element_count();
  }
  // No arrangement adds more than the zeros of a bias, so that the sizes of a configuration alone reserve no memory. A
  // bias of zeros alone has no parts; its matrix, of more numbers, has been read before.
  if (!recipe.parts.empty() && count > 2 * total) refuse_shapes(name);
  std::vector<float> out(count);
  if (!recipe.arrange(parts, out)) refuse_shapes(name);
  return out;
}

void TensorSource::rename(const std::map<std::string, std::string>& old_by_new) {
  std::map<std::string, Recipe> recipes;
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const auto& [now, old] : old_by_new) {
    recipes[now] = mapping_.recipes.at(old);
    shapes[now] = shapes_.at(old);
  }
  mapping_.recipes = std::move(recipes);
  shapes_ = std::move(shapes);
}

}  // namespace gyre
