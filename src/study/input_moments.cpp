#include "study/input_moments.hpp"

#include <algorithm>
#include <utility>

#include "engine/activation_rows.hpp"
#include "kernels/kernels.hpp"

namespace gyre {
namespace {

std::size_t bytes_of(std::size_t columns) { return columns * columns * sizeof(float); }

/// What the upper half of a symmetric matrix lacks.
void mirror(std::span<float> sums, std::size_t columns) {
  for (std::size_t i = 0; i < columns; ++i) {
    for (std::size_t j = 0; j < i; ++j) sums[j * columns + i] = sums[i * columns + j];
  }
}

}  // namespace

InputMoments::InputMoments(const Model& model, const MeasuredText& text, const EvaluationOptions& options,
                           ThreadPool& pool, ProgressSink progress, std::size_t most_bytes)
    : options_(options),
      pool_(pool),
      progress_(std::move(progress)),
      most_bytes_(most_bytes),
      windows_(cut_windows(text, model.spec(), {options.window, options.score_from})),
      engine_(model, options.threads, options.stop) {
  for (const TensorInfo& info : tensor_table(model.spec())) {
    if (info.shape.size() != 2 || info.name == "embed.weight" || info.name == "position.weight") continue;
    matrices_.push_back({info.name, static_cast<std::size_t>(info.shape.back())});
  }
  engine_.observe_inputs([this](const MatrixInput& input) { add(input); });
}

std::span<const float> InputMoments::of(const std::string& tensor) {
  if (!sums_.contains(tensor)) collect(tensor);
  const auto found = sums_.find(tensor);
  if (found == sums_.end()) return {};
  // A matrix that reads nothing, or only zeros, is rounded by itself.
  const std::vector<float>& sums = found->second;
  return std::any_of(sums.begin(), sums.end(), [](float sum) { return sum != 0; }) ? sums : std::span<const float>();
}

void InputMoments::collect(const std::string& tensor) {
  sums_.clear();
  auto next =
      std::find_if(matrices_.begin(), matrices_.end(), [&](const Matrix& matrix) { return matrix.tensor == tensor; });
  std::size_t bytes = 0;
  for (; next != matrices_.end(); ++next) {
    bytes += bytes_of(next->columns);
    if (!sums_.empty() && bytes > most_bytes_) break;
    sums_[next->tensor].resize(next->columns * next->columns);
  }
  if (sums_.empty()) return;
  const Engine::Logits logits = sums_.contains("head.weight") ? Engine::Logits::all : Engine::Logits::none;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    Sequence sequence = start_sequence(engine_, options_);
    engine_.prefill(sequence, windows_[w].inputs(), logits);
    if (progress_) progress_(static_cast<std::int64_t>(w + 1), static_cast<std::int64_t>(windows_.size()));
  }
  for (const Matrix& matrix : matrices_) {
    if (const auto sums = sums_.find(matrix.tensor); sums != sums_.end()) mirror(sums->second, matrix.columns);
  }
}

void InputMoments::add(const MatrixInput& input) {
  const auto found = sums_.find(input.tensor);
  if (found == sums_.end()) return;
  // Xᵀ X, X [tokens, channels], is a product of Xᵀ as weights with the rows of Xᵀ: panels of 16 channels, a token being
  // a column.
  const std::size_t channels = input.columns;
  const std::size_t tokens = input.rows.size() / channels;
  const std::size_t panels = (channels + kPanelRows - 1) / kPanelRows;
  grow(panels_, panels * tokens);
  grow(transposed_, channels * tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    const std::span<const float> row = input.rows.subspan(t * channels, channels);
    for (std::size_t i = 0; i < channels; ++i) {
      panels_[i / kPanelRows * tokens + t].channels[i % kPanelRows] = row[i];
      transposed_[i * tokens + t] = row[i];
    }
  }
  const PackedMatrix weights{WeightType::f32, channels, tokens, reinterpret_cast<const std::byte*>(panels_.data())};
  pool_.share(panels, 1, static_cast<int>(panels), [&](Share mine, int /*thread*/) {
    // Of the lower half alone: rows before the panels' own have no part.
    const std::size_t first = mine.begin * kPanelRows;
    const Activations rows{channels - first, tokens, transposed_.data() + first * tokens, {}, nullptr};
    kernels().multiply(weights, rows, mine.begin, mine.end,
                       {found->second.data() + first * channels, channels, nullptr, true});
  });
}

}  // namespace gyre
