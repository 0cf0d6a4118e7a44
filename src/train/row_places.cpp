#include "train/row_places.hpp"

#include <torch/utils.h>

#include <algorithm>

namespace gyre {

using torch::Tensor;

RowPlaces::RowPlaces(const ModelSpec& spec, const Tensor& tokens, const Tensor& documents, const Tensor& prompt)
    : spec_(spec),
      device_(tokens.device()),
      width_(tokens.size(1)),
      plain_(!documents.defined() && !prompt.defined()),
      rotary_(spec) {
  const std::int64_t rows = plain_ ? 1 : tokens.size(0);
  const auto on_cpu = [&](const Tensor& given, torch::ScalarType type) {
    if (!given.defined()) return given;
    TORCH_CHECK(given.sizes() == tokens.sizes(), "one number a token");
    return given.to(torch::kCPU, type).contiguous();
  };
  const Tensor numbers = on_cpu(documents, torch::kLong);
  const Tensor marks = on_cpu(prompt, torch::kBool);
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < rows * width_; ++i) {
    const std::int64_t t = i % width_;
    const bool first =
        t == 0 || (numbers.defined() && numbers.data_ptr<int64_t>()[i] != numbers.data_ptr<int64_t>()[i - 1]);
    if (first) documents_.push_back({t, 0, 0});
    Document& document = documents_.back();
    const bool in_prompt = marks.defined() && marks.data_ptr<bool>()[i] && document.prompt == document.length;
    if (in_prompt) ++document.prompt;
    positions.push_back(document.length++);
  }
  counted_positions_ = torch::tensor(positions, torch::kLong);
  if (!plain_) counted_positions_ = counted_positions_.view({rows, width_});
  positions_ = counted_positions_.to(device_);
}

const Turns& RowPlaces::turns(bool window) {
  const bool other = window && spec_.window_theta > 0;
  const auto [found, fresh] = turns_.try_emplace(other);
  if (fresh && spec_.position != PositionKind::learned) found->second = make_turns(other);
  return found->second;
}

Turns RowPlaces::make_turns(bool window) {
  std::vector<float> cosines;
  std::vector<float> sines;
  for (const Document& document : documents_) {
    const int length = rotary_length(spec_, static_cast<int>(document.length));
    rotary_.reserve(length, static_cast<int>(document.length));
    const Angles angles = rotary_.at(length, window, 0);
    const std::size_t count = static_cast<std::size_t>(document.length) * rotary_.pairs();
    cosines.insert(cosines.end(), angles.cosines, angles.cosines + count);
    sines.insert(sines.end(), angles.sines, angles.sines + count);
  }
  const auto table = [&](const std::vector<float>& numbers) {
    return torch::tensor(numbers, torch::kFloat).view({-1, static_cast<std::int64_t>(rotary_.pairs())}).to(device_);
  };
  return {table(cosines), table(sines)};
}

const Tensor& RowPlaces::sight(int window) {
  const int narrow = window < width_ ? window : 0;
  const auto [found, fresh] = sights_.try_emplace(narrow);
  if (fresh && (!plain_ || narrow > 0)) found->second = make_sight(narrow);
  return found->second;
}

Tensor RowPlaces::make_sight(int window) const {
  std::vector<std::int64_t> seen;  // begin and end, for every token
  for (const Document& document : documents_) {
    for (std::int64_t t = 0; t < document.length; ++t) {
      seen.push_back(document.begin + (window > 0 ? std::max<std::int64_t>(0, t + 1 - window) : 0));
      seen.push_back(document.begin + (t < document.prompt ? document.prompt : t + 1));
    }
  }
  return torch::tensor(seen, torch::kLong).view({-1, width_, 2}).to(device_);
}

}  // namespace gyre
