#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "format/tensor_store.hpp"
#include "model/mapping.hpp"

namespace gyre {

/// The tensors of a model, by their names in tensor_table(spec), as a checkpoint gives them.
class TensorSource {
 public:
  /// Throws Error when a tensor has no source, or when the checkpoint holds one that has no place.
  TensorSource(TensorStore store, Mapping mapping, const std::string& family);

  [[nodiscard]] const std::vector<std::int64_t>& shape(const std::string& name) const { return shapes_.at(name); }
  [[nodiscard]] const std::map<std::string, std::vector<std::int64_t>>& shapes() const { return shapes_; }

  /// The stored tensors whose rows, one after the other, are those of `name`; nothing when it has to be arranged first.
  /// Throws Error when one is missing or when shapes do not fit.
  [[nodiscard]] std::optional<std::vector<TensorView>> stored(const std::string& name) const;
  /// Whether a tensor is made of stored ones whose rows follow one another, and their names.
  [[nodiscard]] bool stacked(const std::string& name) const { return !mapping_.recipes.at(name).arrange; }
  [[nodiscard]] const std::vector<std::string>& parts(const std::string& name) const {
    return mapping_.recipes.at(name).parts;
  }
  /// Throws Error when a number that `name` is made of is not finite.
  void require_finite(const std::string& name) const;
  /// The numbers of any tensor, finite ones. Throws Error as stored() and require_finite().
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;

  /// The same tensors under other names.
  void rename(const std::map<std::string, std::string>& old_by_new);
  /// Lets go of the memory that reading tensors took; they can be read again. Of all files as a whole: where the system
  /// maps large pages, a tensor brings its neighbours back.
  void release() const { store_.drop_pages(); }

  [[nodiscard]] const TensorStore& store() const { return store_; }

 private:
  void check_names(const std::string& family) const;
  [[noreturn]] void refuse_shapes(const std::string& name) const;

  TensorStore store_;
  Mapping mapping_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;
};

}  // namespace gyre
