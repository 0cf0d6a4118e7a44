#include "raman/torch/depthwise.hpp"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <algorithm>
#include <vector>

namespace gyre::raman {
namespace {

using torch::Tensor;

struct Shape {
  std::int64_t rows;
  std::int64_t places;
  std::int64_t channels;
  std::int64_t kernel;
};

Shape shape_of(const Tensor& x, const Tensor& weight) { return {x.size(0), x.size(1), x.size(2), weight.size(0)}; }

/// out[l] += weight[k] · in[l + k − K/2] for one row; `mirrored` takes in[l − k + K/2] instead: the gradient's way.
void convolve_row(const Shape& s, const float* in, const float* weight, float* out, bool mirrored) {
  const std::int64_t reach = s.kernel / 2;
  for (std::int64_t l = 0; l < s.places; ++l) {
    float* y = out + l * s.channels;
    for (std::int64_t k = 0; k < s.kernel; ++k) {
      const std::int64_t from = mirrored ? l - k + reach : l + k - reach;
      if (from < 0 || from >= s.places) continue;
      const float* x = in + from * s.channels;
      const float* w = weight + k * s.channels;
#pragma omp simd
      for (std::int64_t c = 0; c < s.channels; ++c) y[c] += w[c] * x[c];
    }
  }
}

/// grad[k] += Σ_l dy[l] · in[l + k − K/2] for one row.
void weight_gradient_row(const Shape& s, const float* in, const float* dy, float* grad) {
  const std::int64_t reach = s.kernel / 2;
  for (std::int64_t l = 0; l < s.places; ++l) {
    const float* g = dy + l * s.channels;
    for (std::int64_t k = 0; k < s.kernel; ++k) {
      const std::int64_t from = l + k - reach;
      if (from < 0 || from >= s.places) continue;
      const float* x = in + from * s.channels;
      float* w = grad + k * s.channels;
#pragma omp simd
      for (std::int64_t c = 0; c < s.channels; ++c) w[c] += g[c] * x[c];
    }
  }
}

class Depthwise : public torch::autograd::Function<Depthwise> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    const Tensor in = x.contiguous();
    context->save_for_backward({in, weight});
    const Shape s = shape_of(in, weight);
    Tensor out = bias.expand({s.rows, s.places, s.channels}).contiguous();
    const auto* from = in.data_ptr<float>();
    const auto* w = weight.data_ptr<float>();
    auto* to = out.data_ptr<float>();
    const std::int64_t size = s.places * s.channels;
    at::parallel_for(0, s.rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) convolve_row(s, from + r * size, w, to + r * size, false);
    });
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor& in = saved[0];
    const Tensor& weight = saved[1];
    const Tensor dy = gradients[0].contiguous();
    const Shape s = shape_of(in, weight);
    Tensor dx = torch::zeros_like(in);
    // One sum a chunk of rows, so that the result does not depend on how threads share them.
    constexpr std::int64_t kChunks = 8;
    Tensor dw = torch::zeros({kChunks, s.kernel, s.channels});
    const auto* from = in.data_ptr<float>();
    const auto* g = dy.data_ptr<float>();
    const auto* w = weight.data_ptr<float>();
    auto* to = dx.data_ptr<float>();
    auto* sums = dw.data_ptr<float>();
    const std::int64_t size = s.places * s.channels;
    at::parallel_for(0, kChunks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        for (std::int64_t r = chunk * s.rows / kChunks; r < (chunk + 1) * s.rows / kChunks; ++r) {
          convolve_row(s, g + r * size, w, to + r * size, true);
          weight_gradient_row(s, from + r * size, g + r * size, sums + chunk * s.kernel * s.channels);
        }
      }
    });
    return {dx, dw.sum(0), dy.sum(at::IntArrayRef({0, 1}))};
  }
};

}  // namespace

Tensor depthwise_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return Depthwise::apply(x, weight, bias);
}

}  // namespace gyre::raman
