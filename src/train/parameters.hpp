#pragma once

#include <torch/types.h>

#include <cstdint>
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
  /// All of them, in the order of names().
  [[nodiscard]] std::vector<torch::Tensor> tensors() const {
    std::vector<torch::Tensor> all;
    for (const std::string& name : names_) all.push_back(tensors_.at(name));
    return all;
  }
  /// Numbers in all tensors together.
  [[nodiscard]] std::int64_t count() const {
    std::int64_t numbers = 0;
    for (const auto& [name, tensor] : tensors_) numbers += tensor.numel();
    return numbers;
  }
  /// From here on none of them takes a gradient.
  void freeze() const {
    for (const torch::Tensor& tensor : tensors()) tensor.set_requires_grad(false);
  }
  /// All of them become leaves on `device`: for whoever owns them, before anyone else has taken hold of one.
  void move_to(const torch::Device& device) {
    for (auto& [name, tensor] : tensors_) {
      tensor = tensor.detach().to(device).set_requires_grad(tensor.requires_grad());
    }
  }

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
