#include <torch/csrc/autograd/custom_function.h>

#include "train/fused_loops.hpp"
#include "train/fused_ops.hpp"
#include "train/plain_ops.hpp"

namespace gyre {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Activations of the form a σ(s(a)): what s is, and its slope.

struct Silu {
  static float argument(float a) { return a; }
  static float slope(float /*a*/) { return 1.0F; }
};

/// a (1 + tanh(√(2/π) (a + 0.044715 a³))) / 2, where (1 + tanh u) / 2 = σ(2u).
struct TanhGelu {
  static constexpr float kTwice = 1.5957691216F;  ///< 2 √(2/π)
  static constexpr float kCubic = 0.044715F;
  static float argument(float a) { return kTwice * a * (1.0F + kCubic * a * a); }
  static float slope(float a) { return kTwice * (1.0F + 3.0F * kCubic * a * a); }
};

/// `x` holds n numbers, and behind them n that theirs are multiplied by where Gated.
template <typename Form, bool Gated, typename T>
void activate_row(const T* x, T* y, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = load(x[i]);
    const float active = a / (1.0F + fast_exp(-Form::argument(a)));
    store(y[i], Gated ? active * load(x[i + (Gated ? n : 0)]) : active);
  }
}

template <typename Form, bool Gated, typename T>
void activation_gradient_row(const T* x, const T* dy, T* dx, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = load(x[i]);
    const float upstream = load(dy[i]);
    const float sigmoid = 1.0F / (1.0F + fast_exp(-Form::argument(a)));
    const float slope = sigmoid * (1.0F + a * Form::slope(a) * (1.0F - sigmoid));
    if constexpr (Gated) {
      store(dx[i], upstream * load(x[n + i]) * slope);
      store(dx[n + i], upstream * a * sigmoid);
    } else {
      store(dx[i], upstream * slope);
    }
  }
}

template <typename Form, bool Gated>
class ActivationFunction : public torch::autograd::Function<ActivationFunction<Form, Gated>> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& input) {
    const Tensor x = input.contiguous();
    const std::int64_t width = x.size(-1);
    const std::int64_t n = Gated ? width / 2 : width;
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = n;
    Tensor y = torch::empty(shape, x.options());
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto* in = x.data_ptr<T>();
      auto* out = y.data_ptr<T>();
      for_rows(x.numel() / width,
               [&](std::int64_t row) { activate_row<Form, Gated>(in + row * width, out + row * n, n); });
    });
    context->save_for_backward({x});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const Tensor dy = gradients[0].contiguous();
    const std::int64_t n = dy.size(-1);
    const std::int64_t width = x.size(-1);
    Tensor dx = torch::empty_like(x);
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto* in = x.data_ptr<T>();
      const auto* upstream = dy.data_ptr<T>();
      auto* out = dx.data_ptr<T>();
      for_rows(dy.numel() / n, [&](std::int64_t row) {
        activation_gradient_row<Form, Gated>(in + row * width, upstream + row * n, out + row * width, n);
      });
    });
    return {dx};
  }
};

}  // namespace

Tensor silu_gated(const Tensor& x) {
  return x.is_cpu() ? ActivationFunction<Silu, true>::apply(x) : plain_silu_gated(x);
}

Tensor gelu_tanh(const Tensor& x) {
  return x.is_cpu() ? ActivationFunction<TanhGelu, false>::apply(x) : plain_gelu_tanh(x);
}

Tensor gelu_tanh_gated(const Tensor& x) {
  return x.is_cpu() ? ActivationFunction<TanhGelu, true>::apply(x) : plain_gelu_tanh_gated(x);
}

}  // namespace gyre
