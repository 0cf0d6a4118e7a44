#include "raman/ensemble.hpp"

#include <fmt/format.h>

#include <utility>

namespace gyre::raman {

template <typename Result>
std::vector<float> Ensemble::mean_of(const Result& result) const {
  std::vector<float> mean;
  for (const auto& member : members_) {
    const std::vector<float> own = result(*member);
    mean.resize(own.size(), 0.0F);
    for (std::size_t i = 0; i < own.size(); ++i) mean[i] += own[i] / static_cast<float>(members_.size());
  }
  return mean;
}

std::vector<float> Ensemble::logits(std::span<const float> inputs) const {
  return mean_of([&](const Classifier& member) { return member.logits(inputs); });
}

std::vector<float> Ensemble::embeddings(std::span<const float> inputs) const {
  std::vector<std::vector<float>> parts;
  for (const auto& member : members_) parts.push_back(member->embeddings(inputs));
  const std::size_t rows = inputs.size() / points_;
  const std::size_t width = rows == 0 ? 0 : parts.front().size() / rows;
  std::vector<float> all;
  all.reserve(rows * width * parts.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (const auto& part : parts) {
      const auto first = part.begin() + static_cast<std::ptrdiff_t>(row * width);
      all.insert(all.end(), first, first + static_cast<std::ptrdiff_t>(width));
    }
  }
  return all;
}

std::vector<float> Ensemble::attributions(std::span<const float> inputs, std::span<const int> targets,
                                          int steps) const {
  return mean_of([&](const Classifier& member) { return member.attributions(inputs, targets, steps); });
}

void Ensemble::save(const std::filesystem::path& file) const {
  for (std::size_t m = 0; m < members_.size(); ++m) members_[m]->save(member_file(file, static_cast<int>(m)));
}

std::filesystem::path member_file(const std::filesystem::path& file, int member) {
  if (member == 0) return file;
  std::filesystem::path other = file;
  other.replace_filename(fmt::format("{}-{}{}", file.stem().string(), member, file.extension().string()));
  return other;
}

}  // namespace gyre::raman
