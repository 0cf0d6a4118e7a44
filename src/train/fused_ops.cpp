#include "train/fused_ops.hpp"

#include <ATen/Dispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "train/fused_loops.hpp"
#include "train/plain_ops.hpp"

namespace gyre {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RowMoments {
  float mean = 0;
  float inverse = 0;  ///< 1 / sqrt(variance + eps)
};

RowMoments moments(const float* x, std::int64_t n, bool centred, float eps) {
  float sum = 0;
  float squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (std::int64_t i = 0; i < n; ++i) {
    sum += x[i];
    squares += x[i] * x[i];
  }
  const auto count = static_cast<float>(n);
  const float mean = centred ? sum / count : 0;
  float variance = squares / count;
  if (centred) {
    float spread = 0;
#pragma omp simd reduction(+ : spread)
    for (std::int64_t i = 0; i < n; ++i) spread += (x[i] - mean) * (x[i] - mean);
    variance = spread / count;
  }
  return {mean, 1.0F / std::sqrt(variance + eps)};
}

/// dx, and the weight and bias gradients of the rows begin … end, added to `dweight` and `dbias`.
template <typename Out>
void norm_backward_rows(std::int64_t begin, std::int64_t end, std::int64_t n, const float* x, const Out* dy,
                        const float* weight, const float* saved, bool centred, float* dx, float* dweight,
                        float* dbias) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* xr = x + row * n;
    const Out* dyr = dy + row * n;
    const float mean = saved[2 * row];
    const float inverse = saved[2 * row + 1];
    float along_x = 0;
    float total = 0;
#pragma omp simd reduction(+ : along_x, total)
    for (std::int64_t i = 0; i < n; ++i) {
      const float g = load(dyr[i]);
      const float normalised = (xr[i] - mean) * inverse;
      along_x += g * weight[i] * normalised;
      total += g * weight[i];
      dweight[i] += g * normalised;
      dbias[i] += g;
    }
    const auto count = static_cast<float>(n);
    const float shift = centred ? total / count : 0;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      const float normalised = (xr[i] - mean) * inverse;
      dx[row * n + i] = inverse * (load(dyr[i]) * weight[i] - shift - normalised * along_x / count);
    }
  }
}

class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& weight, const Tensor& bias,
                        bool centred, double eps, int64_t out) {
    const Tensor x = input.contiguous();
    const std::int64_t n = x.size(-1);
    const std::int64_t rows = x.numel() / n;
    Tensor y = torch::empty(x.sizes(), x.options().dtype(static_cast<torch::ScalarType>(out)));
    Tensor saved = torch::empty({rows, 2}, x.options());
    const auto* px = x.data_ptr<float>();
    const auto* pw = weight.data_ptr<float>();
    const float* pb = centred ? bias.data_ptr<float>() : nullptr;
    auto* ps = saved.data_ptr<float>();
    with_type(y, [&](auto zero) {
      using Out = decltype(zero);
      auto* py = y.data_ptr<Out>();
      for_rows(rows, [&](std::int64_t row) {
        const float* xr = px + row * n;
        const auto [mean, inverse] = moments(xr, n, centred, static_cast<float>(eps));
        ps[2 * row] = mean;
        ps[2 * row + 1] = inverse;
        if (pb != nullptr) {
#pragma omp simd
          for (std::int64_t i = 0; i < n; ++i) store(py[row * n + i], (xr[i] - mean) * inverse * pw[i] + pb[i]);
        } else {
#pragma omp simd
          for (std::int64_t i = 0; i < n; ++i) store(py[row * n + i], xr[i] * inverse * pw[i]);
        }
      });
    });
    context->save_for_backward({x, weight, saved});
    context->saved_data["centred"] = centred;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list kept = context->get_saved_variables();
    const Tensor& x = kept[0];
    const Tensor& weight = kept[1];
    const bool centred = context->saved_data["centred"].toBool();
    const std::int64_t n = x.size(-1);
    const std::int64_t rows = x.numel() / n;
    const Tensor dy = gradients[0].contiguous();
    Tensor dx = torch::empty_like(x);
    const std::int64_t tasks = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(1, rows));
    Tensor dweight = torch::zeros({tasks, n}, x.options());
    Tensor dbias = torch::zeros({tasks, n}, x.options());
    with_type(dy, [&](auto zero) {
      using Out = decltype(zero);
      at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t task = begin; task < end; ++task) {
          norm_backward_rows<Out>(rows * task / tasks, rows * (task + 1) / tasks, n, x.data_ptr<float>(),
                                  dy.data_ptr<Out>(), weight.data_ptr<float>(), kept[2].data_ptr<float>(), centred,
                                  dx.data_ptr<float>(), dweight.data_ptr<float>() + task * n,
                                  dbias.data_ptr<float>() + task * n);
        }
      });
    });
    return {dx, dweight.sum(0), centred ? dbias.sum(0) : Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

/// out = x turned by the angles (direction 1) or back (-1).
template <typename T>
void rotate(const T* x, T* out, const float* cosines, const float* sines, std::int64_t pairs, bool adjacent,
            float direction) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    const std::int64_t first = adjacent ? 2 * i : i;
    const std::int64_t second = adjacent ? 2 * i + 1 : i + pairs;
    const float a = load(x[first]);
    const float b = load(x[second]);
    const float sine = direction * sines[i];
    store(out[first], a * cosines[i] - b * sine);
    store(out[second], b * cosines[i] + a * sine);
  }
}

struct HeadLayout {
  std::int64_t rows;
  std::int64_t positions;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_size;
  bool adjacent;  ///< pairs of neighbouring channels turn, and not of the halves

  [[nodiscard]] std::int64_t slots() const { return heads + 2 * kv_heads; }
};

/// Moves heads between the joint layout [row, position, slot, :] and q | k | v [row, head, position, :], turning q and
/// k on the way.
template <typename T>
void move_heads(const HeadLayout& layout, const Turns& turns, T* joint, T* q, T* k, T* v, bool split) {
  const std::int64_t size = layout.head_size;
  const bool turn = turns.cosines.defined();
  const std::int64_t pairs = turn ? turns.cosines.size(1) : 0;
  const std::int64_t places = turn ? turns.cosines.size(0) : 1;
  const float* const cosines = turn ? turns.cosines.data_ptr<float>() : nullptr;
  const float* const sines = turn ? turns.sines.data_ptr<float>() : nullptr;
  for_rows(layout.rows * layout.positions, [&](std::int64_t index) {
    const std::int64_t row = index / layout.positions;
    const std::int64_t t = index % layout.positions;
    const std::int64_t place = index % places * pairs;
    for (std::int64_t slot = 0; slot < layout.slots(); ++slot) {
      const std::int64_t kv = slot - layout.heads;
      T* one = kv < 0 ? q + ((row * layout.heads + slot) * layout.positions + t) * size
                      : (kv < layout.kv_heads ? k : v) +
                            ((row * layout.kv_heads + kv % layout.kv_heads) * layout.positions + t) * size;
      T* all = joint + (index * layout.slots() + slot) * size;
      T* from = split ? all : one;
      T* to = split ? one : all;
      if (turn && kv < layout.kv_heads) {
        rotate(from, to, cosines + place, sines + place, pairs, layout.adjacent, split ? 1.0F : -1.0F);
        std::copy(from + 2 * pairs, from + size, to + 2 * pairs);
      } else {
        std::copy(from, from + size, to);
      }
    }
  });
}

class SplitHeadsFunction : public torch::autograd::Function<SplitHeadsFunction> {
 public:
  /// Without turns `cosines` and `sines` are empty: LibTorch takes no undefined tensor here.
  static variable_list forward(AutogradContext* context, const Tensor& input, const Tensor& cosines,
                               const Tensor& sines, int64_t heads, int64_t kv_heads, bool adjacent) {
    const Tensor qkv = input.contiguous();
    const std::int64_t head_size = qkv.size(2) / (heads + 2 * kv_heads);
    const HeadLayout layout{qkv.size(0), qkv.size(1), heads, kv_heads, head_size, adjacent};
    Tensor q = torch::empty({layout.rows, heads, layout.positions, head_size}, qkv.options());
    Tensor k = torch::empty({layout.rows, kv_heads, layout.positions, head_size}, qkv.options());
    Tensor v = torch::empty_like(k);
    with_type(qkv, [&](auto zero) {
      using T = decltype(zero);
      move_heads<T>(layout, turns_of(cosines, sines), qkv.data_ptr<T>(), q.data_ptr<T>(), k.data_ptr<T>(),
                    v.data_ptr<T>(), true);
    });
    context->save_for_backward({cosines, sines});
    context->saved_data["adjacent"] = adjacent;
    return {q, k, v};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor q = gradients[0].contiguous();
    const Tensor k = gradients[1].contiguous();
    const Tensor v = gradients[2].contiguous();
    const variable_list kept = context->get_saved_variables();
    const HeadLayout layout{q.size(0), q.size(2), q.size(1),
                            k.size(1), q.size(3), context->saved_data["adjacent"].toBool()};
    Tensor joint = torch::empty({layout.rows, layout.positions, layout.slots() * layout.head_size}, q.options());
    with_type(q, [&](auto zero) {
      using T = decltype(zero);
      move_heads<T>(layout, turns_of(kept[0], kept[1]), joint.data_ptr<T>(), q.data_ptr<T>(), k.data_ptr<T>(),
                    v.data_ptr<T>(), false);
    });
    return {joint, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static Turns turns_of(const Tensor& cosines, const Tensor& sines) {
    return cosines.numel() == 0 ? Turns{} : Turns{cosines, sines};
  }
};

/// The columns that the rows of scores see.
class Columns {
 public:
  /// `sight` as for visible_softmax; empty: none.
  Columns(const Tensor& scores, const Tensor& sight)
      : width_(scores.size(-1)),
        rows_of_one_(scores.size(1) * width_),
        sight_(sight.numel() == 0 ? nullptr : sight.data_ptr<int64_t>()),
        alike_(sight.size(0) <= 1) {}

  struct Range {
    std::int64_t begin;
    std::int64_t end;
  };
  [[nodiscard]] Range of(std::int64_t row) const {
    const std::int64_t t = row % width_;
    if (sight_ == nullptr) return {0, t + 1};
    const std::int64_t* const seen = sight_ + 2 * ((alike_ ? 0 : row / rows_of_one_ * width_) + t);
    return {seen[0], seen[1]};
  }

 private:
  std::int64_t width_;
  std::int64_t rows_of_one_;  ///< of scores, that one row of tokens has
  const int64_t* sight_;
  bool alike_;
};

/// Zero in what a row does not see.
template <typename T>
void clear_unseen(T* row, const Columns::Range& seen, std::int64_t width) {
  std::fill(row, row + seen.begin, static_cast<T>(0.0F));
  std::fill(row + seen.end, row + width, static_cast<T>(0.0F));
}

template <typename T>
void softmax_row(const T* scores, T* out, float* exponentials, std::int64_t seen, float scale) {
  float largest = std::numeric_limits<float>::lowest();
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < seen; ++i) largest = std::max(largest, load(scores[i]));
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < seen; ++i) {
    exponentials[i] = fast_exp(scale * (load(scores[i]) - largest));
    total += exponentials[i];
  }
  const float inverse = 1.0F / total;
#pragma omp simd
  for (std::int64_t i = 0; i < seen; ++i) store(out[i], exponentials[i] * inverse);
}

template <typename T>
void softmax_gradient_row(const T* p, const T* dp, T* ds, std::int64_t seen, float scale) {
  float along = 0;
#pragma omp simd reduction(+ : along)
  for (std::int64_t i = 0; i < seen; ++i) along += load(p[i]) * load(dp[i]);
#pragma omp simd
  for (std::int64_t i = 0; i < seen; ++i) store(ds[i], scale * load(p[i]) * (load(dp[i]) - along));
}

class VisibleSoftmaxFunction : public torch::autograd::Function<VisibleSoftmaxFunction> {
 public:
  /// An empty `sight` stands for none.
  static Tensor forward(AutogradContext* context, const Tensor& input, double scale, const Tensor& sight) {
    const Tensor scores = input.contiguous();
    const Columns columns(scores, sight);
    Tensor p = torch::empty_like(scores);
    const std::int64_t width = scores.size(-1);
    with_type(scores, [&](auto zero) {
      using T = decltype(zero);
      const auto* in = scores.data_ptr<T>();
      auto* out = p.data_ptr<T>();
      at::parallel_for(0, scores.numel() / width, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> exponentials(static_cast<std::size_t>(width));
        for (std::int64_t row = begin; row < end; ++row) {
          const Columns::Range seen = columns.of(row);
          T* const to = out + row * width;
          softmax_row(in + row * width + seen.begin, to + seen.begin, exponentials.data(), seen.end - seen.begin,
                      static_cast<float>(scale));
          clear_unseen(to, seen, width);
        }
      });
    });
    context->save_for_backward({p, sight});
    context->saved_data["scale"] = scale;
    return p;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list kept = context->get_saved_variables();
    const Tensor& p = kept[0];
    const Columns columns(p, kept[1]);
    const Tensor dp = gradients[0].contiguous();
    const auto scale = static_cast<float>(context->saved_data["scale"].toDouble());
    Tensor ds = torch::empty_like(p);
    const std::int64_t width = p.size(-1);
    with_type(p, [&](auto zero) {
      using T = decltype(zero);
      for_rows(p.numel() / width, [&](std::int64_t row) {
        const Columns::Range seen = columns.of(row);
        const std::int64_t first = row * width + seen.begin;
        softmax_gradient_row(p.data_ptr<T>() + first, dp.data_ptr<T>() + first, ds.data_ptr<T>() + first,
                             seen.end - seen.begin, scale);
        clear_unseen(ds.data_ptr<T>() + row * width, seen, width);
      });
    });
    return {ds, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor fused_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, NormKind kind, double eps,
                  torch::ScalarType out) {
  if (!x.is_cpu()) return plain_norm(x, weight, bias, kind, eps, out);
  const bool centred = kind == NormKind::layer;
  // LibTorch takes no undefined tensor here; without a bias the weight stands in and is not read as one.
  return NormFunction::apply(x, weight, centred ? bias : weight, centred, eps, static_cast<int64_t>(out));
}

std::vector<Tensor> split_heads(const Tensor& qkv, const ModelSpec& spec, const Turns& turns) {
  if (!qkv.is_cpu()) return plain_split_heads(qkv, spec, turns);
  const bool turn = turns.cosines.defined();
  return SplitHeadsFunction::apply(qkv, turn ? turns.cosines : torch::empty({0}),
                                   turn ? turns.sines : torch::empty({0}), int64_t{spec.heads}, int64_t{spec.kv_heads},
                                   spec.position == PositionKind::rotary_adjacent);
}

Tensor visible_softmax(const Tensor& scores, double scale, const Tensor& sight) {
  if (!scores.is_cpu()) return plain_visible_softmax(scores, scale, sight);
  return VisibleSoftmaxFunction::apply(scores, scale, sight.defined() ? sight : torch::empty({0}, torch::kLong));
}

}  // namespace gyre
