#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

namespace gyre {

/// The trainable tensors of a model by their names in checkpoints, in a fixed order.
class Parameters {
 public:
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Throws std::out_of_range for a name that is none of these.
  [[nodiscard]] const torch::Tensor& parameter(const std::string& name) const { return tensors_.at(name); }

 protected:
  /// `value` becomes a leaf that takes a gradient.
  void add(const std::string& name, const torch::Tensor& value) {
    names_.push_back(name);
    tensors_[name] = value.set_requires_grad(true);
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, torch::Tensor> tensors_;
};

}  // namespace gyre
