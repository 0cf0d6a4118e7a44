#include "train/token_log_p.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <algorithm>
#include <vector>

namespace gyre {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

Tensor whole(const TorchModel& model, const Tensor& states, const Tensor& targets, Precision precision) {
  return -at::cross_entropy_loss(model.logits(states, precision), targets, {}, at::Reduction::None);
}

/// The head over `rows` tokens at a time. On the way back each piece is a small pass of its own, which adds to the
/// gradients of the head's weights by itself.
class Pieces : public torch::autograd::Function<Pieces> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& states, const Tensor& targets, const TorchModel* model,
                        Precision precision, std::int64_t rows) {
    context->save_for_backward({states, targets});
    context->saved_data["model"] = reinterpret_cast<std::int64_t>(model);
    context->saved_data["precision"] = static_cast<std::int64_t>(precision);
    context->saved_data["rows"] = rows;
    std::vector<Tensor> parts;
    for (std::int64_t begin = 0; begin < states.size(0); begin += rows) {
      const std::int64_t count = std::min(rows, states.size(0) - begin);
      parts.push_back(whole(*model, states.narrow(0, begin, count), targets.narrow(0, begin, count), precision));
    }
    return torch::cat(parts);
  }

  static tensor_list backward(AutogradContext* context, const tensor_list& gradients) {
    const tensor_list saved = context->get_saved_variables();
    const Tensor& states = saved.at(0);
    const Tensor& targets = saved.at(1);
    const auto* const model = reinterpret_cast<const TorchModel*>(context->saved_data["model"].toInt());
    const auto precision = static_cast<Precision>(context->saved_data["precision"].toInt());
    const std::int64_t rows = context->saved_data["rows"].toInt();
    const torch::AutoGradMode with_gradient(true);
    std::vector<Tensor> parts;
    for (std::int64_t begin = 0; begin < states.size(0); begin += rows) {
      const std::int64_t count = std::min(rows, states.size(0) - begin);
      const Tensor piece = states.narrow(0, begin, count).detach().requires_grad_(true);
      whole(*model, piece, targets.narrow(0, begin, count), precision)
          .backward(gradients.at(0).narrow(0, begin, count));
      parts.push_back(piece.grad());
    }
    return {torch::cat(parts), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor log_p_of(const TorchModel& model, const Tensor& states, const Tensor& targets, Precision precision,
                std::int64_t together) {
  const std::int64_t rows = std::max<std::int64_t>(1, together / model.spec().vocab_size);
  // The way back leads through the states. Where those take no gradient but the head's weights do, there is none.
  const bool no_way_back = torch::GradMode::is_enabled() && !states.requires_grad();
  if (states.size(0) <= rows || no_way_back) return whole(model, states, targets, precision);
  return Pieces::apply(states, targets, &model, precision, rows);
}

}  // namespace gyre
