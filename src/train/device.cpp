#include "train/device.hpp"

#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <charconv>

#include "base/error.hpp"

namespace gyre {
namespace {

constexpr int kMostDevices = 64;

/// N of "cuda:N"; 0 of "cuda".
int number_of(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(std::string_view("cuda").size());
  if (digits.empty()) return 0;
  int number = -1;
  const auto [end, failure] = std::from_chars(digits.data() + 1, digits.data() + digits.size(), number);
  const bool whole = failure == std::errc() && end == digits.data() + digits.size();
  if (digits.front() != ':' || !whole || number < 0 || number >= kMostDevices) {
    throw Error("--device {}: give cpu, cuda or cuda:N", text);
  }
  return number;
}

}  // namespace

torch::Device training_device(const std::string& text) {
  if (text == "cpu") return torch::kCPU;
  if (!text.starts_with("cuda")) throw Error("--device {}: give cpu, cuda or cuda:N", text);
  const int number = number_of(text);
  if (!at::detail::getCUDAHooks().hasCUDART()) {
    throw Error(
        "--device {}: this LibTorch ({}) was built without CUDA; build gyre against one that has it, or give cpu", text,
        TORCH_VERSION);
  }
  const auto there = static_cast<int>(torch::cuda::device_count());
  if (number >= there) {
    throw Error("--device {}: {}; give cpu{}", text,
                there == 0 ? "this machine shows no CUDA device"
                           : fmt::format("this machine shows {} CUDA device{}", there, there == 1 ? "" : "s"),
                there == 0 ? "" : fmt::format(" or a number up to {}", there - 1));
  }
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(number)};
}

}  // namespace gyre
