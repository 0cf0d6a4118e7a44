#include "train/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/library.h>

#include "base/error.hpp"
#include "train/adamw.hpp"
#include "train/random_model.hpp"
#include "train/tiny_spec.hpp"
#include "train/torch_model.hpp"

namespace gyre::device_test {
namespace {

using torch::Tensor;

std::string refusal(const std::string& text) {
  try {
    static_cast<void>(training_device(text));
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(TrainingDevice, CpuIsAlwaysThere) { EXPECT_TRUE(training_device("cpu").is_cpu()); }

TEST(TrainingDevice, RefusesWhatIsNoDeviceByName) {
  for (const char* const text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda1", "cuda:64"}) {
    EXPECT_EQ(refusal(text), std::string("--device ") + text + ": give cpu, cuda or cuda:N");
  }
}

TEST(TrainingDevice, RefusesADeviceThatIsNotThere) {
  if (torch::cuda::device_count() == 0) {
    EXPECT_THAT(refusal("cuda"), testing::HasSubstr("give cpu"));
    EXPECT_THAT(refusal("cuda:3"), testing::StartsWith("--device cuda:3: this "));
  } else {
    EXPECT_THAT(refusal("cuda:63"), testing::HasSubstr("this machine shows"));
  }
}

// Shapes of two operations that LibTorch has none for (PyTorch 2 has them in Python).

Tensor index_select_shape(const Tensor& table, std::int64_t dimension, const Tensor& index) {
  TORCH_CHECK(index.is_meta(), "the index stands on ", index.device());
  std::vector<std::int64_t> shape = table.sizes().vec();
  shape[static_cast<std::size_t>(dimension)] = index.numel();
  return torch::empty(shape, table.options());
}

Tensor embedding_gradient_shape(const Tensor& upstream, const Tensor& index, std::int64_t rows,
                                std::int64_t /*padding*/, bool /*by_frequency*/) {
  TORCH_CHECK(index.is_meta() && upstream.is_meta(), "the index stands on ", index.device());
  return torch::empty({rows, upstream.size(-1)}, upstream.options());
}

TORCH_LIBRARY_IMPL(aten, Meta, meta) {
  meta.impl("index_select", index_select_shape);
  meta.impl("embedding_dense_backward", embedding_gradient_shape);
}

/// One pass there and back on the meta device. False where LibTorch has no shapes for one of its operations, as
/// for norms of layers.
bool runs_on_meta(std::uint64_t seed) {
  TorchModel model = random_model(seed);
  model.move_to(torch::kMeta);
  const Tensor tokens = torch::zeros({2, 5}, torch::TensorOptions().dtype(torch::kLong).device(torch::kMeta));
  ForwardOptions options;
  options.loops = model.spec().default_loops();
  options.noise_seeds = {1, 2};
  try {
    const Tensor states = model.states(tokens, options);
    EXPECT_EQ(states.sizes(), (std::vector<std::int64_t>{2, 5, model.spec().hidden_size})) << "seed " << seed;
    model.logits(states, Precision::f32).sum().backward();
  } catch (const c10::NotImplementedError&) {
    return false;
  }
  return true;
}

/// The meta device computes shapes alone and refuses an operation whose tensors stand on two devices: a pass that runs
/// there has left nothing on the CPU.
TEST(TrainingDevice, APassRunsWhollyWhereTheParametersAre) {
  int passes = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) passes += runs_on_meta(seed) ? 1 : 0;
  EXPECT_GE(passes, 25);
}

TEST(TrainingDevice, TheOptimiserKeepsItsNumbersBesideTheParameters) {
  TorchModel model(tiny_spec(), 1);
  model.move_to(torch::kMeta);
  const AdamW optimiser(model, {});
  for (const Tensor& tensor : optimiser.state()) EXPECT_TRUE(tensor.is_meta());
  for (const Tensor& tensor : model.tensors()) EXPECT_TRUE(tensor.requires_grad());
}

}  // namespace
}  // namespace gyre::device_test
